#include "training/step_graph.h"

#include <gtest/gtest.h>

#include <string>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

/// Writes down what it is asked for; recording throws where it is told to.
class FakeRecorder : public WorkRecorder {
 public:
  FakeRecorder(std::string& calls, const std::function<void()>& fail)
      : calls_(calls), fail_(fail) {}
  void rehearse(const Work& work) override {
    calls_ += "rehearse ";
    work();
  }
  void record(const Work& /*work*/) override {
    calls_ += "record ";
    fail_();
  }
  void replay() override { calls_ += "replay "; }
  void forget() override { calls_ += "forget "; }

 private:
  std::string& calls_;
  std::function<void()> fail_;
};

struct Calls {
  explicit Calls(const std::function<void()>& fail = [] {})
      : graph(std::make_unique<FakeRecorder>(text, fail)) {}
  void run() {
    graph.run([this] { text += "work "; });
  }
  std::string text;
  StepGraph graph;
};

TEST(StepGraph, RehearsesRecordsAndReplays) {
  Calls calls;
  for (int i = 0; i < 4; ++i) calls.run();
  EXPECT_EQ(calls.text, "rehearse work rehearse work record replay replay ");
}

TEST(StepGraph, BeginsAgainWhereMemoryIsNew) {
  Calls calls;
  for (int i = 0; i < 3; ++i) calls.run();
  calls.text.clear();
  calls.graph.forget();
  for (int i = 0; i < 3; ++i) calls.run();
  EXPECT_EQ(calls.text, "forget rehearse work rehearse work record replay ");
}

TEST(StepGraph, DoesTheWorkItselfFromTheFirstFailureOn) {
  Calls calls([] { throw std::runtime_error("operation not permitted\nwhen capturing"); });
  testing::internal::CaptureStderr();
  for (int i = 0; i < 4; ++i) calls.run();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(calls.text, "rehearse work rehearse work record work work ");
  EXPECT_NE(log.find("(operation not permitted)"), std::string::npos) << log;
  EXPECT_EQ(log.find("recorded", log.find("recorded") + 1), std::string::npos) << "once";
}

TEST(StepGraph, PassesOnARequestToStopAndRecordsAnew) {
  bool stops = true;
  Calls calls([&stops] {
    if (stops) throw Interrupted(2);
  });
  for (int i = 0; i < 2; ++i) calls.run();
  EXPECT_THROW(calls.run(), Interrupted);
  stops = false;
  calls.text.clear();
  calls.run();
  EXPECT_EQ(calls.text, "record replay ");
}

TEST(StepGraph, WithoutARecorderOnlyDoesTheWork) {
  StepGraph graph(nullptr);
  int done = 0;
  for (int i = 0; i < 4; ++i) graph.run([&done] { ++done; });
  graph.forget();
  EXPECT_EQ(done, 4);
}

}  // namespace
}  // namespace sparse_transformer
