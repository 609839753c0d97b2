#include "files/flac.h"

#include <FLAC/stream_decoder.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <vector>

#include "config/errors.h"
#include "files/big_endian.h"
#include "files/sound_bytes.h"

namespace sparse_transformer {

namespace {

using Bytes = std::span<const std::byte>;

struct DeleteDecoder {
  void operator()(FLAC__StreamDecoder* decoder) const { FLAC__stream_decoder_delete(decoder); }
};

// The first 26 bytes: "fLaC", a block's header (its kind and size, 4 bytes), sizes of blocks and
// frames (10 bytes), rate, channels and bits (28 bits), the number of samples (36 bits).
constexpr std::size_t kKind = 4, kCount = 21, kStart = 26;

bool has_count(Bytes bytes) {
  return as_text(bytes).starts_with("fLaC") && bytes.size() >= kStart &&
         (bytes[kKind] & std::byte{0x7F}) == std::byte{0};
}

/// The number of samples that the header gives; 0 = none.
std::uint64_t declared_count(Bytes bytes) {
  if (!has_count(bytes)) return 0;
  const auto highest = std::to_integer<std::uint64_t>(bytes[kCount] & std::byte{0x0F});
  return highest << 32U | big_endian(bytes.subspan(kCount + 1));
}

/// The number of a frame, of itself or of its first sample.
struct FrameNumber {
  bool is_of_sample = false;
  std::uint64_t value = 0;

  /// From the frame's bytes: 15 bits, 1 for the kind of number, 2 bytes, and the number as UTF-8
  /// codes characters, in 1 to 7 bytes.
  static std::optional<FrameNumber> read(Bytes frame) {
    constexpr std::size_t kNumber = 4;
    if (frame.size() <= kNumber) return std::nullopt;
    const auto first = std::to_integer<unsigned char>(frame[kNumber]);
    const auto ones = static_cast<std::size_t>(std::countl_one(first));
    if (ones == 1 || ones == 8 || frame.size() < kNumber + ones) return std::nullopt;
    FrameNumber number{(frame[1] & std::byte{1}) != std::byte{0}, first & (0xFFU >> (ones + 1))};
    if (ones == 0) number.value = first;
    for (std::size_t i = 1; i < ones; ++i) {
      number.value =
          number.value << 6U | std::to_integer<std::uint64_t>(frame[kNumber + i] & std::byte{0x3F});
    }
    return number;
  }
};

/// libFLAC stops after the number of samples that the header gives. It gets a header without one.
class Input {
 public:
  explicit Input(Bytes bytes) : bytes_(bytes) {
    if (!has_count(bytes)) return;
    start_.assign(bytes.begin(), bytes.begin() + kStart);
    start_[kCount] &= std::byte{0xF0};
    std::fill_n(start_.begin() + kCount + 1, 4, std::byte{0});
  }

  std::size_t read(void* out, std::size_t count) {
    const Bytes start(start_);
    const Bytes from = position_ < start.size() ? start : bytes_;
    count = std::min(count, from.size() - position_);
    if (count > 0) std::memcpy(out, from.data() + position_, count);
    position_ += count;
    return count;
  }

  std::size_t position() const { return position_; }
  bool is_at_end() const { return position_ == bytes_.size(); }
  Bytes bytes() const { return bytes_; }

 private:
  Bytes bytes_;
  std::vector<std::byte> start_;  // in place of the same bytes
  std::size_t position_ = 0;
};

class FlacDecoder final : public AudioDecoder {
 public:
  /// `rest_of_ogg` follows the pages of OGG that `bytes` are, where they are.
  FlacDecoder(Bytes bytes, std::optional<Bytes> rest_of_ogg, std::vector<std::string> warnings,
              std::string name)
      : name_(std::move(name)),
        input_(bytes),
        rest_of_ogg_(rest_of_ogg),
        warnings_(std::move(warnings)),
        decoder_(FLAC__stream_decoder_new()),
        declared_(declared_count(bytes)) {
    if (!decoder_) throw std::runtime_error("cannot start the FLAC decoder");
    FLAC__stream_decoder_set_md5_checking(decoder_.get(), 1);
    const auto start =
        rest_of_ogg ? FLAC__stream_decoder_init_ogg_stream : FLAC__stream_decoder_init_stream;
    const auto started = start(decoder_.get(), on_read, nullptr, on_tell, nullptr, on_end, on_frame,
                               on_header, on_error, this);
    if (started != FLAC__STREAM_DECODER_INIT_STATUS_OK) {
      throw std::runtime_error("cannot start the FLAC decoder");
    }
    check(FLAC__stream_decoder_process_until_end_of_metadata(decoder_.get()));
    decode_frame();
  }

  const AudioProperties& properties() const override { return properties_; }

  std::int64_t read(std::span<float> out) override {
    if (taken_ == samples_.size()) decode_frame();
    const auto channels = static_cast<std::size_t>(properties_.channels);
    const std::size_t count = std::min(out.size() / channels * channels, samples_.size() - taken_);
    std::copy_n(samples_.begin() + static_cast<std::ptrdiff_t>(taken_), count, out.begin());
    taken_ += count;
    return static_cast<std::int64_t>(count / channels);
  }

  Bytes rest() const override { return rest_of_ogg_.value_or(input_.bytes().subspan(end_)); }

  std::vector<std::string> warnings() const override { return warnings_; }

 private:
  /// Makes `samples_` the next frame; leaves it empty at the end.
  void decode_frame() {
    samples_.clear();
    taken_ = 0;
    asked_at_ = count_;
    if (is_finished_) return;
    if (is_at_end()) return finish();
    if (!rest_of_ogg_) check_number();
    check(FLAC__stream_decoder_process_single(decoder_.get()));
    if (!samples_.empty()) return;
    if (!rest_of_ogg_) fail_here();
    finish();
  }

  /// Whether no frame follows. Of OGG the decoder finds the end.
  bool is_at_end() {
    if (rest_of_ogg_) return false;
    FLAC__uint64 position = 0;
    if (FLAC__stream_decoder_get_decode_position(decoder_.get(), &position)) end_ = position;
    return !begins_with_frame(rest());
  }

  /// The 15 bits that every frame begins with.
  static bool begins_with_frame(Bytes bytes) {
    return bytes.size() >= 2 && bytes[0] == std::byte{0xFF} &&
           (bytes[1] & std::byte{0xFE}) == std::byte{0xF8};
  }

  /// Compares the sound with what the header says of it. Sound that its checksum confirms is whole,
  /// whatever else is wrong.
  void finish() {
    is_finished_ = true;
    const bool is_as_summed = FLAC__stream_decoder_finish(decoder_.get()) != 0;
    const bool is_whole = has_checksum_ && is_as_summed;
    if (!is_whole && misplaced_) fail("damaged in the middle: " + *misplaced_);
    const std::string counts = "its header gives the sound " + std::to_string(declared_) +
                               " samples, the file has " + std::to_string(count_);
    if (!is_whole && count_ < declared_) fail("it ends early: " + counts);
    if (!is_whole && restarted_) warnings_.push_back(*restarted_);
    if (is_whole && (misplaced_ || restarted_)) {
      warnings_.emplace_back("its frames are wrongly numbered, though its checksum (MD5) is right");
    }
    if (declared_ > 0 && count_ != declared_)
      warnings_.push_back(counts + ", all of which are read");
    if (!is_as_summed) warnings_.emplace_back("its checksum (MD5) is not that of its sound");
  }

  /// Notes where the next frame is not the one that should follow: libFLAC makes up silence for
  /// frames that are missing. Frames that are numbered from 0 again are those of another file, put
  /// after the first.
  void check_number() {
    const auto found = FrameNumber::read(rest());
    if (!found) return;
    const std::string where = " after sample " + std::to_string(count_);
    const std::uint64_t expected =
        !number_ ? 0 : number_->value + (number_->is_of_sample ? frame_size_ : 1);
    if (count_ == 0 && found->value > 0) {
      warnings_.push_back("its beginning is missing: its first frame has the number " +
                          std::to_string(found->value));
    } else if (found->value > expected && !misplaced_) {
      misplaced_ = "a frame is missing" + where;
    } else if (found->value < expected && found->value > 0 && !misplaced_) {
      misplaced_ = "a frame comes again" + where;
    } else if (found->value < expected && found->value == 0 && !restarted_) {
      restarted_ = "its frames are numbered from 0 again" + where + "; all are read";
    }
    number_ = found;
  }

  void take(const FLAC__Frame& frame, const FLAC__int32* const* samples) {
    const AudioProperties found{.channels = frame.header.channels,
                                .sample_rate = frame.header.sample_rate};
    if (count_ == 0) properties_ = found;
    if (found.channels != properties_.channels || found.sample_rate != properties_.sample_rate) {
      changes_ = true;
      return;
    }
    frame_size_ = frame.header.blocksize;
    const float scale = std::ldexp(1.0F, 1 - static_cast<int>(frame.header.bits_per_sample));
    for (std::size_t i = 0; i < frame.header.blocksize; ++i) {
      for (std::size_t channel = 0; channel < frame.header.channels; ++channel) {
        samples_.push_back(static_cast<float>(samples[channel][i]) * scale);
      }
    }
    count_ += frame.header.blocksize;
  }

  void check(FLAC__bool result) const {
    if (changes_) {
      throw UserError(name_ + ": a FLAC whose rate or number of channels changes on the way; " +
                      "expected the same from beginning to end");
    }
    if (!result || has_fault_) fail_here();
  }
  [[noreturn]] void fail_here() const {
    fail(asked_at_ == 0 ? "its beginning is damaged or cut off"
                        : "it is damaged or cut off after sample " + std::to_string(asked_at_));
  }
  [[noreturn]] void fail(const std::string& reason) const {
    throw UserError(name_ + " is not a whole FLAC file: " + reason);
  }

  // ---- libFLAC's callbacks: no exception may pass through it ----

  static FlacDecoder& self(void* pointer) { return *static_cast<FlacDecoder*>(pointer); }

  static FLAC__StreamDecoderReadStatus on_read(const FLAC__StreamDecoder* /*decoder*/,
                                               FLAC__byte* out, std::size_t* count, void* pointer) {
    *count = self(pointer).input_.read(out, *count);
    return *count == 0 ? FLAC__STREAM_DECODER_READ_STATUS_END_OF_STREAM
                       : FLAC__STREAM_DECODER_READ_STATUS_CONTINUE;
  }
  static FLAC__StreamDecoderTellStatus on_tell(const FLAC__StreamDecoder* /*decoder*/,
                                               FLAC__uint64* position, void* pointer) {
    *position = self(pointer).input_.position();
    return FLAC__STREAM_DECODER_TELL_STATUS_OK;
  }
  static FLAC__bool on_end(const FLAC__StreamDecoder* /*decoder*/, void* pointer) {
    return self(pointer).input_.is_at_end() ? 1 : 0;
  }
  static FLAC__StreamDecoderWriteStatus on_frame(const FLAC__StreamDecoder* /*decoder*/,
                                                 const FLAC__Frame* frame,
                                                 const FLAC__int32* const* samples, void* pointer) {
    self(pointer).take(*frame, samples);
    return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
  }
  static void on_header(const FLAC__StreamDecoder* /*decoder*/, const FLAC__StreamMetadata* block,
                        void* pointer) {
    if (block->type != FLAC__METADATA_TYPE_STREAMINFO) return;
    const FLAC__StreamMetadata_StreamInfo& info = block->data.stream_info;
    self(pointer).properties_ = {.channels = info.channels, .sample_rate = info.sample_rate};
    self(pointer).has_checksum_ = std::any_of(std::begin(info.md5sum), std::end(info.md5sum),
                                              [](FLAC__byte byte) { return byte != 0; });
    if (info.total_samples > 0) self(pointer).declared_ = info.total_samples;
  }
  static void on_error(const FLAC__StreamDecoder* /*decoder*/,
                       FLAC__StreamDecoderErrorStatus /*status*/, void* pointer) {
    self(pointer).has_fault_ = true;
  }

  std::string name_;
  Input input_;
  std::optional<Bytes> rest_of_ogg_;
  std::vector<std::string> warnings_;
  std::unique_ptr<FLAC__StreamDecoder, DeleteDecoder> decoder_;
  std::uint64_t declared_ = 0;  // samples of a channel by the header; 0 = it does not say
  AudioProperties properties_;
  std::optional<std::string> misplaced_;  // the first frame that is missing or comes again
  std::optional<std::string> restarted_;  // the first that has the number 0 again
  std::vector<float> samples_;            // of a frame
  std::size_t taken_ = 0;                 // of `samples_`
  std::size_t end_ = 0;                   // of the frames so far, in bytes
  std::uint64_t count_ = 0;               // samples of a channel so far
  std::uint64_t asked_at_ = 0;            // their number when the last frame was asked for
  std::optional<FrameNumber> number_;     // of the last frame
  std::uint64_t frame_size_ = 0;          // its samples of a channel
  bool has_checksum_ = false, has_fault_ = false, changes_ = false, is_finished_ = false;
};

}  // namespace

std::unique_ptr<AudioDecoder> open_flac(Bytes bytes, const std::string& name) {
  return std::make_unique<FlacDecoder>(bytes, std::nullopt, std::vector<std::string>(), name);
}

std::unique_ptr<AudioDecoder> open_ogg_flac(Bytes bytes, Bytes rest,
                                            std::vector<std::string> warnings,
                                            const std::string& name) {
  return std::make_unique<FlacDecoder>(bytes, rest, std::move(warnings), name);
}

}  // namespace sparse_transformer
