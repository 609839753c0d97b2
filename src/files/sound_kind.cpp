#include "files/sound_kind.h"

#include <algorithm>
#include <array>

#include "files/sound_bytes.h"

namespace sparse_transformer {

namespace {

struct Kind {
  std::string_view name;
  std::size_t offset;
  std::string_view text;  // at the offset
};

constexpr std::array kKinds = {
    Kind{"AIFF", 8, "AIFF"},
    Kind{"AIFF-C", 8, "AIFC"},
    Kind{"8SVX", 8, "8SVX"},
    Kind{"16SV", 8, "16SV"},
    Kind{"AVI", 8, "AVI "},
    Kind{"RIFX (big-endian WAV)", 0, "RIFX"},
    Kind{"Wave64", 0, "riff\x2E\x91\xCF\x11"},
    Kind{"AU", 0, ".snd"},
    Kind{"AU (little-endian)", 0, "dns."},
    Kind{"CAF", 0, "caff"},
    Kind{"MP4 (AAC or ALAC)", 4, "ftyp"},
    Kind{"Matroska or WebM", 0, "\x1A\x45\xDF\xA3"},
    Kind{"ASF (WMA)", 0, "\x30\x26\xB2\x75\x8E\x66\xCF\x11"},
    Kind{"AMR", 0, "#!AMR"},
    Kind{"WavPack", 0, "wvpk"},
    Kind{"Monkey's Audio", 0, "MAC "},
    Kind{"Musepack", 0, "MPCK"},
    Kind{"Musepack", 0, "MP+"},
    Kind{"True Audio", 0, "TTA1"},
    Kind{"TAK", 0, "tBaK"},
    Kind{"Shorten", 0, "ajkg"},
    Kind{"OptimFROG", 0, "OFR "},
    Kind{"DSF", 0, "DSD "},
    Kind{"DSDIFF", 0, "FRM8"},
    Kind{"RealAudio", 0, ".RMF"},
    Kind{"RealAudio", 0, ".ra\xFD"},
    Kind{"VOC", 0, "Creative Voice File"},
    Kind{"NIST SPHERE", 0, "NIST_1A"},
    Kind{"AC-3", 0, "\x0B\x77"},
    Kind{"AAC (ADIF)", 0, "ADIF"},
    Kind{"AAC (ADTS)", 0, "\xFF\xF0"},
    Kind{"AAC (ADTS)", 0, "\xFF\xF1"},
    Kind{"FLAC without its header, or AAC (ADTS)", 0, "\xFF\xF8"},
    Kind{"FLAC without its header, or AAC (ADTS)", 0, "\xFF\xF9"},
};

}  // namespace

std::string_view kind_not_read(std::span<const std::byte> bytes) {
  const std::string_view text = as_text(bytes);
  const auto* kind = std::find_if(kKinds.begin(), kKinds.end(), [text](const Kind& each) {
    return text.size() > each.offset && text.substr(each.offset).starts_with(each.text);
  });
  return kind == kKinds.end() ? std::string_view() : kind->name;
}

}  // namespace sparse_transformer
