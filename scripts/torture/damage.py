"""Flips a bit, cuts or replaces a file of a finished run: every command refuses it, or its result is not touched by it."""
import os
import shutil

from torture import run

CHECKPOINT_FILES = (*run.TENSORS, "state.json", "config.yaml", "manifest.json")
RUN_FILES = ("config.yaml", "metrics.jsonl", "log.txt", "events", "latest", "best")
EXTENDED = 14


def _evaluate(lab):
    ended = lab.ended(["evaluate", "run", "--json"], folder=lab.folder)
    return ended, ended.out


def _sample(lab):
    ended = lab.ended(["sample", "run", "--out", "out.txt"], folder=lab.folder)
    out = lab.folder / "out.txt"
    return ended, out.read_bytes() if out.exists() else None


def _extend(lab):
    ended = lab.ended(["train", "--run", "run", "--resume", "--set", f"training.steps={EXTENDED}"], folder=lab.folder)
    newest = run.checkpoints(lab.run).get(EXTENDED)
    return ended, newest and [run.sha256(newest / name) for name in run.TENSORS]


def _start_from(lab):
    arguments = ["train", lab.shared / "text.yaml", "--init-from", "run", "--run", "other", "--set", "training.steps=2"]
    ended = lab.ended(arguments, folder=lab.folder)
    saved = run.checkpoints(lab.folder / "other").get(2)
    return ended, saved and [run.sha256(saved / name) for name in run.TENSORS]


def _show(*words):
    """A command whose result is not compared: it shows what the damaged file says."""
    def command(lab):
        return lab.ended([*words[:1], "run", *words[1:]], folder=lab.folder), None
    return command


READERS = {"evaluate": _evaluate, "sample": _sample, "extend": _extend, "init-from": _start_from}
SHOWERS = {"inspect": _show("inspect"), "report": _show("report", "--out", "out.html"),
           "curves": _show("curves", "--out", "out.png"), "attention": _show("attention", "--out", "out.png")}


def finished_run(lab):
    """A copy of the run that the tries damage."""
    scenario = next(each for each in lab.scenarios if each.name == "new")
    shutil.copytree(scenario.done, lab.run, symlinks=True)


def answer(lab, command):
    """What the command gives on the whole run."""
    if command not in lab.answers:
        finished_run(lab)
        ended, lab.answers[command] = READERS[command](lab)
        if ended.code != 0:
            raise RuntimeError(f"{command} of a whole run: {ended.last_line()}")
        commands = lab.commands
        lab.empty()
        lab.commands = commands[:-1]
    return lab.answers[command]


def _choose_file(lab):
    """Its name for the counts, and its path."""
    if lab.random.random() < 0.85:
        name = lab.random.choice(CHECKPOINT_FILES)
        return name, run.checkpoints(lab.run)[max(run.checkpoints(lab.run))] / name
    name = lab.random.choice(RUN_FILES)
    if name == "events":
        return name, next(lab.run.glob("events.out.tfevents.*"))
    return (f"run's {name}", lab.run / name) if name not in ("latest", "best") else (name, lab.run / "checkpoints" / name)


def _flip(path, random):
    content = bytearray(path.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def _cut(path, random):
    os.truncate(path, random.randrange(path.stat().st_size))


def _lengthen(path, random):
    with open(path, "ab") as file:
        file.write(random.randbytes(random.randrange(1, 5000)))


def _blank(path, random):
    content = bytearray(path.read_bytes())
    begin = random.randrange(len(content))
    end = min(len(content), begin + random.randrange(1, 4096))
    content[begin:end] = bytes(end - begin)
    path.write_bytes(content)


def _exchange(path, random):
    """With a file of the checkpoint before."""
    others = [each / path.name for each in run.checkpoints(path.parents[2] / "run").values() if each != path.parent]
    if others and others[0].exists():
        path.write_bytes(others[0].read_bytes())
    else:
        _flip(path, random)


def _remove(path, random):
    path.unlink()


def _make_folder(path, random):
    path.unlink()
    path.mkdir()


def _make_pipe(path, random):
    path.unlink()
    os.mkfifo(path)


def _make_loop(path, random):
    path.unlink()
    path.symlink_to(path.name)


def _break_link(path, random):
    path.unlink()
    path.symlink_to(random.choice(("step-00000002", "/", path.name, "../..", "nothing")))


RARE = (_cut, _cut, _lengthen, _blank, _exchange, _remove, _make_folder, _make_pipe, _make_loop)


def run_try(lab):
    commands = READERS if lab.random.random() < 0.9 else SHOWERS
    command = lab.random.choice(list(commands))
    if commands is READERS:
        answer(lab, command)
    finished_run(lab)
    name, path = _choose_file(lab)
    how = _flip if lab.random.random() < 0.9 else lab.random.choice(RARE)
    if path.is_symlink():
        how = _break_link
    how(path, lab.random)
    lab.commands.append(f"# {how.__name__.strip('_')} {path.relative_to(lab.folder)}")
    ended, result = commands[command](lab)
    problems = ended.problems((0, 2))
    # A setting of the run's own config may be changed by hand: its checksum is nobody's.
    if ended.code == 0 and commands is READERS and name != "run's config.yaml" and result != lab.answers[command]:
        problems.append("another result, and nothing said")
    return lab.outcome("damage", f"{how.__name__.strip('_')} {name}", [f"{command}: {each}" for each in problems])
