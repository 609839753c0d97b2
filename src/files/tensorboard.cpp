#include "files/tensorboard.h"

#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <boost/crc.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <initializer_list>
#include <iomanip>
#include <protozero/pbf_writer.hpp>
#include <sstream>

#include "files/system_files.h"

namespace sparse_transformer {

namespace {

using Message = protozero::pbf_writer;

// Field numbers of TensorFlow's event.proto, summary.proto and tensor.proto.
namespace event_field {
constexpr protozero::pbf_tag_type kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5,
                                  kSessionLog = 7;
}
namespace session_log_field {
constexpr protozero::pbf_tag_type kStatus = 1;
}
namespace summary_field {
constexpr protozero::pbf_tag_type kValue = 1;
}
namespace value_field {
constexpr protozero::pbf_tag_type kTag = 1, kSimpleValue = 2, kTensor = 8, kMetadata = 9;
}
namespace metadata_field {
constexpr protozero::pbf_tag_type kPluginData = 1, kDataClass = 4;
}
namespace plugin_data_field {
constexpr protozero::pbf_tag_type kPluginName = 1;
}
namespace tensor_field {
constexpr protozero::pbf_tag_type kType = 1, kShape = 2, kStringValue = 8;
}
namespace shape_field {
constexpr protozero::pbf_tag_type kDimension = 2;
}
namespace dimension_field {
constexpr protozero::pbf_tag_type kSize = 1;
}

constexpr std::int32_t kSessionStart = 1;
constexpr std::int32_t kStringType = 7;
enum DataClass : std::int32_t { kTensorClass = 2, kBlobSequenceClass = 3 };

double seconds_since_1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

/// CRC-32C, rotated and shifted, so that a file of records can hold checksums of checksums
/// (TFRecord format).
std::uint32_t masked_crc(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const std::uint32_t sum = crc.checksum();
  return std::rotr(sum, 15) + 0xA282EAD8U;
}

template <typename Number>
std::string little_endian(Number number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

/// u64le length | crc of the length | event | crc of the event.
std::string record_of(std::string_view event) {
  const std::string length = little_endian<std::uint64_t>(event.size());
  return length + little_endian(masked_crc(length)) + std::string(event) +
         little_endian(masked_crc(event));
}

/// Creates events.out.tfevents.SECONDS.HOST.PID.NUMBER, the number being the first that is free.
std::filesystem::path create_event_file(const std::filesystem::path& folder) {
  for (int number = 0;; ++number) {
    std::ostringstream name;
    name << "events.out.tfevents." << std::setw(10) << std::setfill('0')
         << static_cast<std::int64_t>(seconds_since_1970()) << '.' << host_name() << '.'
         << ::getpid() << '.' << number;
    const std::filesystem::path path = folder / name.str();
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file.is_open()) return path;
    if (errno != EEXIST) throw_file_error("write", path, errno);
  }
}

std::string version_event() {
  std::string bytes;
  Message event(bytes);
  event.add_double(event_field::kWallTime, seconds_since_1970());
  event.add_string(event_field::kFileVersion, "brain.Event:2");
  return bytes;
}

std::string session_start_event(std::int64_t first_step) {
  std::string bytes;
  Message event(bytes);
  event.add_double(event_field::kWallTime, seconds_since_1970());
  event.add_int64(event_field::kStep, first_step);
  Message session_log(event, event_field::kSessionLog);
  session_log.add_enum(session_log_field::kStatus, kSessionStart);
  session_log.commit();
  return bytes;
}

/// An event whose summary holds one value; `fill` adds the value's content behind its tag.
template <typename Fill>
std::string value_event(std::string_view tag, std::int64_t step, const Fill& fill) {
  std::string bytes;
  Message event(bytes);
  event.add_double(event_field::kWallTime, seconds_since_1970());
  event.add_int64(event_field::kStep, step);
  Message summary(event, event_field::kSummary);
  Message value(summary, summary_field::kValue);
  value.add_string(value_field::kTag, tag.data(), tag.size());
  fill(value);
  value.commit();
  summary.commit();
  return bytes;
}

/// Which of TensorBoard's plugins shows the value.
void add_plugin(Message& value, const char* name, DataClass data_class) {
  Message metadata(value, value_field::kMetadata);
  {
    Message plugin_data(metadata, metadata_field::kPluginData);
    plugin_data.add_string(plugin_data_field::kPluginName, name);
  }
  metadata.add_enum(metadata_field::kDataClass, data_class);
}

/// A tensor of strings: one alone of rank 0, several as a vector.
void add_strings(Message& value, std::initializer_list<std::string_view> strings) {
  Message tensor(value, value_field::kTensor);
  tensor.add_enum(tensor_field::kType, kStringType);
  if (strings.size() > 1) {
    Message shape(tensor, tensor_field::kShape);
    Message dimension(shape, shape_field::kDimension);
    dimension.add_int64(dimension_field::kSize, static_cast<std::int64_t>(strings.size()));
  }
  for (const std::string_view string : strings) {
    tensor.add_bytes(tensor_field::kStringValue, string.data(), string.size());
  }
}

}  // namespace

EventWriter::EventWriter(const std::filesystem::path& folder, std::int64_t first_step)
    : path_(create_event_file(folder)), file_(path_) {
  add_record(version_event());
  add_record(session_start_event(first_step));
}

void EventWriter::scalar(std::string_view tag, std::int64_t step, double value) {
  add_record(value_event(tag, step, [&](Message& message) {
    message.add_float(value_field::kSimpleValue, static_cast<float>(value));
  }));
}

void EventWriter::image(std::string_view tag, std::int64_t step, std::span<const std::byte> png,
                        std::int64_t width, std::int64_t height) {
  const std::string_view picture(reinterpret_cast<const char*>(png.data()), png.size());
  add_record(value_event(tag, step, [&](Message& message) {
    add_strings(message, {std::to_string(width), std::to_string(height), picture});
    add_plugin(message, "images", kBlobSequenceClass);
  }));
}

void EventWriter::text(std::string_view tag, std::int64_t step, std::string_view markdown) {
  add_record(value_event(tag, step, [&](Message& message) {
    add_strings(message, {markdown});
    add_plugin(message, "text", kTensorClass);
  }));
}

// Half a record would make the rest of the file unreadable; AppendFile leaves none.
void EventWriter::add_record(std::string_view event) { file_.append(record_of(event)); }

}  // namespace sparse_transformer
