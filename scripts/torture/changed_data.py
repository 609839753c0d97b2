"""The data change while a run trains on them. The run fails, or says so, or has not read what changed."""
import os
import shutil
import signal

from torture import calls, program, run


def _cut(path, random):
    os.truncate(path, random.randrange(path.stat().st_size))


def _overwrite(path, random):
    with open(path, "r+b") as file:
        file.write(random.randbytes(path.stat().st_size))


def _lengthen(path, random):
    with open(path, "ab") as file:
        file.write(random.randbytes(1000))


def _remove(path, random):
    path.unlink()


def _replace(path, random):
    other = path.with_name("other")
    other.write_bytes(random.randbytes(1000))
    other.replace(path)


def _tensors(folder, step):
    return [run.sha256_of_tensors(run.checkpoints(folder)[step] / name) for name in run.TENSORS]


def run_try(lab):
    new = lab.scenario("new")
    data, config = lab.folder / "data.bin", lab.folder / "text.yaml"
    for path in (data, config):
        shutil.copy(lab.shared / path.name, path)
    place = lab.random.randrange(calls.first_step(new.calls) + 1, len(new.calls))
    process = lab.start(["train", config, "--run", lab.run], [calls.Rule("-", place, f"signal:{int(signal.SIGSTOP)}")])
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    change = lab.random.choice((_cut, _cut, _overwrite, _lengthen, _remove, _replace))
    change(data, lab.random)
    process.send_signal(signal.SIGCONT)
    ended = program.wait(process)
    problems = ended.problems((0, 1))
    if ended.code == 1 and data.name not in ended.err:
        problems.append(f"the file is not named: {ended.last_line()}")
    data.unlink(missing_ok=True)
    shutil.copy(lab.shared / data.name, data)
    resumed = lab.ended(["train", config, "--run", lab.run, "--resume"])
    problems += [f"resume: {each}" for each in resumed.problems((0,))]
    step = new.reference.newest
    if not problems and not ended.warnings and _tensors(lab.run, step) != _tensors(new.done, step):
        problems.append("other weights, and nothing said")
    return lab.outcome("changed data", change.__name__.strip("_"), problems)
