// EXPECT_THROW that also looks at the message.
#pragma once

#include <gmock/gmock.h>

#include <string>

namespace sparse_transformer {

/// The message of the Error that `body` throws; another or no exception fails the test.
template <typename Error, typename Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another error: " << error.what();
    return "";
  }
  ADD_FAILURE() << "no error";
  return "";
}

}  // namespace sparse_transformer
