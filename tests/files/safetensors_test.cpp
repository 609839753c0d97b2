#include "files/safetensors.h"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "tests/files/expect_error.h"
#include "tests/files/file_size_limit.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A tensor whose bytes are `bytes`, written in two pieces.
TensorToStore stored(const std::string& name, ElementType type, std::vector<std::int64_t> shape,
                     std::string bytes) {
  return {name, type, std::move(shape), [bytes](const auto& sink) {
            const auto all = std::as_bytes(std::span(bytes));
            sink(all.first(bytes.size() / 2));
            sink(all.subspan(bytes.size() / 2));
          }};
}

std::string text_of(const StoredTensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()};
}

/// Without the flush to the disk that write_file does: these tests write thousands of files.
void put(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

/// A file put together by hand: the header's length, the header, the data.
std::string file_text(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + data;
}

class Safetensors : public ::testing::Test {
 protected:
  std::filesystem::path path() const { return folder_ / "a.safetensors"; }

  /// The message with which a file of this content is refused.
  std::string refusal(const std::string& content) const {
    put(path(), content);
    return message_of<UserError>([&] { SafetensorsFile file(path()); });
  }
  std::string refusal(const std::string& header, const std::string& data) const {
    return refusal(file_text(header, data));
  }

  const TemporaryFolder folder_;
};

TEST_F(Safetensors, reads_back_what_was_written) {
  write_safetensors(path(),
                    {stored("bytes", ElementType::kUint8, {2, 3}, "abcdef"),
                     stored("empty", ElementType::kFloat32, {0, 7}, ""),
                     stored("scalar", ElementType::kInt64, {}, "01234567"),
                     stored("half", ElementType::kBfloat16, {2}, "wxyz")},
                    {{"format", "pt"}, {"note", "line\n\"quoted\" ä"}});
  const SafetensorsFile file(path());
  EXPECT_EQ(file.path(), path());
  EXPECT_EQ(file.metadata(), (Metadata{{"format", "pt"}, {"note", "line\n\"quoted\" ä"}}));
  ASSERT_EQ(file.tensors().size(), 4);
  EXPECT_EQ(file.tensor("bytes").type, ElementType::kUint8);
  EXPECT_EQ(file.tensor("bytes").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(text_of(file.tensor("bytes")), "abcdef");
  EXPECT_EQ(file.tensor("empty").shape, (std::vector<std::int64_t>{0, 7}));
  EXPECT_EQ(text_of(file.tensor("empty")), "");
  EXPECT_TRUE(file.tensor("scalar").shape.empty());
  EXPECT_EQ(text_of(file.tensor("scalar")), "01234567");
  EXPECT_EQ(file.tensor("half").type, ElementType::kBfloat16);
}

// The layout, byte by byte: what other readers rely on.
TEST_F(Safetensors, writes_wide_elements_first_and_aligns_the_data) {
  write_safetensors(
      path(),
      {stored("b", ElementType::kUint8, {2}, "bb"), stored("a", ElementType::kUint8, {1}, "a"),
       stored("c", ElementType::kFloat32, {1}, "cccc")},
      {{"k", "v"}});
  std::string header = R"({"__metadata__":{"k":"v"},)"
                       R"("c":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                       R"("a":{"dtype":"U8","shape":[1],"data_offsets":[4,5]},)"
                       R"("b":{"dtype":"U8","shape":[2],"data_offsets":[5,7]}})";
  header.resize((header.size() + 8 + 63) / 64 * 64 - 8, ' ');
  EXPECT_EQ(read_file(path()), file_text(header, "ccccabb"));
}

TEST_F(Safetensors, reads_a_file_without_tensors_and_without_padding) {
  put(path(), file_text("{}", ""));
  EXPECT_TRUE(SafetensorsFile(path()).tensors().empty());
}

TEST_F(Safetensors, missing_tensor_is_named) {
  write_safetensors(path(), {}, {});
  EXPECT_THAT(message_of<UserError>([&] { SafetensorsFile(path()).tensor("weights"); }),
              AllOf(StartsWith(path().string()), HasSubstr("'weights'")));
}

TEST_F(Safetensors, every_truncation_is_refused) {
  write_safetensors(path(),
                    {stored("a", ElementType::kUint8, {3}, "abc"),
                     stored("b", ElementType::kFloat64, {2}, "0123456789abcdef")},
                    {{"k", "v"}});
  const std::string whole = read_file(path());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(refusal(whole.substr(0, size)), StartsWith(path().string())) << size;
  }
}

// Whatever a damaged byte does, it may not crash; most damage of the header is refused.
TEST_F(Safetensors, damaged_bytes_never_crash) {
  write_safetensors(path(), {stored("a", ElementType::kInt64, {2}, "0123456789abcdef")},
                    {{"k", "v"}});
  const std::string whole = read_file(path());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char damage : {'\0', '9', '"', '\xff', '{', '[', '-', 'e'}) {
      std::string damaged = whole;
      damaged[i] = damage;
      put(path(), damaged);
      try {
        const SafetensorsFile file(path());
        for (const auto& [name, tensor] : file.tensors()) {
          EXPECT_LE(tensor.bytes.size(), whole.size()) << name;
        }
      } catch (const UserError&) {
      }
    }
  }
}

TEST_F(Safetensors, header_faults_are_named) {
  EXPECT_THAT(refusal(std::string(8, '\xff')), HasSubstr("100 MB"));
  EXPECT_THAT(refusal(" {}", ""), HasSubstr("start with '{'"));
  EXPECT_THAT(refusal("{\"a\":", ""), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("{} x", ""), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(std::string("{}\0x", 4), ""), HasSubstr("NUL"));
  EXPECT_EQ(refusal("{\"tr\xff"
                    "in\":1}",
                    ""),
            path().string() +
                " is not a whole safetensors file: its header is not valid JSON (at byte 5)");
  EXPECT_THAT(refusal(std::string(R"({"a":)") + std::string(100'000, '['), ""),
              HasSubstr("nested"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"k":"1","k":"2"}})", ""), HasSubstr("'k' twice"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"k":1}})", ""), HasSubstr("'k' is not a string"));
  EXPECT_THAT(refusal(R"({"__metadata__":"k"})", ""), HasSubstr("metadata"));
}

TEST_F(Safetensors, tensor_faults_are_named) {
  const auto tensor = [](const char* dtype, const char* shape, const char* offsets) {
    return std::string(R"({"a":{"dtype":")") + dtype + R"(","shape":)" + shape +
           R"(,"data_offsets":)" + offsets + "}}";
  };
  EXPECT_THAT(refusal(R"({"a":5})", ""), HasSubstr("no description"));
  EXPECT_THAT(refusal(R"({"a":{"shape":[],"data_offsets":[0,1]}})", "x"), HasSubstr("no dtype"));
  EXPECT_THAT(refusal(tensor("I32", "[1]", "[0,4]"), "xxxx"),
              AllOf(HasSubstr("'a'"), HasSubstr("I32"), HasSubstr("BF16")));
  EXPECT_THAT(refusal(tensor("U8", "[-1]", "[0,1]"), "x"), HasSubstr("shape"));
  EXPECT_THAT(refusal(tensor("U8", "[1.0]", "[0,1]"), "x"), HasSubstr("shape"));
  EXPECT_THAT(refusal(tensor("U8", "3", "[0,1]"), "x"), HasSubstr("shape"));
  EXPECT_THAT(refusal(tensor("U8", "[1]", "[1]"), "x"), HasSubstr("data_offsets"));
  EXPECT_THAT(refusal(tensor("U8", "[1]", "[1,0]"), "x"), HasSubstr("outside"));
  EXPECT_THAT(refusal(tensor("U8", "[2]", "[0,2]"), "x"), HasSubstr("cut off"));
  EXPECT_THAT(refusal(tensor("U8", "[1]", "[0,2]"), "xx"), HasSubstr("takes 2 bytes"));
  EXPECT_THAT(refusal(tensor("U8", "[1]", "[0,1]"), "xx"), HasSubstr("after its last"));
  EXPECT_THAT(refusal(tensor("U8", "[1]", "[1,2]"), "xx"), HasSubstr("hole"));
}

TEST_F(Safetensors, names_and_types_are_cut_where_they_are_long) {
  const std::string longer(100'000, 'x'), shown = longer.substr(0, 80) + "...";
  EXPECT_THAT(refusal("{\"" + longer + "\":5}", ""),
              EndsWith("tensor '" + shown + "' has no description"));
  EXPECT_THAT(refusal("{\"__metadata__\":{\"" + longer + "\":1}}", ""),
              EndsWith("metadata '" + shown + "' is not a string"));
  EXPECT_THAT(
      refusal("{\"a\":{\"dtype\":\"" + longer + "\",\"shape\":[1],\"data_offsets\":[0,1]}}", "x"),
      HasSubstr("type " + shown + "; known"));
}

TEST_F(Safetensors, sizes_that_overflow_are_refused) {
  const auto shape = [](const std::string& sizes) {
    return R"({"a":{"dtype":"F64","shape":[)" + sizes + R"(],"data_offsets":[0,0]}})";
  };
  EXPECT_THAT(refusal(shape("4294967296,4294967296"), ""), HasSubstr("overflows"));
  EXPECT_THAT(refusal(shape("2305843009213693952"), ""), HasSubstr("overflows"));
  EXPECT_THAT(refusal(shape("9223372036854775808,0"), ""), HasSubstr("overflows"));
  EXPECT_THAT(refusal(shape("18446744073709551616"), ""), HasSubstr("shape"));
}

TEST_F(Safetensors, overlaps_and_duplicates_are_refused) {
  const std::string a = R"("a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  EXPECT_THAT(refusal("{" + a + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", "xxx"),
              HasSubstr("overlaps"));
  EXPECT_THAT(refusal("{" + a + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "xx"),
              HasSubstr("overlaps"));
  EXPECT_THAT(refusal("{" + a + "," + a + "}", "xx"), HasSubstr("'a' twice"));
}

TEST_F(Safetensors, full_disk_leaves_nothing) {
  EXPECT_THAT(message_of<WorldError>([&] {
                const FileSizeLimit limit(1000);
                write_safetensors(
                    path(), {stored("a", ElementType::kUint8, {5000}, std::string(5000, 'x'))}, {});
              }),
              HasSubstr(path().string()));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(Safetensors, wrong_use_is_the_programmers_error) {
  const auto a = stored("a", ElementType::kUint8, {3}, "abc");
  EXPECT_THROW(write_safetensors(path(), {a, a}, {}), std::logic_error);
  EXPECT_THROW(write_safetensors(path(), {stored("a", ElementType::kUint8, {4}, "abc")}, {}),
               std::logic_error);
  EXPECT_THROW(write_safetensors(path(), {stored("a", ElementType::kUint8, {-1}, "")}, {}),
               std::logic_error);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(Safetensors, metadata_that_is_not_utf8_is_still_written) {
  write_safetensors(path(), {}, {{"path", "caf\xe9"}});
  EXPECT_EQ(SafetensorsFile(path()).metadata().at("path"), "caf\xef\xbf\xbd");
}

}  // namespace
}  // namespace sparse_transformer
