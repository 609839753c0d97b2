"""Lists and runs the suites of a GoogleTest program."""
import dataclasses
import re

from check_gpu.step import Failure

ON_CUDA = "*cuda*:*Cuda*:*CUDA*"


@dataclasses.dataclass(frozen=True)
class Suite:
    name: str
    tests: tuple  # their names

    @property
    def canary(self):
        """The small test to run first: the first whose name contains Canary or, if there is none, the suite's first."""
        return next((test for test in self.tests if "Canary" in test), self.tests[0])

    @property
    def others(self):
        return [test for test in self.tests if test != self.canary]

    def filter_of(self, tests):
        return ":".join(f"{self.name}.{test}" for test in tests)


def is_kernel_test(program):
    """Whether all tests of the program need a device. Of other programs those do that have Cuda in their names."""
    return program.name == "cuda_test"


def list_suites(runner, program):
    """The suites of the tests that need a device."""
    only = [] if is_kernel_test(program) else [f"--gtest_filter={ON_CUDA}"]
    text = runner.output_of(program, "--gtest_list_tests", *only)
    suites = {}
    name = None
    for line in text.splitlines():
        line = line.split("#")[0].rstrip()
        if re.fullmatch(r"\S+\.", line):
            name = line[:-1]
        elif name and re.fullmatch(r"  \S+", line):
            suites.setdefault(name, []).append(line.strip())
    return [Suite(name, tuple(tests)) for name, tests in suites.items()]


def run_tests(runner, program, names, wrapper=()):
    """Runs the tests that a filter names, under a command that wraps the program.

    Raises Failure if a test fails or is skipped, or if the filter names none.
    """
    ended = runner.run(*wrapper, program, f"--gtest_filter={names}", "--gtest_color=no")
    ended.check(runner.limit, blamed(ended))
    passed = count("PASSED", ended.text)
    if count("SKIPPED", ended.text):
        reason = re.search(r": Skipped\n(.*)", ended.text)
        raise Failure(f"{count('SKIPPED', ended.text)} skipped{': ' + reason[1].strip() if reason else ''}")
    if not passed:
        raise Failure("no test ran")
    return {"note": f"{passed} test{'s' if passed > 1 else ''}"}


def count(word, text):
    found = re.search(rf"^\[  {word} +\] (\d+) test", text, re.MULTILINE)
    return int(found[1]) if found else 0


def blamed(ended):
    """Names the tests that failed or, if the program did not end by itself, the one that ran then."""
    if ended.cut_off or ended.code < 0:
        begun = re.findall(r"^\[ RUN +\] (\S+)", ended.text, re.MULTILINE)
        return f" in {begun[-1]}" if begun else ""
    failed = list(dict.fromkeys(re.findall(r"^\[  FAILED  \] (\w[^\s,]*\.[^\s,]+)", ended.text, re.MULTILINE)))
    return f": {', '.join(failed[:3])}{' …' if len(failed) > 3 else ''}" if failed else ""
