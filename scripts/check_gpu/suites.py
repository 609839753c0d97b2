"""The parts `canaries` and `suites`: the tests that need a device, each suite in a process of its own."""
from check_gpu import gtest
from check_gpu.step import PASSED, Step

CANARY_SECONDS = 25
SUITE_SECONDS = 75


def kernel_suites(session):
    """(program, suite) for each kernel family: the suites of cuda_test. In a bundle without that program, the suites of
    the other programs that have tests for CUDA."""
    all_suites = [(program, suite) for program, suites in sorted(session.tests.items()) for suite in suites]
    return [pair for pair in all_suites if gtest.is_kernel_test(pair[0])] or all_suites


def canary_name(program, suite):
    return f"canaries {program.name} {suite.name}"


def canaries(session):
    """One small test of each kernel family."""
    def step(program, suite):
        names = suite.filter_of([suite.canary])
        return Step(canary_name(program, suite), CANARY_SECONDS,
                    lambda runner: gtest.run_tests(runner, program, names))

    return [step(*pair) for pair in kernel_suites(session)]


def other_tests(session):
    """All other tests. The suites of families whose canary did not pass come last."""
    with_canary = kernel_suites(session)

    def step(program, suite):
        tests = suite.others if (program, suite) in with_canary else suite.tests
        names = suite.filter_of(tests)
        return Step(f"suites {program.name} {suite.name}", SUITE_SECONDS,
                    lambda runner: gtest.run_tests(runner, program, names))

    def canary_failed(pair):
        return pair in with_canary and session.results.steps.get(canary_name(*pair), {}).get("outcome") != PASSED

    pairs = [(program, suite) for program, suites in sorted(session.tests.items()) for suite in suites]
    pairs = [(program, suite) for program, suite in pairs if suite.others or (program, suite) not in with_canary]
    return [step(*pair) for pair in sorted(pairs, key=canary_failed)]
