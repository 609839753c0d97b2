"""What one try has, and the checks at its end."""
import dataclasses
import random
import shlex
import shutil

from torture import calls, program, run

# How a file system may lack something: the rule, and whether it still has symbolic links.
LACKS = {
    "no exchange": (calls.Rule("renameat2", 1, "error:22", count=0), True),
    "no links": (calls.Rule("symlink", 1, "error:1", count=0), False),
    "no locks": (calls.Rule("flock", 1, "error:95", count=0), True),
}
WITHOUT_FAULTS = (0,)


@dataclasses.dataclass
class Outcome:
    """What came of a try: which phase was hit, what is wrong, the commands that were run; `faults`: how many."""
    kind: str
    phase: str
    problems: list
    commands: list
    faults: int = 1


class Lab:
    """For one try at a time: the program, the scenarios, an empty folder, random numbers of its own."""

    def __init__(self, program, scenarios, folder, shared):
        self.program, self.scenarios, self.folder, self.shared = program, scenarios, folder, shared
        self.run = folder / "run"
        self.log = folder / "calls"
        self.answers = {}  # what commands give on a whole run
        self.random = random.Random()
        self.commands, self.before = [], None

    def begin(self, seed):
        self.random = random.Random(seed)
        self.commands, self.before = [], None
        self.empty()

    def empty(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def scenario(self, *names):
        return self.random.choice([each for each in self.scenarios if not names or each.name in names])

    def lacks(self):
        """At random, what the file system lacks: rules, and whether it has symbolic links."""
        if self.random.random() < 0.75:
            return [], True
        rule, links = self.random.choice(list(LACKS.values()))
        return [rule], links

    def start(self, arguments, rules=(), folder=None, **options):
        words = ["sparse-transformer", *map(str, arguments)]
        self.commands.append(" ".join(map(shlex.quote, words)) + "".join(f"  [{rule}]" for rule in rules))
        environment = self.program.environment(self.run, rules, self.log) if rules else None
        return self.program.start(arguments, folder or self.shared, environment, **({"before": self.before} | options))

    def ended(self, arguments, rules=(), **options):
        self.log.unlink(missing_ok=True)
        return program.wait(self.start(arguments, rules, **options))

    def calls(self):
        """Those of the last command with rules."""
        return calls.read_calls(self.log, self.run)

    def finish(self, scenario, rules=(), links=True, **lost):
        """Continues the run without faults, and returns its differences from a run that met none."""
        ended = self.ended(scenario.resume(self.run), rules)
        problems = [f"resume: {problem}" for problem in ended.problems(WITHOUT_FAULTS)]
        if problems:
            return problems
        if not links:
            lost["saves_lost"] = True  # what is kept depends on the links
        return run.differences(self.run, scenario.reference, links=links, **lost)

    def outcome(self, kind, phase, problems, faults=1):
        return Outcome(kind, phase, problems, self.commands, faults)
