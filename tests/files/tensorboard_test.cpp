#include "files/tensorboard.h"

#include <gmock/gmock.h>

#include <boost/crc.hpp>
#include <cstring>
#include <filesystem>
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
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

template <typename Number>
Number number_at(const std::string& text, std::size_t at) {
  Number number{};
  std::memcpy(&number, text.data() + at, sizeof number);
  return number;
}

std::uint32_t masked_crc(const std::string& text) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(text.data(), text.size());
  return ((crc.checksum() >> 15) | (crc.checksum() << 17)) + 0xA282EAD8U;
}

/// The events of a file, each behind its 9 bytes of wall time; the checksums are compared on the
/// way.
std::vector<std::string> events_of(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  std::vector<std::string> events;
  for (std::size_t at = 0; at < text.size();) {
    const auto length = number_at<std::uint64_t>(text, at);
    const std::string event = text.substr(at + 12, length);
    EXPECT_EQ(number_at<std::uint32_t>(text, at + 8), masked_crc(text.substr(at, 8)));
    EXPECT_EQ(number_at<std::uint32_t>(text, at + 12 + length), masked_crc(event));
    EXPECT_EQ(event[0], 0x09);  // field 1, a double
    EXPECT_GT(number_at<double>(event, 1), 1.7e9);
    events.push_back(event.substr(9));
    at += 16 + length;
  }
  return events;
}

/// A protocol buffer field with a length: key byte, length byte, content.
std::string field(int number, const std::string& content) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(content.size())} +
         content;
}

// The published check value of CRC-32C, masked.
TEST(EventWriter, checksum_of_this_test_is_crc_32c) {
  EXPECT_EQ(masked_crc("123456789"), ((0xE3069283U >> 15) | (0xE3069283U << 17)) + 0xA282EAD8U);
}

TEST(EventWriter, begins_with_version_and_session_start) {
  const TemporaryFolder folder;
  const EventWriter writer(folder.path(), 7);
  EXPECT_THAT(writer.path().filename().string(), StartsWith("events.out.tfevents."));
  const auto events = events_of(writer.path());
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0], field(3, "brain.Event:2"));
  EXPECT_EQ(events[1], "\x10\x07" + field(7, "\x08\x01"));
}

TEST(EventWriter, scalar) {
  const TemporaryFolder folder;
  EventWriter writer(folder.path(), 0);
  writer.scalar("loss", 300, 1.5);
  const std::string value = field(1, "loss") + '\x15' + std::string("\0\0\xc0\x3f", 4);
  EXPECT_EQ(events_of(writer.path()).at(2), "\x10\xac\x02" + field(5, field(1, value)));
}

TEST(EventWriter, text_is_a_string_tensor_of_the_text_plugin) {
  const TemporaryFolder folder;
  EventWriter writer(folder.path(), 0);
  writer.text("config", 1, "**bold**");
  const std::string tensor = "\x08\x07" + field(8, "**bold**");
  const std::string metadata = field(1, field(1, "text")) + "\x20\x02";
  EXPECT_EQ(
      events_of(writer.path()).at(2),
      "\x10\x01" + field(5, field(1, field(1, "config") + field(8, tensor) + field(9, metadata))));
}

TEST(EventWriter, image_is_width_height_and_png) {
  const TemporaryFolder folder;
  EventWriter writer(folder.path(), 0);
  const std::string png = "not really";
  writer.image("samples", 1, std::as_bytes(std::span(png)), 32, 16);
  const std::string tensor =
      "\x08\x07" + field(2, field(2, "\x08\x03")) + field(8, "32") + field(8, "16") + field(8, png);
  const std::string metadata = field(1, field(1, "images")) + "\x20\x03";
  EXPECT_EQ(
      events_of(writer.path()).at(2),
      "\x10\x01" + field(5, field(1, field(1, "samples") + field(8, tensor) + field(9, metadata))));
}

TEST(EventWriter, two_writers_never_share_a_file) {
  const TemporaryFolder folder;
  EventWriter first(folder.path(), 0);
  EventWriter second(folder.path(), 0);
  EXPECT_NE(first.path(), second.path());
}

TEST(EventWriter, missing_folder_is_the_users_error) {
  const TemporaryFolder folder;
  EXPECT_THAT(message_of<UserError>([&] { EventWriter(folder / "none", 0); }), HasSubstr("none"));
}

TEST(EventWriter, full_disk_leaves_whole_records) {
  const TemporaryFolder folder;
  EventWriter writer(folder.path(), 0);
  const std::string long_text(5000, 'x');
  EXPECT_THAT(message_of<WorldError>([&] {
                const FileSizeLimit limit(1000);
                writer.text("a", 1, long_text);
              }),
              HasSubstr(writer.path().string()));
  writer.text("b", 2, "short");
  const auto events = events_of(writer.path());
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_THAT(events[2], AllOf(HasSubstr("short"), Not(HasSubstr("xxx"))));
}

}  // namespace
}  // namespace sparse_transformer
