// A web server on this machine, for tests of what downloads.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sparse_transformer {

/// Serves a few files by name, ranges too ("Range: bytes=N-"), and remembers what was asked of it.
class LocalServer {
 public:
  explicit LocalServer(std::map<std::string, std::string> files);
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;
  ~LocalServer();

  /// "http://127.0.0.1:41234"
  std::string address() const;
  /// "/name" or "/name from N", in order.
  std::vector<std::string> requests() const;

 private:
  void serve();
  std::string answer(const std::string& request);

  std::map<std::string, std::string> files_;
  int listening_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace sparse_transformer
