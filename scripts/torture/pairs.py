"""Two processes on one run."""
import time

from torture import program, run

TRAINERS = ("new + new", "new + resume", "resume + resume")
READERS = {"evaluate": ("--json",), "sample": ("--out", "-"), "report": ("--out", "out.html"), "curves": ("--out", "out.png"),
           "inspect": ()}


def _both(lab, first, second):
    one = lab.start(first, folder=lab.folder)
    time.sleep(lab.random.choice((0, lab.random.random() * 0.3)))
    other = lab.start(second, folder=lab.folder)
    return (one, program.wait(one)), (other, program.wait(other))


def _two_trainers(lab, which, scenario):
    commands = {"new": scenario.command(lab.run), "resume": scenario.resume(lab.run)}
    ends = _both(lab, *(commands[word] for word in which.split(" + ")))
    problems = []
    for (_, ended), (other, _) in (ends, ends[::-1]):
        problems += ended.problems((0, 2))
        if ended.code == 2 and str(other.pid) not in ended.err and "holds a run" not in ended.err:
            problems.append(f"the second is refused without the first's process: {ended.last_line()}")
    if all(ended.code == 2 for _, ended in ends):
        problems.append("neither trains")
    return problems + run.differences(lab.run, scenario.reference)


def _trainer_and_reader(lab, reader, scenario):
    arguments = [reader, "run", *READERS[reader]]
    (_, trained), (_, read) = _both(lab, scenario.resume(lab.run), arguments)
    return trained.problems((0,)) + [f"{reader}: {each}" for each in read.problems((0,))]


def run_try(lab):
    if lab.random.random() < 0.6:
        which = lab.random.choice(TRAINERS)
        scenario = lab.scenario("resumed") if which == "resume + resume" else lab.scenario("long")
        scenario.prepare(lab.run)
        problems = _two_trainers(lab, which, scenario)
    else:
        reader = lab.random.choice(list(READERS))
        which, scenario = f"train + {reader}", lab.scenario("resumed")
        scenario.prepare(lab.run)
        problems = _trainer_and_reader(lab, reader, scenario)
    return lab.outcome("pair", which, problems + lab.finish(scenario))
