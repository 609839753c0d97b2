#include "tests/app/tiny_runs.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

namespace sparse_transformer {

namespace {

namespace fs = std::filesystem;

/// Words in an order that repeats often enough to be learned, and not so soon that it is dull.
std::string some_text(std::size_t size) {
  const std::vector<std::string> words = {"the ",   "sparse ", "model ",   "reads ",
                                          "rows, ", "then ",   "columns. "};
  std::string text;
  for (std::uint32_t state = 1; text.size() < size;) {
    state = state * 1664525 + 1013904223;  // Numerical Recipes' generator
    text += words[(state >> 24) % words.size()];
  }
  text.resize(size);
  return text;
}

}  // namespace

TinyRuns::TinyRuns() {
  write("tiny.yaml", kTinyConfig);
  write("data.bin", some_text(3000));
}

CommandOptions TinyRuns::options() const {
  return {.environment = {{"OMP_NUM_THREADS", "1"}},
          .folder = folder(),
          .timeout = std::chrono::seconds(120)};
}

CommandResult TinyRuns::run(const std::string& line) const { return sh("\"$PROGRAM\" " + line); }

CommandResult TinyRuns::sh(const std::string& line) const { return run_shell(line, options()); }

RunningCommand TinyRuns::start(const std::string& line) const {
  std::istringstream stream(line);
  const std::vector<std::string> words{std::istream_iterator<std::string>(stream), {}};
  return RunningCommand(program(words), options());
}

void TinyRuns::train(const std::string& name, const std::string& more) const {
  const CommandResult result = run("train tiny.yaml --run " + name + " " + more);
  ASSERT_EQ(result.exit_code, 0) << result.err;
}

void TinyRuns::resume(const std::string& name, const std::string& more) const {
  const CommandResult result = run("train --run " + name + " --resume " + more);
  ASSERT_EQ(result.exit_code, 0) << result.err;
}

void TinyRuns::expect_refused(const std::string& line, const std::vector<std::string>& says,
                              int exit_code) const {
  const CommandResult result = run(line);
  EXPECT_EQ(result.exit_code, exit_code) << line;
  EXPECT_EQ(result.out, "") << line;
  EXPECT_THAT(result.err, testing::MatchesRegex("error: [^\n]+\n")) << line;
  for (const std::string& part : says) EXPECT_THAT(result.err, testing::HasSubstr(part)) << line;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> contents_of(const fs::path& folder) {
  std::vector<std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const bool is_file = entry.is_regular_file() && !entry.is_symlink();
    contents.push_back(entry.path().string() + ": " + (is_file ? read_text(entry.path()) : ""));
  }
  std::sort(contents.begin(), contents.end());
  return contents;
}

fs::path checkpoint_of(const fs::path& run, int step) {
  std::string digits = std::to_string(step);
  digits.insert(0, 8 - digits.size(), '0');
  return run / "checkpoints" / ("step-" + digits);
}

std::string tensor_bytes(const fs::path& path) {
  const std::string file = read_text(path);
  std::uint64_t header = 0;
  EXPECT_GE(file.size(), sizeof(header)) << path;
  if (file.size() < sizeof(header)) return "";
  std::memcpy(&header, file.data(), sizeof(header));
  return file.substr(std::min<std::size_t>(file.size(), sizeof(header) + header));
}

void flip_a_bit(const fs::path& path, double place) {
  std::string text = read_text(path);
  ASSERT_FALSE(text.empty()) << path;
  const auto index = static_cast<std::size_t>(place * static_cast<double>(text.size() - 1));
  text[index] = static_cast<char>(text[index] ^ 1);
  std::ofstream(path, std::ios::binary) << text;
}

void expect_same_tensors(const fs::path& one, const fs::path& other) {
  for (const char* name : {"model.safetensors", "average.safetensors", "optimizer.safetensors"}) {
    const std::string bytes = read_text(one / name);
    EXPECT_FALSE(bytes.empty()) << one / name;
    EXPECT_TRUE(bytes == read_text(other / name)) << name << " differs";
  }
}

}  // namespace sparse_transformer
