#include "files/sha256.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

#include "files/mapped_file.h"

namespace sparse_transformer {

namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

void check(int succeeded) {
  if (succeeded != 1) throw std::runtime_error("OpenSSL cannot compute SHA-256");
}

}  // namespace

struct Sha256::State {
  Context context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  check(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr));
}
Sha256::Sha256(Sha256&& other) noexcept = default;
Sha256& Sha256::operator=(Sha256&& other) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> bytes) {
  check(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()));
}

std::array<std::uint8_t, 32> Sha256::bytes() const {
  const Context copy{EVP_MD_CTX_new()};  // finishing a context ends it
  std::array<std::uint8_t, 32> hash{};
  check(EVP_MD_CTX_copy_ex(copy.get(), state_->context.get()));
  check(EVP_DigestFinal_ex(copy.get(), hash.data(), nullptr));
  return hash;
}

std::string Sha256::hex() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes()) {
    text += digits[byte / 16];
    text += digits[byte % 16];
  }
  return text;
}

std::uint64_t Sha256::number() const {
  std::uint64_t number = 0;
  const auto hash = bytes();
  for (std::size_t i = 0; i < sizeof number; ++i) number = number << 8U | hash.at(i);
  return number;
}

std::string sha256_of_file(const std::filesystem::path& path, const std::function<void()>& tick) {
  constexpr std::size_t kBlock = 1 << 20;
  const MappedFile file(path);
  Sha256 hash;
  std::vector<std::byte> block;
  for (auto unread = file.bytes(); !unread.empty(); unread = unread.subspan(block.size())) {
    block.resize(std::min(kBlock, unread.size()));
    file.read(unread.first(block.size()), block);
    hash.update(block);
    if (tick) tick();
  }
  return hash.hex();
}

}  // namespace sparse_transformer
