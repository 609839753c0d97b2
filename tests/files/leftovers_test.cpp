#include "files/leftovers.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "files/atomic_file.h"
#include "files/system_files.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::UnorderedElementsAre;

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename());
  }
  return names;
}

/// The number of a process that has ended.
pid_t dead_process() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

TEST(Leftovers, OfDeadProcessesAreRemovedAndTheRestStays) {
  const TemporaryFolder folder;
  const std::string dead = std::to_string(dead_process());
  for (const std::string& name :
       {".tmp-config.yaml-" + dead, std::string(".tmp-without-a-number"),
        ".tmp-alive-" + std::to_string(::getpid()), std::string("tmp-ours"), std::string(".tmp"),
        "config.yaml-" + dead}) {
    folder.write_text(name, "x");
  }
  std::filesystem::create_directory(folder / ".tmp-folder");
  std::filesystem::create_symlink("nowhere", folder / (".tmp-link-" + dead));
  remove_leftovers(folder.path(), kTemporaryPrefix);
  EXPECT_THAT(names_in(folder.path()),
              UnorderedElementsAre(".tmp-alive-" + std::to_string(::getpid()), "tmp-ours", ".tmp",
                                   "config.yaml-" + dead, ".tmp-folder"));
}

// A process of another machine has another number here, or none; its lock is seen.
TEST(Leftovers, ALockedFileStays) {
  const TemporaryFolder folder;
  const std::string name = std::string(kAtomicFilePrefix) + "0-" + std::to_string(dead_process());
  folder.write_text(name, "x");
  {
    const Descriptor file(::open((folder / name).c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(try_to_lock(file.number()), LockResult::kLocked);
    remove_leftovers(folder.path(), kAtomicFilePrefix);
    EXPECT_THAT(names_in(folder.path()), UnorderedElementsAre(name));
  }
  remove_leftovers(folder.path(), kAtomicFilePrefix);
  EXPECT_THAT(names_in(folder.path()), UnorderedElementsAre());
}

TEST(Leftovers, AFileUnderConstructionStays) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a");
  file.write("whole");
  remove_leftovers(folder.path(), kTemporaryPrefix);
  file.commit();
  EXPECT_EQ(read_file(folder / "a"), "whole");
}

TEST(Leftovers, AFolderThatIsNotThereHasNone) { remove_leftovers("nowhere", kTemporaryPrefix); }

}  // namespace
}  // namespace sparse_transformer
