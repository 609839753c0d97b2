// What a failure says to the user.
#pragma once

#include <exception>
#include <string>

namespace sparse_transformer {

/// The message of an error; of one from the standard library's file system "PATH: reason", without
/// the names of its functions.
std::string error_message(const std::exception& error);

}  // namespace sparse_transformer
