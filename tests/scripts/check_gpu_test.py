#!/usr/bin/env python3
"""A dry run of `run.sh check` with stand-ins for all that needs a GPU: they pass, fail, hang, crash, print too little.

Usage: check_gpu_test.py [TEST...]
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))

from check_gpu import command, gtest, ncu, results, session, step, suites  # noqa: E402

TORCH = """
import os
__version__ = "2.11.0"
if "LD_LIBRARY_PATH" in os.environ: raise SystemExit("LD_LIBRARY_PATH is set")
class cuda:
    is_available = staticmethod(lambda: not os.environ.get("NO_GPU"))
    get_device_name = staticmethod(lambda: "Stand-in GPU")
"""
ATTENTION_PEER = """
import sys
words = sys.argv
kinds = words[words.index("--kinds") + 1:words.index("--impls")]
for kind in kinds:
    for peer in words[words.index("--impls") + 1:words.index("--reps")]:
        if (kind, peer) == ("local", "cudnn"): continue
        n = words[words.index("--n") + 1]
        print(n, "32 2 64/128 96 8", kind, peer, "1.0 5.0", {"fa2": 3.0}.get(peer, "nan"), "9.0 9.0 9.0", flush=True)
    if n == "12288" and peer == "cudnn":
        import time
        time.sleep(100)
"""
STEP_PEER = "print('a GPU | cifar bT | 8.0 ms/step  1,000 tok/s')"
NCU = """#!/bin/sh
case "$*" in *residual_kernel*) echo "==WARNING== No kernels were profiled."; exit 0;; esac
echo '==PROF== Connected'
echo '"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"'
echo '"0","forward_kernel","Duration","us","12.5"'
echo '"0","forward_kernel","Memory Throughput","%","71.2"'
echo '"0","forward_kernel","Memory Throughput","Tbyte/s","2.1"'
echo '"0","forward_kernel","Compute (SM) Throughput","%","40.0"'
"""
SANITIZER = """#!/bin/sh
[ "$2" = racecheck ] && exit 9
until [ "${1##*/}" = cuda_test ]; do shift; done
exec "$@"
"""


def processes_with(text):
    """The command lines of running processes that have the text in them."""
    lines = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            pass  # it has ended
    return [line for line in lines if text in line]


def write_program(path, text):
    path.write_text(text)
    path.chmod(0o755)


class DryRun(unittest.TestCase):
    """`run.sh` of a made-up bundle."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.bundle = self.folder / "bundle"
        self.make_bundle()
        (self.folder / "python/torch/lib").mkdir(parents=True)
        (self.folder / "python/torch/__init__.py").write_text(TORCH)
        write_program(self.folder / "ncu", NCU)
        write_program(self.folder / "compute-sanitizer", SANITIZER)
        (self.folder / "tmp").mkdir()
        self.environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(self.folder / "python"),
                            "TMPDIR": str(self.folder / "tmp"), "CALLS": str(self.folder / "calls"),
                            "NCU": str(self.folder / "ncu"), "SANITIZER": str(self.folder / "compute-sanitizer")}
        for name in ("LD_LIBRARY_PATH", "PEERS", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
            self.environment.pop(name, None)
        self.out = self.folder / "out"

    def make_bundle(self, test_programs=("cuda_test", "model_test")):
        shutil.rmtree(self.bundle, ignore_errors=True)
        packed = self.folder / "packed/bin"
        packed.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "stand_in_program.py", packed / "sparse-transformer")
        for name in test_programs:
            shutil.copy(HERE / "stand_in_test.sh", packed / name)
        (self.bundle / "peers").mkdir(parents=True)
        (self.bundle / "peers/attn_bench.py").write_text(ATTENTION_PEER)
        (self.bundle / "peers/train_bench.py").write_text(STEP_PEER)
        shutil.copy(ROOT / "scripts/bundle-run.sh", self.bundle / "run.sh")
        shutil.copy(ROOT / "scripts/check-gpu.py", self.bundle)
        shutil.copytree(ROOT / "scripts/check_gpu", self.bundle / "check_gpu",
                        ignore=shutil.ignore_patterns("__pycache__"))
        with tarfile.open(self.bundle / "files.tar.gz", "w:gz") as archive:
            archive.add(packed, "bin")

    def command(self, *words):
        return [self.bundle / "run.sh", *words]

    def check(self, *words, limits=0.1, **environment):
        """Runs `run.sh check`; sets code, text and results."""
        done = subprocess.run(self.command("check", *words, "--scale-of-limits", str(limits), self.out),
                              env={**self.environment, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=120, check=False)
        self.code, self.text = done.returncode, done.stdout
        self.results = json.loads((self.out / "results.json").read_text())

    def outcome(self, name):
        return self.results["steps"][name]["outcome"]

    def calls(self):
        return (self.folder / "calls").read_text().splitlines()

    def table_line(self, name):
        """The step's line in the table at the end."""
        end = self.text[self.text.index("\nstep "):]
        lines = [line for line in end.splitlines() if re.match(re.escape(name) + "  ", line)]
        self.assertEqual(len(lines), 1, f"{name}\n{self.text}")
        return lines[0]

    def test_each_suite_costs_one_line(self):
        self.check("canaries", "suites", "--minutes", "1", limits=0.04, SUITES="Good Fails Hangs Crashes Skips Floods")
        canary = "canaries cuda_test "
        for name, outcome in {
                "Good": "passed",
                "Fails": "FAILED: exit 1: Fails.TheCanaryOfAll",
                "Hangs": "FAILED: no end after 1 s in Hangs.TheCanaryOfAll",
                "Crashes": "FAILED: SIGSEGV in Crashes.TheCanaryOfAll",
                "Skips": "FAILED: 1 skipped: no kernels",
                "Floods": "passed",
        }.items():
            self.assertEqual(self.outcome(canary + name), outcome)
            self.assertIn(outcome, self.table_line(canary + name))
        self.assertEqual(self.outcome("suites model_test RowsCuda"), "passed")
        self.assertEqual(self.outcome("suites cuda_test Crashes"), "FAILED: SIGSEGV in Crashes.SmallCase")
        self.assertEqual(self.code, 1)
        self.assertIn("Stand-in GPU, driver ", self.text)
        self.assertEqual(self.results["about"]["torch"], "2.11.0")
        self.assertEqual(self.results["about"]["program"], "sparse-transformer 0.0.0")

    def test_a_canary_is_one_test_and_a_suite_the_others(self):
        self.check("canaries", "suites", "--minutes", "1")
        for call in ("--gtest_filter=Good.TheCanaryOfAll ", "--gtest_filter=Good.SmallCase:Good.Parameter/0 "):
            self.assertEqual(sum(call in line for line in self.calls()), 1, call)
        # Other programs have no canaries beside those of cuda_test; of their tests only those for CUDA are listed.
        whole = "Typed/Cuda.SmallCase:Typed/Cuda.TheCanaryOfAll:Typed/Cuda.Parameter/0 "
        self.assertEqual(sum(whole in line for line in self.calls()), 1)
        self.assertIn(f"model_test --gtest_list_tests --gtest_filter={gtest.ON_CUDA}", self.calls())
        self.assertIn("cuda_test --gtest_list_tests", self.calls())

    def test_without_cuda_test_the_other_programs_have_canaries(self):
        (self.folder / "packed/bin/cuda_test").unlink()
        self.make_bundle(["model_test"])
        self.check("canaries", "--minutes", "1")
        self.assertEqual(self.outcome("canaries model_test RowsCuda"), "passed")

    def test_a_program_that_does_not_start_costs_one_line(self):
        self.make_bundle(["cuda_test", "model_test", "broken_test"])
        self.check("canaries", "--minutes", "1")
        self.assertEqual(self.outcome("device tests of broken_test"), "FAILED: exit 127: no output")
        self.assertEqual(self.outcome("canaries cuda_test Good"), "passed")

    def test_the_output_folder_has_few_small_files(self):
        self.check("tests", "--minutes", "1")
        self.assertEqual({path.name for path in self.out.iterdir()},
                         {"results.json", "logs.tar.gz", "pictures.png", "sound.wav"})
        self.assertLess((self.out / "logs.tar.gz").stat().st_size, 16 << 20)
        with tarfile.open(self.out / "logs.tar.gz") as archive:
            names = archive.getnames()
            log = archive.extractfile("logs/canaries-cuda_test-Fails.log").read().decode()
        self.assertTrue(all(name.endswith(".log") for name in names), names)
        self.assertIn("[  FAILED  ] Fails.TheCanaryOfAll", log)
        self.assertEqual([path.name for path in (self.folder / "tmp").glob("check-gpu-*")], [])

    def test_training_is_killed_and_resumed(self):
        self.check("training", "--minutes", "1")
        for name in ("losses fp32", "losses bf16", "resume bf16", "pictures", "sound"):
            self.assertEqual(self.outcome(f"training {name}"), "passed", self.text)
        note = self.results["steps"]["training resume bf16"]["note"]
        self.assertRegex(note, r"^killed after step [4-9]\d\d of 1200, resumed bit for bit$")

    def test_training_that_is_wrong_fails(self):
        self.check("training", "--minutes", "1", STAND_IN="differs,losses")
        self.assertEqual(self.outcome("training losses fp32"), "FAILED: losses differ from the CPU's by up to 0.5 bits")
        self.assertEqual(self.outcome("training resume bf16"),
                         "FAILED: average of the resumed run is not that of the whole run")
        self.check("training", "--minutes", "1", STAND_IN="quick")
        self.assertEqual(self.outcome("training resume bf16"), "FAILED: it ended before it was killed")

    def test_a_signal_ends_with_the_table(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            check = subprocess.Popen(self.command("check", "suites", "--minutes", "1", self.out),
                                     env={**self.environment, "SUITES": "Hangs"}, stdout=subprocess.PIPE, text=True)
            begin = ""
            while "suites model_test RowsCuda: passed" not in begin:  # printed when it is there, although Hangs runs
                begin += check.stdout.readline()
            begun = time.monotonic()
            check.send_signal(number)
            rest = check.communicate(timeout=30)[0]
            self.assertLess(time.monotonic() - begun, 5)
            self.assertEqual(check.returncode, 128 + number)
            self.assertRegex(rest, r"suites cuda_test Hangs +\d+\.\d  left: stopped")
            outcomes = json.loads((self.out / "results.json").read_text())["steps"]
            self.assertEqual(outcomes["suites cuda_test Hangs"]["outcome"], "left: stopped")
            self.assertEqual(outcomes["suites model_test RowsCuda"]["outcome"], "passed")
            self.assertEqual(processes_with(f"{self.folder}/"), [])

    def test_continue_leaves_out_what_has_passed(self):
        self.check("canaries", "--minutes", "1", SUITES="Good Fails Crashes")
        elsewhere = self.folder / "elsewhere.json"
        (self.out / "results.json").rename(elsewhere)
        shutil.rmtree(self.out)
        (self.folder / "calls").unlink()
        self.check("canaries", "--minutes", "1", "--continue", str(elsewhere), SUITES="Good Fails Crashes",
                   MENDED="Crashes")
        self.assertFalse([line for line in self.calls() if "Good." in line])
        self.assertEqual(self.outcome("canaries cuda_test Good"), "passed")
        self.assertEqual(self.outcome("canaries cuda_test Crashes"), "passed")
        self.assertEqual(self.outcome("canaries cuda_test Fails"), "FAILED: exit 1: Fails.TheCanaryOfAll")
        self.assertNotIn("canaries cuda_test Good", self.text)
        self.assertIn("1 passed in an earlier call", self.text)

    def test_continue_needs_results(self):
        bad = self.folder / "bad.json"
        bad.write_text('{"steps": ')
        done = subprocess.run(self.command("check", "--continue", bad, self.out), env=self.environment, text=True,
                              stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("bad.json holds no results", done.stderr)

    def test_speed(self):
        self.check("benchmark", "ncu", "peers", "sanitizer", "--minutes", "1", limits=0.04, SUITES="Good Crashes")
        self.assertEqual(self.outcome("benchmark attention 3072"), "passed")
        self.assertIn("duration 12.5 us; memory 71.2 %; compute 40.0 %", self.table_line("ncu union forward"))
        self.assertEqual(self.outcome("ncu residual"), "FAILED: no launch of residual_kernel was profiled")
        self.assertEqual(self.outcome("sanitizer memcheck Good"), "passed")
        self.assertEqual(self.outcome("sanitizer racecheck Good"), "FAILED: exit 9: no output")
        self.assertEqual(self.outcome("sanitizer initcheck Crashes"), "FAILED: SIGSEGV in Crashes.TheCanaryOfAll")
        self.assertEqual(self.outcome("peers attention 3072 fa2 cudnn"), "passed")
        self.assertEqual(self.outcome("peers attention 12288 fa2 cudnn"), "FAILED: no end after 4 s")
        row = r"attention 3072 strided +2\.000 +50% +own +3\.000 +fa2 +1\.50"
        self.assertRegex(self.text, row)
        self.assertRegex(self.text, r"attention 3072 local +2\.000 +50% +own +3\.000 +fa2 +1\.50")
        self.assertRegex(self.text, r"step cifar of 16 layers +4\.000 +50% +own +8\.000 +fa2 +2\.00")
        self.assertRegex(self.text, r"step imagenet64 +4\.000 +50% +own\n")

    def test_a_tool_that_is_missing_costs_one_line(self):
        self.check("sanitizer", "--minutes", "1", SANITIZER="", PATH="/usr/bin:/bin")
        if not pathlib.Path("/usr/local/cuda/bin/compute-sanitizer").exists():
            self.assertEqual(self.outcome("sanitizer"), "FAILED: there is no compute-sanitizer here")

    def test_half_a_json_object_is_a_failure(self):
        self.check("benchmark", "--minutes", "1", STAND_IN="half")
        self.assertRegex(self.outcome("benchmark attention 3072"), "^FAILED: no whole JSON object in the output: ")

    def test_no_gpu(self):
        self.check("--minutes", "1", NO_GPU="1")
        self.assertEqual(self.outcome("device gpu"), "FAILED: torch finds no GPU")
        self.assertEqual(self.outcome("canaries"), "left: no GPU")
        self.assertEqual(self.outcome("training"), "left: no GPU")
        self.assertEqual(self.code, 1)

    def test_the_bundle_stays_as_it_is(self):
        before = sorted(str(path) for path in self.bundle.rglob("*"))
        self.check("canaries", "peers", "--minutes", "0.04")
        self.assertEqual(sorted(str(path) for path in self.bundle.rglob("*")), before)
        unpacked = list((self.folder / "tmp").glob("sparse-transformer-*"))
        self.assertEqual(len(unpacked), 1)
        self.assertEqual((unpacked[0] / "torch").resolve(), (self.folder / "python/torch/lib").resolve())

    def test_run_sh_tests(self):
        tests = self.command("tests")
        done = subprocess.run(tests, env=self.environment, text=True, stdout=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.calls(), ["cuda_test --gtest_brief=1 --gtest_filter=*",
                                        f"model_test --gtest_brief=1 --gtest_filter={gtest.ON_CUDA}"])
        done = subprocess.run([*tests, "Fails.*"], env=self.environment, text=True, stdout=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stdout.endswith("FAILED: cuda_test model_test\n"))

    def test_run_sh_runs_the_program_and_needs_torch(self):
        version = self.command("--version")
        done = subprocess.run(version, env=self.environment, text=True, stdout=subprocess.PIPE, check=False)
        self.assertEqual(done.stdout, "sparse-transformer 0.0.0\ncuda: yes\n")
        python = self.folder / "python-without-packages"
        write_program(python, f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
        done = subprocess.run(version, env={**self.environment, "PYTHON": str(python)}, text=True,
                              stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("has no torch; name another Python in PYTHON", done.stderr)


def part(seconds, *steps):
    return step.Part("a part", seconds, lambda session: list(steps))


def sleeping(name, seconds, limit=100):
    """A step that sleeps. Schedule divides limits by 100."""
    return step.Step(name, 100 * limit, lambda runner: runner.output_of("sleep", seconds) and None)


class Schedule(unittest.TestCase):
    """Session, with steps that are functions."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = pathlib.Path(temporary.name)
        (folder / "logs").mkdir()
        self.results = results.Results(folder, folder / "logs", {})

    def run_parts(self, seconds, *parts):
        its = session.Session(None, self.results, None, seconds / 60, scale_of_limits=0.01)
        silent, sys.stdout = sys.stdout, open(os.devnull, "w", encoding="utf-8")
        try:
            its.run(parts)
        finally:
            sys.stdout.close()
            sys.stdout = silent
        return its.outcomes

    def test_an_exception_costs_one_line(self):
        wrong = step.Step("wrong", 1, lambda runner: {}["key"])
        outcomes = self.run_parts(5, step.Part("broken", 1, lambda session: 1 // 0), part(1, wrong),
                                  part(1, sleeping("right", 0)))
        self.assertEqual(outcomes, {"broken": "FAILED: ZeroDivisionError: integer division or modulo by zero",
                                    "wrong": "FAILED: KeyError: 'key'", "right": "passed"})

    def test_a_part_ends_with_its_share(self):
        outcomes = self.run_parts(2, part(1, sleeping("long", 1.5), sleeping("a", 0)), part(1, sleeping("b", 0.9)))
        self.assertEqual(outcomes, {"long": step.NO_TIME, "b": "passed", "a": step.NO_TIME})

    def test_what_was_left_runs_at_the_end_if_there_is_time(self):
        outcomes = self.run_parts(2, part(1, sleeping("long", 1.2)), part(3, sleeping("short", 0)))
        self.assertEqual(outcomes, {"long": "passed", "short": "passed"})

    def test_later_parts_share_the_time_that_one_left(self):
        outcomes = self.run_parts(3, part(1, sleeping("short", 0)), part(1, sleeping("long", 1.3)),
                                  part(1, sleeping("last", 1.2)))
        self.assertEqual(outcomes, {"short": "passed", "long": "passed", "last": "passed"})

    def test_a_step_that_reaches_its_limit_has_failed(self):
        outcomes = self.run_parts(5, part(1, sleeping("hang", 4, limit=0.3)))
        self.assertEqual(outcomes, {"hang": "FAILED: no end after 0 s"})


class Suites(unittest.TestCase):
    def test_suites_whose_canary_failed_come_last(self):
        program = pathlib.Path("cuda_test")
        families = [gtest.Suite(name, ("Small", "Large")) for name in ("Norm", "Gelu", "Adam")]
        earlier = {"canaries cuda_test Norm": {"outcome": "FAILED: SIGSEGV"},
                   "canaries cuda_test Gelu": {"outcome": "passed"}, "canaries cuda_test Adam": {"outcome": "passed"}}
        its = session.Session(None, results.Results(None, None, earlier), None, 1)
        its.tests = {program: families, pathlib.Path("model_test"): [gtest.Suite("RowsCuda", ("Small",))]}
        self.assertEqual([one.name for one in suites.canaries(its)], list(earlier))
        self.assertEqual([one.name for one in suites.other_tests(its)],
                         ["suites cuda_test Gelu", "suites cuda_test Adam", "suites model_test RowsCuda",
                          "suites cuda_test Norm"])


class Logs(unittest.TestCase):
    def test_the_archive_stays_within_its_limit(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for i in range(100):
                (folder / f"{i}.log").write_bytes(os.urandom(300000))
            self.assertLess(len(results.packed_logs(folder)), 16 << 20)

    def test_a_long_log_keeps_its_ends(self):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name, "long.log")
            path.write_bytes(b"begin" + bytes(100000) + b"end")
            content = results.shortened(path, 1000)
            self.assertEqual(len(content), 1000)
            self.assertTrue(content.startswith(b"begin") and content.endswith(b"end"))

    def test_the_last_line_is_not_empty(self):
        self.assertEqual(command.last_line("one\ntwo \n\n"), "two")


class Kernels(unittest.TestCase):
    def test_the_profiled_kernels_are_in_the_sources(self):
        text = "".join(path.read_text() for path in (ROOT / "src").rglob("*.cu"))
        names = re.findall(r"__global__[^{;]*?\b(\w+)\s*\(\s*(?:const|[A-Z])", text)
        for kernel in ncu.KERNELS.values():
            self.assertIn(kernel, names)


if __name__ == "__main__":
    unittest.main()
