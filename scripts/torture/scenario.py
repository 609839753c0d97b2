"""The tiny runs that faults meet, each done once without a fault."""
import dataclasses
import pathlib
import shutil

from torture import calls, run

TEXT = """data: {source: bytes, path: data.bin, sequence: 32, split: {valid: 2000, test: 401}}
model: {layers: 1, width: 16, heads: 2, dropout: 0.1, attention: {stride: 8, layers: [local+column]}}
training:
  {steps: 12, batch: 4, micro_batch: 2, learning_rate: 0.003, warmup: 2, log_every: 2, average: 0.9,
   evaluate_every: 4, sample_every: 6, sample_count: 2, checkpoint_every: 3, keep: 2, device: cpu}
"""
PICTURES = """data: {source: generated, shape: [8, 8, 3], generated: {items: 60}, split: {valid: 4, test: 4}}
model: {layers: 1, width: 16, heads: 2, attention: {stride: 24, layers: [strided]}}
training:
  {steps: 8, batch: 2, learning_rate: 0.003, warmup: 2, log_every: 2, average: 0.9,
   evaluate_every: 4, sample_every: 3, sample_count: 2, checkpoint_every: 2, keep: 1, device: cpu}
"""
OFTEN = ("training.checkpoint_every=1", "training.keep=1", "training.log_every=3", "training.steps=7")
LONG = ("training.steps=60", "training.log_every=1")
NO_LOOKS = ("training.evaluate_every=0", "training.sample_every=0", "training.keep=1", "training.steps=6")
LOOKS = ("training.evaluate_every=3", "training.sample_every=3")


def settings(values):
    return [word for value in values for word in ("--set", value)]


@dataclasses.dataclass
class Scenario:
    """A command that trains in a run's folder, which holds a copy of `template` before (None: it is not there)."""
    name: str
    arguments: list   # of `train`, without the run
    template: pathlib.Path = None
    resumes: bool = False
    done: pathlib.Path = None        # the run as it is after the command without a fault
    reference: run.Contents = None
    calls: list = None

    def command(self, folder):
        return ["train", *self.arguments, "--run", folder] + ["--resume"] * self.resumes

    def resume(self, folder):
        """Continues the run, or starts it if there is none yet."""
        return ["train", *self.arguments, "--run", folder, "--resume"]

    def prepare(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        if self.template:
            shutil.copytree(self.template, folder, symlinks=True)

    def begin_calls(self):
        """Those before the first step."""
        return self.calls[:calls.first_step(self.calls)]


def write_data(folder):
    (folder / "data.bin").write_bytes(bytes((i * i // 7 + i) % 23 + 97 for i in range(5000)))
    (folder / "text.yaml").write_text(TEXT)
    (folder / "pictures.yaml").write_text(PICTURES)


class SetupFailed(Exception):
    """The program does not even work without faults."""


def _must_work(program, arguments, folder, **options):
    ended = program.run(arguments, folder, **options)
    if ended.code != 0:
        raise SetupFailed(f"{' '.join(map(str, arguments))}: exit {ended.code}: {ended.last_line()}")
    return ended


def _do(program, folder, scenario):
    """Runs the scenario's command without a fault, and keeps what it leaves and the calls it makes."""
    scenario.done = folder / f"done-{scenario.name}"
    log = folder / f"calls-{scenario.name}"
    scenario.prepare(scenario.done)
    _must_work(program, scenario.command(scenario.done), folder, environment=program.environment(scenario.done, log=log))
    scenario.reference = run.Contents(scenario.done)
    scenario.calls = calls.read_calls(log, scenario.done)
    return scenario


def _interrupted(program, folder, done):
    """A run killed in the middle: after the second checkpoint, when later figures are written already."""
    template = folder / "interrupted"
    saves = [call for call in done.calls if calls.saved_steps([call])]
    if len(saves) < 3:
        raise SetupFailed("the reference run made fewer than three checkpoints")
    rule = calls.Rule("-", saves[2].number, "kill-before")
    program.run(done.command(template), folder, environment=program.environment(template, [rule]))
    return template


def make_scenarios(program, folder):
    """Does each once, in `folder`, where the data are too. Raises SetupFailed, OSError, ValueError."""
    write_data(folder)
    text, pictures = folder / "text.yaml", folder / "pictures.yaml"
    new = _do(program, folder, Scenario("new", [text]))
    often = _do(program, folder, Scenario("often", [text, *settings(OFTEN)]))
    long = _do(program, folder, Scenario("long", [text, *settings(LONG)]))
    drawn = _do(program, folder, Scenario("pictures", [pictures]))
    resumed = _do(program, folder, Scenario("resumed", [text], _interrupted(program, folder, new), resumes=True))
    unseen = _do(program, folder, Scenario("unseen", [text, *settings(NO_LOOKS)]))
    # A finished run that is evaluated and sampled afterwards saves its last step again.
    again = _do(program, folder, Scenario("again", [text, *settings(NO_LOOKS), *settings(LOOKS)], unseen.done, resumes=True))
    return [new, often, long, drawn, resumed, again]
