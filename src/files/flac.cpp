#include "files/flac.h"

#include <FLAC/stream_decoder.h>

#include <algorithm>
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
  FlacDecoder(Bytes bytes, std::optional<Bytes> rest_of_ogg, std::string name)
      : name_(std::move(name)),
        input_(bytes),
        rest_of_ogg_(rest_of_ogg),
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

  std::vector<std::string> warnings() const override {
    if (has_its_checksum_) return {};
    return {"its checksum (MD5) is not that of its sound"};
  }

 private:
  /// Makes `samples_` the next frame; leaves it empty at the end.
  void decode_frame() {
    samples_.clear();
    taken_ = 0;
    if (is_finished_) return;
    if (is_at_end()) return finish();
    check(FLAC__stream_decoder_process_single(decoder_.get()));
    if (!samples_.empty()) return;
    if (!rest_of_ogg_) fail("it is cut off");
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

  void finish() {
    is_finished_ = true;
    if (count_ < declared_) fail("it ends early");
    has_its_checksum_ = FLAC__stream_decoder_finish(decoder_.get()) != 0;
  }

  void take(const FLAC__Frame& frame, const FLAC__int32* const* samples) {
    const AudioProperties found{.channels = frame.header.channels,
                                .sample_rate = frame.header.sample_rate};
    if (count_ == 0) properties_ = found;
    if (found.channels != properties_.channels || found.sample_rate != properties_.sample_rate) {
      changes_ = true;
      return;
    }
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
    if (fault_) fail(*fault_);
    if (!result) fail("it is damaged");
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
    if (info.total_samples > 0) self(pointer).declared_ = info.total_samples;
  }
  static void on_error(const FLAC__StreamDecoder* /*decoder*/,
                       FLAC__StreamDecoderErrorStatus status, void* pointer) {
    const bool is_sum = status == FLAC__STREAM_DECODER_ERROR_STATUS_FRAME_CRC_MISMATCH;
    self(pointer).fault_ = is_sum ? "a frame has a wrong checksum" : "a frame is damaged";
  }

  std::string name_;
  Input input_;
  std::optional<Bytes> rest_of_ogg_;
  std::unique_ptr<FLAC__StreamDecoder, DeleteDecoder> decoder_;
  std::uint64_t declared_ = 0;  // samples of a channel by the header; 0 = it does not say
  AudioProperties properties_;
  std::optional<std::string> fault_;  // of what was decoded last
  std::vector<float> samples_;        // of a frame
  std::size_t taken_ = 0;             // of `samples_`
  std::size_t end_ = 0;               // of the frames so far, in bytes
  std::uint64_t count_ = 0;           // samples of a channel so far
  bool changes_ = false, is_finished_ = false, has_its_checksum_ = true;
};

}  // namespace

std::unique_ptr<AudioDecoder> open_flac(Bytes bytes, const std::string& name) {
  return std::make_unique<FlacDecoder>(bytes, std::nullopt, name);
}

std::unique_ptr<AudioDecoder> open_ogg_flac(Bytes bytes, Bytes rest, const std::string& name) {
  return std::make_unique<FlacDecoder>(bytes, rest, name);
}

}  // namespace sparse_transformer
