"""The part `sanitizer`: compute-sanitizer over one small test of every kernel family."""
from check_gpu import suites
from check_gpu.bundle import cuda_tool
from check_gpu.gtest import run_tests
from check_gpu.step import Failure, Step

LIMIT = 45
TOOLS = ("memcheck", "racecheck", "initcheck")


def steps(session):
    return [Step(f"sanitizer {tool} {suite.name}", LIMIT,
                 lambda runner, tool=tool, program=program, suite=suite: run(runner, tool, program, suite))
            for program, suite in suites.kernel_suites(session) for tool in TOOLS]


def run(runner, tool, program, suite):
    """Errors of CUDA's functions are not reported: the tests check those, and LibTorch provokes some on purpose."""
    sanitizer = cuda_tool("compute-sanitizer", "SANITIZER")
    if not sanitizer:
        raise Failure("there is no compute-sanitizer here")
    options = ["--report-api-errors", "no"] if tool == "memcheck" else []
    return run_tests(runner, program, suite.filter_of([suite.canary]),
                     wrapper=[sanitizer, "--tool", tool, *options, "--error-exitcode", "9"])
