#include "app/exit_code.h"

#include <c10/util/Exception.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "config/errors.h"
#include "runtime/log.h"

namespace sparse_transformer {

namespace {

constexpr int kWorldExit = 1;
constexpr int kUserExit = 2;

int report(int exit_code, std::string_view message) {
  log_error(message.substr(0, message.find('\n')));
  return exit_code;
}

int report_interrupted(int signal) {
  // Silent where the reader of our output has gone.
  if (signal != SIGPIPE) log_info(std::string("stopped by SIG") + ::sigabbrev_np(signal));
  return 128 + signal;
}

// A call to the file system that no room has put into words of its own.
int report_file_system(const std::filesystem::filesystem_error& error) {
  const bool out_of_space = error.code() == std::errc::no_space_on_device ||
                            error.code() == std::errc::file_too_large ||
                            error.code() == std::errc::io_error;
  return report(out_of_space ? kWorldExit : kUserExit,
                error.path1().string() + ": " + error.code().message());
}

int report_torch(const c10::Error& error) {
  const std::string message = error.what_without_backtrace();
  const bool out_of_memory = message.find("out of memory") != std::string::npos ||
                             message.find("can't allocate memory") != std::string::npos;
  if (!out_of_memory) return report(kWorldExit, "LibTorch: " + message);
  return report(kWorldExit, "out of memory: a smaller training.micro_batch needs less");
}

}  // namespace

int report_exception() {
  try {
    throw;
  } catch (const Interrupted& interrupted) {
    return report_interrupted(interrupted.signal());
  } catch (const UserError& error) {
    return report(kUserExit, error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    return report_file_system(error);
  } catch (const c10::Error& error) {
    return report_torch(error);
  } catch (const std::bad_alloc&) {
    return report(kWorldExit, "out of memory");
  } catch (const std::logic_error& error) {
    return report(kWorldExit, std::string("a mistake in this program: ") + error.what());
  } catch (const std::exception& error) {
    return report(kWorldExit, error.what());
  }
}

}  // namespace sparse_transformer
