#include "files/json.h"

#include <gtest/gtest.h>

#include <string>

namespace sparse_transformer {
namespace {

using Json = nlohmann::ordered_json;

TEST(Json, BytesThatAreNotUtf8BecomeTheReplacementCharacter) {
  const Json json = {{"path", "caf\xe9/\xff"}};
  EXPECT_EQ(json_text(json), R"({"path":"caf\ufffd/\ufffd"})");
  EXPECT_EQ(Json::parse(json_text(json)).at("path"), "caf\uFFFD/\uFFFD");
}

TEST(Json, IsAsciiAndReadsBackAsItWas) {
  const Json json = {{"name", "caf\u00e9 \U0001F3B5 \x1b \x7f \xc2\x9b \u202e \n"}};
  const std::string text = json_text(json);
  for (const char letter : text) EXPECT_TRUE(letter >= 0x20 && letter < 0x7f) << text;
  EXPECT_EQ(Json::parse(text), json);
}

std::string fault_of(std::string_view text) {
  try {
    parse_json(text, 2);
  } catch (const JsonFault& fault) {
    return fault.what();
  }
  return "";
}

TEST(Json, FaultsAreNamed) {
  EXPECT_EQ(parse_json(R"({"a": {"b": 1}, "b": 2})", 2).at("a").at("b"), 1);
  EXPECT_EQ(fault_of(R"({"a": )"), "is not valid JSON (at byte 7)");
  EXPECT_EQ(fault_of("{\"tr\xff\"}"), "is not valid JSON (at byte 5)");
  EXPECT_EQ(fault_of("1e999"), "is not valid JSON");
  EXPECT_EQ(fault_of("[[[1]]]"), "is nested too deeply");
  EXPECT_EQ(fault_of(std::string_view("{}\0x", 4)), "contains a NUL byte");
  EXPECT_EQ(fault_of(R"({"a": {}, "b": 1, "a": {}})"), "names 'a' twice");
  EXPECT_EQ(fault_of(R"({"a": {"b": 1, "b": 1}})"), "names 'b' twice");
  const std::string longer(1000, 'k'), key = "\"" + longer + "\": 1";
  EXPECT_EQ(fault_of("{" + key + "," + key + "}"), "names '" + longer.substr(0, 80) + "...' twice");
}

TEST(Json, IsIndentedWhereAsked) {
  EXPECT_EQ(json_text(Json{{"a", 1}}, 2), "{\n  \"a\": 1\n}");
  EXPECT_EQ(json_text(nlohmann::json{{"b", 1}, {"a", 2}}), R"({"a":2,"b":1})");
}

}  // namespace
}  // namespace sparse_transformer
