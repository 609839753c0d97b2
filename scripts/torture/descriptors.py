"""Standard streams that are closed, or lead nowhere."""
import os

from torture import damage, run


def _close(numbers):
    def close():
        for number in numbers:
            os.close(number)
    return close


def _train(lab, numbers):
    scenario = lab.scenario("new", "pictures", "resumed")
    scenario.prepare(lab.run)
    ended = lab.ended(scenario.command(lab.run), before=_close(numbers))
    return ended.problems((0,), heard=2 not in numbers) + run.differences(lab.run, scenario.reference)


def _pack(lab):
    return lab.ended(["prepare", lab.shared / "pictures.yaml", "--out", "packed"], folder=lab.folder, before=lab.before)


def _prepare(lab, numbers):
    packed = lab.folder / "packed"
    if "packed" not in lab.answers:
        _pack(lab)
        lab.answers["packed"] = packed.read_bytes()
        packed.unlink()
    lab.before = _close(numbers)
    # What it packed is told on standard output; where that is closed, the file is whole all the same.
    problems = _pack(lab).problems((0, 1) if 1 in numbers else (0,), heard=2 not in numbers)
    if packed.read_bytes() != lab.answers["packed"]:
        problems.append("other bytes are packed")
    return problems


def _full(lab, numbers):
    """The result cannot be written: the disk is full."""
    damage.finished_run(lab)
    with open("/dev/full", "wb") as full:
        return lab.ended(["evaluate", "run", "--json"], folder=lab.folder, stdout=full).problems((1,))


def run_try(lab):
    numbers = [number for number in (0, 1, 2) if lab.random.random() < 0.5] or [2]
    how = lab.random.choice((_train, _prepare, _full))
    name = "full" if how is _full else f"{how.__name__.strip('_')}, {' '.join(map(str, numbers))} closed"
    return lab.outcome("descriptors", name, how(lab, numbers))
