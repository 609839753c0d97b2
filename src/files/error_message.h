// What a failure says to the user.
#pragma once

#include <exception>
#include <string>

namespace sparse_transformer {

/// Returns the message of an error. The standard library's file system names its own functions in
/// its errors: such an error becomes "cannot use PATH: reason".
std::string error_message(const std::exception& error);

}  // namespace sparse_transformer
