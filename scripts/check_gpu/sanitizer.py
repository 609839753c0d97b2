"""The part `sanitizer`: compute-sanitizer over one small test of every kernel family."""
from check_gpu import suites
from check_gpu.bundle import cuda_tool
from check_gpu.gtest import run_tests
from check_gpu.step import Step

LIMIT = 45
TOOLS = ("memcheck", "racecheck", "initcheck")


def steps(session):
    sanitizer = cuda_tool("compute-sanitizer", "SANITIZER")

    def step(tool, program, suite):
        # Errors of CUDA's functions are not reported: the tests check those, and LibTorch provokes some on purpose.
        options = ["--report-api-errors", "no"] if tool == "memcheck" else []
        wrapper = [sanitizer, "--tool", tool, *options, "--error-exitcode", "9"]
        names = suite.filter_of([suite.canary])
        return Step(f"sanitizer {tool} {suite.name}", LIMIT,
                    lambda runner: run_tests(runner, program, names, wrapper))

    return [step(tool, *pair) for pair in suites.kernel_suites(session) for tool in TOOLS]
