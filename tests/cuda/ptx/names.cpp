#include "tests/cuda/ptx/names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "tests/cuda/ptx/statement.h"

namespace ptx {
namespace {

std::uint32_t aligned(std::uint32_t offset, std::uint32_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

/// Takes room of `bytes` in memory of `size` bytes; returns where it begins.
std::uint32_t take(std::uint32_t& size, std::uint32_t bytes, std::uint32_t alignment) {
  const std::uint32_t begin = aligned(size, alignment);
  size = begin + bytes;
  return begin;
}

struct Special {
  std::string_view name;
  Preset::Value value;
};
constexpr std::array<Special, 4> kAxisSpecials = {{{"%tid", Preset::Value::kThread},
                                                   {"%ntid", Preset::Value::kThreads},
                                                   {"%ctaid", Preset::Value::kBlock},
                                                   {"%nctaid", Preset::Value::kBlocks}}};

/// Finds %tid.x and the like. Returns whether there is such a special register.
bool find_special(const std::string& text, Preset& preset) {
  if (text == "%laneid") {
    preset.value = Preset::Value::kLane;
    return true;
  }
  const std::size_t dot = text.find('.');
  if (dot == std::string::npos || text.size() != dot + 2) return false;
  const std::size_t axis = std::string_view("xyz").find(text[dot + 1]);
  if (axis == std::string_view::npos) return false;
  for (const Special& special : kAxisSpecials) {
    if (text.substr(0, dot) != special.name) continue;
    preset.value = special.value;
    preset.axis = static_cast<int>(axis);
    return true;
  }
  return false;
}

/// "0f3F800000", "0d3FF0000000000000", "-4", "0xff".
bool parse_number(const std::string& text, std::uint64_t& value) {
  const bool is_negative = text.starts_with('-');
  const std::string digits = text.substr(is_negative ? 1 : 0);
  if (digits.empty() || std::isdigit(static_cast<unsigned char>(digits[0])) == 0) return false;
  if (digits.starts_with("0f") || digits.starts_with("0d")) {
    value = std::stoull(digits.substr(2), nullptr, 16);
    return true;
  }
  std::size_t used = 0;
  value = std::stoull(digits, &used, 0);
  if (is_negative) value = 0 - value;
  return used == digits.size();
}

}  // namespace

Slot Names::new_slot(int bytes) {
  const auto size = static_cast<std::uint32_t>(bytes);
  return {take(kernel_.register_bytes, size * kLanes, size * kLanes), size};
}

void Names::declare_registers(const std::string& name, Type type, int count) {
  if (count < 0) {
    registers_[name] = new_slot(type.bytes());
    return;
  }
  for (int i = 0; i < count; ++i) registers_[name + std::to_string(i)] = new_slot(type.bytes());
}

void Names::declare_shared(const std::string& name, std::uint32_t bytes, std::uint32_t alignment) {
  variables_[name] = kSharedBase + take(kernel_.static_shared_bytes, bytes, alignment);
}

void Names::declare_dynamic_shared(const std::string& name) { dynamic_.push_back(name); }

void Names::declare_local(const std::string& name, std::uint32_t bytes, std::uint32_t alignment) {
  variables_[name] = take(kernel_.local_bytes, bytes, alignment);
}

void Names::declare_parameter(const std::string& name, std::uint32_t bytes,
                              std::uint32_t alignment) {
  const std::uint32_t offset = take(kernel_.parameter_bytes, bytes, alignment);
  kernel_.parameters.push_back({offset, bytes});
  variables_[name] = offset;
}

void Names::close_scope() {
  registers_ = std::move(scopes_.back());
  scopes_.pop_back();
}

Slot Names::target(const std::string& text) const {
  const auto found = registers_.find(text);
  if (found == registers_.end()) throw Unsupported("unknown register " + text);
  return found->second;
}

Slot Names::source(const std::string& text, int bytes) {
  if (const auto found = registers_.find(text); found != registers_.end()) {
    if (found->second.bytes != static_cast<std::uint32_t>(bytes)) {
      throw Unsupported("a register of another size, " + text);
    }
    return found->second;
  }
  if (const auto found = variables_.find(text); found != variables_.end()) {
    return constant(found->second, bytes);
  }
  if (std::find(dynamic_.begin(), dynamic_.end(), text) != dynamic_.end()) {
    constexpr std::uint32_t kAlignment = 16;  // what the driver gives dynamic shared memory
    return constant(kSharedBase + aligned(kernel_.static_shared_bytes, kAlignment), bytes);
  }
  Preset special;
  if (find_special(text, special)) return preset(special, bytes);
  std::uint64_t value = 0;
  if (parse_number(text, value)) return constant(value, bytes);
  throw Unsupported("unknown operand " + text);
}

Address Names::address(const std::string& text) {
  if (!text.starts_with('[') || !text.ends_with(']')) throw Unsupported("no address, " + text);
  std::string base = trimmed(text.substr(1, text.size() - 2));
  Address address;
  if (const std::size_t plus = base.find('+'); plus != std::string::npos) {
    address.offset = std::stoll(base.substr(plus + 1), nullptr, 0);
    base = trimmed(base.substr(0, plus));
  }
  const auto found = registers_.find(base);
  address.base = found != registers_.end() ? found->second : source(base, 8);
  return address;
}

Slot Names::constant(std::uint64_t value, int bytes) {
  return preset({.slot = {}, .value = Preset::Value::kConstant, .constant = value}, bytes);
}

Slot Names::preset(const Preset& preset, int bytes) {
  const std::string key = std::to_string(static_cast<int>(preset.value)) + ' ' +
                          std::to_string(preset.axis) + ' ' + std::to_string(preset.constant) +
                          ' ' + std::to_string(bytes);
  Slot& slot = presets_[key];
  if (!slot.exists()) {
    slot = new_slot(bytes);
    kernel_.presets.push_back(preset);
    kernel_.presets.back().slot = slot;
  }
  return slot;
}

}  // namespace ptx
