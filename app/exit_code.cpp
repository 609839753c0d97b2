#include "app/exit_code.h"

#include <c10/util/Exception.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

#include "config/errors.h"
#include "files/error_message.h"
#include "files/system_files.h"
#include "runtime/log.h"
#include "runtime/out_of_memory.h"

namespace sparse_transformer {

namespace {

constexpr int kWorldExit = 1;
constexpr int kUserExit = 2;

int report(int exit_code, std::string_view message) {
  log_error(message);
  return exit_code;
}

int report_interrupted(int signal) {
  // Silent where the reader of our output has gone.
  if (signal != SIGPIPE) log_info(std::string("stopped by SIG") + ::sigabbrev_np(signal));
  return 128 + signal;
}

// A call to the file system that nothing has put into words of its own.
int report_file_system(const std::filesystem::filesystem_error& error) {
  const bool is_users = is_fault_of_path(error.code().value());
  return report(is_users ? kUserExit : kWorldExit, error_message(error));
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
    return report(kWorldExit, "LibTorch: " + first_line(error));
  } catch (const WorldError& error) {
    return report(kWorldExit, error.what());
  } catch (const std::logic_error& error) {
    return report(kWorldExit, std::string("a mistake in this program: ") + error.what());
  } catch (const std::exception& error) {
    return report(kWorldExit, is_out_of_memory(error) ? "out of memory" : first_line(error));
  }
}

}  // namespace sparse_transformer
