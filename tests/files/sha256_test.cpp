#include "files/sha256.h"

#include <gmock/gmock.h>

#include <span>
#include <string>
#include <string_view>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

std::string hash_of(std::string_view text) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(text)));
  return hash.hex();
}

// FIPS 180-2, appendix B.1, and the well-known hash of nothing.
TEST(Sha256, agrees_with_published_values) {
  EXPECT_EQ(hash_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256, pieces_count_as_a_whole_and_reading_does_not_end_it) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(std::string_view("a"))));
  EXPECT_EQ(hash.hex(), hash_of("a"));
  hash.update(std::as_bytes(std::span(std::string_view("bc"))));
  EXPECT_EQ(hash.hex(), hash_of("abc"));
}

TEST(Sha256, of_a_file) {
  const TemporaryFolder folder;
  write_file(folder / "a", "abc");
  EXPECT_EQ(sha256_of_file(folder / "a"), hash_of("abc"));
  EXPECT_THROW(sha256_of_file(folder / "none"), UserError);
}

}  // namespace
}  // namespace sparse_transformer
