// Tests that train a tiny model on a stream of bytes, as a user would, in a folder of their own.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/app/program.h"

namespace sparse_transformer {

/// The model that the tests train: two layers, 16 wide, sequences of 32 bytes; 8 steps with every
/// figure, sample and checkpoint on the way. Its data, data.bin, are 3,000 bytes beside it.
inline constexpr const char* kTinyConfig =
    "data: {source: bytes, path: data.bin, sequence: 32, split: {valid: 200, test: 201}}\n"
    "model:\n"
    "  {layers: 2, width: 16, heads: 2, dropout: 0.1,\n"
    "   attention: {stride: 8, layers: [local, column]}}\n"
    "training:\n"
    "  {steps: 8, batch: 4, micro_batch: 2, learning_rate: 0.003, warmup: 2, log_every: 2,\n"
    "   evaluate_every: 4, sample_every: 4, sample_count: 2, checkpoint_every: 4, device: cpu}\n";

class TinyRuns : public testing::Test {
 protected:
  /// Writes tiny.yaml and data.bin.
  TinyRuns();

  const std::filesystem::path& folder() const { return folder_.path(); }
  std::string write(const std::string& name, std::string_view text) const {
    return folder_.write_text(name, text);
  }
  std::string read(const std::filesystem::path& name) const { return read_text(folder() / name); }
  bool exists(const std::filesystem::path& name) const {
    return std::filesystem::exists(folder() / name);
  }

  /// The program, with this line of arguments for a shell, in the folder.
  CommandResult run(const std::string& line) const;
  /// The same in the background, without a shell, so that signals reach it: words between spaces.
  RunningCommand start(const std::string& line) const;
  /// A line of sh, in which "$PROGRAM" is the program.
  CommandResult sh(const std::string& line) const;

  /// `train tiny.yaml --run NAME` and what follows, which must succeed.
  void train(const std::string& name, const std::string& more = "") const;
  /// `train --run NAME --resume` and what follows, likewise.
  void resume(const std::string& name, const std::string& more = "") const;

  /// The command ends with this code, nothing on stdout and one line on stderr that says all this.
  void expect_refused(const std::string& line, const std::vector<std::string>& says,
                      int exit_code = 2) const;

  /// Of every command that runs here.
  CommandOptions options() const;

 private:
  TemporaryFolder folder_;
};

/// The lines of a text.
std::vector<std::string> lines_of(const std::string& text);

/// Every file below a folder and what is in it, to see that nothing has changed.
std::vector<std::string> contents_of(const std::filesystem::path& folder);

/// "checkpoints/step-00000004" of a run.
std::filesystem::path checkpoint_of(const std::filesystem::path& run, int step);

/// The tensors of a safetensors file: all behind its header, which tells of settings too.
std::string tensor_bytes(const std::filesystem::path& path);

/// Flips the lowest bit of the byte at a place between the beginning (0) and the end (1) of a file.
void flip_a_bit(const std::filesystem::path& path, double place);

/// The three files of tensors in two checkpoints are the same, byte for byte.
void expect_same_tensors(const std::filesystem::path& one, const std::filesystem::path& other);

}  // namespace sparse_transformer
