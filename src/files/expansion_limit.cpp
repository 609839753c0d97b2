#include "files/expansion_limit.h"

#include <algorithm>
#include <utility>

#include "config/errors.h"

namespace sparse_transformer {

ExpansionLimit::ExpansionLimit(std::string name, std::size_t size)
    : name_(std::move(name)), size_(size), left_(std::max(kAlwaysFine, kGrowth * size)) {}

void ExpansionLimit::add(std::size_t bytes) {
  if (bytes > left_) {
    throw UserError(name_ + ": its " + std::to_string(size_) + " bytes become more than " +
                    std::to_string(std::max(kAlwaysFine, kGrowth * size_)) +
                    ", as of a file made to fill the disk; if it is none, expand it and give what "
                    "comes out, or parts of it");
  }
  left_ -= bytes;
}

}  // namespace sparse_transformer
