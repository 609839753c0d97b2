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

TEST(Json, IsIndentedWhereAsked) {
  EXPECT_EQ(json_text(Json{{"a", 1}}, 2), "{\n  \"a\": 1\n}");
  EXPECT_EQ(json_text(nlohmann::json{{"b", 1}, {"a", 2}}), R"({"a":2,"b":1})");
}

}  // namespace
}  // namespace sparse_transformer
