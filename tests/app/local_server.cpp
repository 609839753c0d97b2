#include "tests/app/local_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace sparse_transformer {

LocalServer::LocalServer(std::map<std::string, std::string> files)
    : files_(std::move(files)), listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof place;
  auto* const address = reinterpret_cast<sockaddr*>(&place);
  if (::bind(listening_, address, size) != 0 || ::listen(listening_, 8) != 0 ||
      ::getsockname(listening_, address, &size) != 0) {
    throw std::runtime_error("no local server can be started");
  }
  port_ = ntohs(place.sin_port);
  thread_ = std::thread([this] { serve(); });
}

LocalServer::~LocalServer() {
  ::shutdown(listening_, SHUT_RDWR);  // wakes accept()
  thread_.join();
  ::close(listening_);
}

std::string LocalServer::address() const { return "http://127.0.0.1:" + std::to_string(port_); }

std::vector<std::string> LocalServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void LocalServer::serve() {
  for (int client; (client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
    std::string request;
    std::array<char, 4096> piece{};
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t count = ::recv(client, piece.data(), piece.size(), 0);
      if (count <= 0) break;
      request.append(piece.data(), static_cast<std::size_t>(count));
    }
    const std::string reply = answer(request);
    ::send(client, reply.data(), reply.size(), MSG_NOSIGNAL);
    ::close(client);
  }
}

std::string LocalServer::answer(const std::string& request) {
  const std::size_t begin = request.find('/');
  const std::string path = request.substr(begin, request.find(' ', begin) - begin);
  const std::string header = "Range: bytes=";
  const std::size_t range = request.find(header);
  const std::size_t from =
      range == std::string::npos ? 0 : std::stoull(request.substr(range + header.size()));
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(path + (from > 0 ? " from " + std::to_string(from) : ""));
  }
  const auto found = files_.find(path.substr(1));
  if (found == files_.end()) {
    return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  }
  const std::string& file = found->second;
  const std::string rest = file.substr(std::min(from, file.size()));
  const std::string size = std::to_string(file.size());
  return (from > 0 ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " +
                         std::to_string(from) + "-" + std::to_string(file.size() - 1) + "/" + size
                   : std::string("HTTP/1.1 200 OK")) +
         "\r\nContent-Length: " + std::to_string(rest.size()) + "\r\nConnection: close\r\n\r\n" +
         rest;
}

}  // namespace sparse_transformer
