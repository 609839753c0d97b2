"""Draws tries from a seed, runs them in one worker a core, counts them, prints what failed."""
import collections
import multiprocessing
import os
import pathlib
import queue
import shutil
import tempfile
import time
import traceback

from torture import (changed_data, damage, descriptors, failing_calls, full_disks, hostile_states, kills, lab, pairs,
                     scenario, signals)

# Each kind with its share of the tries: those of an hour on two cores.
KINDS = {
    "damage": (damage.run_try, 10500),
    "failing call": (failing_calls.run_try, 2200),
    "kill": (kills.run_try, 1150),
    "hostile state": (hostile_states.run_try, 500),
    "signal": (signals.run_try, 300),
    "full disk": (full_disks.run_try, 300),
    "pair": (pairs.run_try, 150),
    "changed data": (changed_data.run_try, 100),
    "descriptors": (descriptors.run_try, 100),
}
SHOWN = 20  # failures of one description
MINUTE = 60


def do_try(place, seed, number):
    """The try with this number. The first ones are one of each kind."""
    place.begin(f"{seed}.{number}")
    names, shares = list(KINDS), [share for _, share in KINDS.values()]
    kind = names[number] if number < len(names) else place.random.choices(names, shares)[0]
    try:
        return KINDS[kind][0](place)
    except Exception:  # a mistake here, or a run in a state that nobody thought of: told as a failure
        return place.outcome(kind, "not done", [traceback.format_exc(limit=-3).replace("\n", " | ")])


def _work(place, seed, numbers, results, end):
    while time.monotonic() < end:
        with numbers.get_lock():
            number, numbers.value = numbers.value, numbers.value + 1
        results.put((number, do_try(place, seed, number)))


class Counts:
    """What came of the tries."""

    def __init__(self, seed):
        self.seed = seed
        self.phases = {kind: collections.Counter() for kind in KINDS}
        self.faults, self.tries, self.failed = collections.Counter(), collections.Counter(), collections.Counter()

    def add(self, number, outcome):
        self.tries[outcome.kind] += 1
        self.faults[outcome.kind] += outcome.faults
        self.phases[outcome.kind][outcome.phase] += 1
        if outcome.problems:
            self.failed[outcome.kind] += 1
            self._tell(number, outcome)

    def _tell(self, number, outcome):
        print(f"FAILED {outcome.kind}, {outcome.phase}; again: scripts/torture.sh --try {self.seed}.{number}", flush=True)
        for problem in outcome.problems:
            print(f"    {problem[:500]}", flush=True)

    def table(self):
        lines = [f"{'kind':<14}{'tries':>8}{'faults':>8}{'failed':>8}  by phase"]
        for kind, phases in self.phases.items():
            by_phase = ", ".join(f"{phase} {count}" for phase, count in sorted(phases.items()))
            lines.append(f"{kind:<14}{self.tries[kind]:>8}{self.faults[kind]:>8}{self.failed[kind]:>8}  {by_phase}")
        lines.append(f"{'all':<14}{self.tries.total():>8}{self.faults.total():>8}{self.failed.total():>8}")
        return "\n".join(lines)


def run_campaign(program, minutes, seed):
    """Returns whether no try failed."""
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        folder = pathlib.Path(name)
        places = _places(program, folder, os.cpu_count())
        end = time.monotonic() + minutes * MINUTE
        numbers, results = multiprocessing.Value("q", 0), multiprocessing.Queue()
        workers = [multiprocessing.Process(target=_work, args=(place, seed, numbers, results, end), daemon=True)
                   for place in places]
        for worker in workers:
            worker.start()
        counts = Counts(seed)
        while any(worker.is_alive() for worker in workers) or not results.empty():
            try:
                counts.add(*results.get(timeout=0.2))
            except queue.Empty:
                pass
        for worker in workers:
            worker.join()
    print(counts.table())
    print(f"seed {seed}, {minutes:g} minutes, {len(workers)} workers")
    return not counts.failed


def repeat(program, seed, number):
    """One try again. Prints its commands and keeps its folder if it fails; returns whether it passed."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="torture-"))
    outcome = do_try(_places(program, folder, 1)[0], seed, number)
    print(f"{outcome.kind}, {outcome.phase}, in {folder}")
    for command in outcome.commands:
        print(f"    {command}")
    for problem in outcome.problems:
        print(f"FAILED {problem}")
    if not outcome.problems:
        shutil.rmtree(folder)
        print("passed")
    return not outcome.problems


def _places(program, folder, count):
    shared = folder / "shared"
    shared.mkdir()
    scenarios = scenario.make_scenarios(program, shared)
    return [lab.Lab(program, scenarios, folder / f"worker-{i}", shared) for i in range(count)]
