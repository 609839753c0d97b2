"""The part `device`: the GPU, the versions, and which tests there are."""
import json
import re
import shutil
import sys

from check_gpu import gtest
from check_gpu.command import last_line
from check_gpu.step import Failure, Step

PROBE = """
import json, torch
gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
print(json.dumps({"gpu": gpu, "torch": torch.__version__}))
"""


def steps(session):
    def list_suites(program):
        def run(runner):
            session.tests[program] = gtest.list_suites(runner, program)
            return {"note": f"{sum(len(suite.tests) for suite in session.tests[program])} for CUDA"}

        return Step(f"device tests of {program.name}", 60, run, every_call=True)

    return [
        Step("device gpu", 60, lambda runner: find_gpu(session, runner), every_call=True),
        Step("device program", 60, lambda runner: run_version(session, runner), every_call=True),
        *map(list_suites, session.bundle.test_programs),
    ]


def find_gpu(session, runner):
    if session.device == "cpu":
        session.results.about["gpu"] = "CPU"
        return {"note": "on the CPU, as --device says"}
    text = runner.output_of(sys.executable, "-c", PROBE)
    found = json.loads(last_line(text))
    session.results.about.update(found, driver=driver_version(runner))
    if not found["gpu"]:
        session.has_gpu = False
        raise Failure("torch finds no GPU")
    return {"note": found["gpu"]}


def driver_version(runner):
    if not shutil.which("nvidia-smi"):
        return "unknown"
    ended = runner.run("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return "unknown" if ended.code or ended.cut_off else last_line(ended.text)


def run_version(session, runner):
    text = runner.output_of(session.bundle.program, "--version")
    session.results.about["program"] = text.splitlines()[0] if text.strip() else "unknown"
    cuda = re.search(r"^cuda: .*", text, re.MULTILINE)
    if session.device == "cuda" and (not cuda or cuda[0].startswith("cuda: no")):
        raise Failure(cuda[0] if cuda else "it does not say whether it can use CUDA")
    return {"note": cuda[0] if cuda else last_line(text)}
