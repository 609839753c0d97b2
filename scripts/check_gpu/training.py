"""The part `training`: runs of the program on the device."""
import json
import shutil
import signal
import time

from check_gpu.step import Failure, Step

# Generated pictures. The CUDA kernels support these head widths.
SMALL = """
data: {source: generated, shape: [16, 16, 1], generated: {kind: pictures, items: 200}}
model: {layers: 2, width: 64, heads: 2, dropout: 0.1, attention: {stride: 16, layers: [local+column, local]}}
training: {steps: 12, batch: 4, learning_rate: 0.003, warmup: 2, schedule: constant, log_every: 2, evaluate_every: 0,
           sample_every: 0, checkpoint_every: 12}
"""
PICTURES = """
data: {source: generated, shape: [16, 16, 1], generated: {kind: pictures}}
model: {layers: 2, width: 64, heads: 2, attention: {stride: 16, layers: [local+column]}, initialisation: {weight: 1.0}}
training: {steps: 100000, batch: 32, learning_rate: 0.004, beta2: 0.95, warmup: 30, schedule: constant, average: 0.98,
           precision: bf16, log_every: 20, evaluate_every: 0, sample_every: 0}
"""
SOUND = """
data: {source: generated, sequence: 4096, generated: {kind: tunes}}
model: {layers: 4, width: 128, heads: 4, feedforward_ratio: 2, attention: {stride: 64, layers: [strided]}}
training: {steps: 100000, batch: 8, learning_rate: 0.001, warmup: 100, schedule: constant, average: 0.98,
           precision: bf16, log_every: 20, evaluate_every: 0, sample_every: 0}
"""
SECONDS_OF_TRAINING = 15  # of pictures and of sound
TOLERANCE = {"fp32": 1e-3, "bf16": 3e-2}  # bits, of losses on the two devices
RESUMED = {"steps": 1200, "checkpoint_every": 300, "killed": 400}


def steps(session):
    program = Program(session)
    return [
        *(Step(f"training losses {precision}", 60,
               lambda runner, precision=precision: compare_losses(program, runner, precision))
          for precision in TOLERANCE),
        Step("training resume bf16", 75, lambda runner: resume(program, runner)),
        Step("training pictures", 60,
             lambda runner: train_and_sample(program, runner, PICTURES, "pictures.png", 36)),
        Step("training sound", 60, lambda runner: train_and_sample(program, runner, SOUND, "sound.wav", 1)),
    ]


class Program:
    """The program's commands, with runs in the session's work folder."""

    def __init__(self, session):
        self.path, self.device, self.work = session.bundle.program, session.device, session.work
        self.out = session.results.folder
        self.scale_of_limits = session.scale_of_limits

    def new_run(self, name):
        run = self.work / "runs" / name
        shutil.rmtree(run, ignore_errors=True)
        return run

    def train(self, runner, name, config, *settings):
        """Trains to the end and returns the run's folder."""
        run = self.new_run(name)
        runner.output_of(self.path, "train", self.config(name, config), "--run", run, *as_options(settings))
        return run

    def config(self, name, text):
        path = self.work / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def bits(self, runner, run, device):
        """Bits a byte of the run's test split."""
        text = runner.output_of(self.path, "evaluate", run, "--json", *as_options([f"training.device={device}"]))
        return json_in(text)["bits"]

    def sample(self, runner, checkpoint, out, count):
        runner.output_of(self.path, "sample", checkpoint, "--count", count, "--out", out, "--overwrite",
                         *as_options([f"training.device={self.device}"]))


def as_options(settings):
    return [word for setting in settings for word in ("--set", setting)]


def json_in(text):
    """The JSON object in a program's output, a line among those of its log."""
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        raise Failure("no JSON object in the output")
    try:
        return json.loads(lines[-1])
    except ValueError as error:
        raise Failure(f"no whole JSON object in the output: {error}") from error


def metrics_of(run):
    try:
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines[:-1]]  # after the last newline there may be half a line


def losses_of(run):
    return [line["train_bits"] for line in metrics_of(run) if "train_bits" in line]


def compare_losses(program, runner, precision):
    """Trains and evaluates on both devices. All figures must be those of the CPU in float32, within TOLERANCE."""
    tolerance = TOLERANCE[precision]
    cpu = program.train(runner, f"cpu-{precision}", SMALL, "training.device=cpu")
    run = program.train(runner, precision, SMALL, f"training.device={program.device}",
                        f"training.precision={precision}")
    losses, expected = losses_of(run), losses_of(cpu)
    if not expected or len(losses) != len(expected):
        raise Failure(f"{len(losses)} losses, {len(expected)} on the CPU")
    apart = max(abs(a - b) for a, b in zip(losses, expected))
    if not apart <= tolerance:
        raise Failure(f"losses differ from the CPU's by up to {apart:.2g} bits")
    bits = [program.bits(runner, run, device) for device in (program.device, "cpu")]
    if not abs(bits[0] - bits[1]) <= tolerance:
        raise Failure(f"evaluation: {bits[0]:.4f} bits, on the CPU {bits[1]:.4f}")
    return {"note": f"as on the CPU within {apart:.1g} bits; evaluation {bits[0]:.3f} bits"}


def resume(program, runner):
    """A run that is killed and resumed must end with the tensors of the run that was not killed.

    Both go on from the same checkpoint: it records which kernels the run chose by timing, and another run may choose
    others.
    """
    total, every = RESUMED["steps"], RESUMED["checkpoint_every"]
    whole = program.train(runner, "whole", SMALL, f"training.device={program.device}", "training.precision=bf16",
                          f"training.steps={total}", f"training.checkpoint_every={every}", "training.keep=10",
                          "training.log_every=10")
    resumed = copy_until(whole, program.new_run("resumed"), every)
    command = [program.path, "train", "--run", resumed, "--resume"]

    def has_passed():
        lines = metrics_of(resumed)
        return bool(lines) and lines[-1]["step"] >= RESUMED["killed"]

    ended = runner.run(*command, when=has_passed, send=signal.SIGKILL)
    if ended.code != -signal.SIGKILL or ended.cut_off:
        ended.check(runner.limit)
        raise Failure("it ended before it was killed")
    reached = metrics_of(resumed)[-1]["step"]
    runner.output_of(*command)
    compare_tensors(whole, resumed, total)
    return {"note": f"killed after step {reached} of {total}, resumed bit for bit"}


def copy_until(whole, run, step):
    """Copies the run as it was at the checkpoint of that step."""
    name = f"step-{step:08d}"
    shutil.copytree(whole, run, ignore=shutil.ignore_patterns("checkpoints", "events.out.*"))
    shutil.copytree(whole / "checkpoints" / name, run / "checkpoints" / name)
    (run / "checkpoints" / "latest").symlink_to(name)
    metrics = [line for line in metrics_of(whole) if line["step"] <= step]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics), encoding="utf-8")
    return run


def compare_tensors(run, other, step):
    ends = [folder / "checkpoints" / f"step-{step:08d}" for folder in (run, other)]
    chosen = [json.loads((end / "state.json").read_text(encoding="utf-8")).get("kernels") for end in ends]
    if chosen[0] != chosen[1]:
        raise Failure(f"the runs use other kernels: {chosen[0]}, {chosen[1]}")
    for name in ("model", "average", "optimizer"):
        one, two = (tensors_of(end / f"{name}.safetensors") for end in ends)
        if one != two:
            raise Failure(f"{name} of the resumed run is not that of the whole run")


def tensors_of(path):
    """The tensors of a safetensors file, without its header."""
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little"):]


def train_and_sample(program, runner, config, name, count):
    """Trains until it is interrupted as by Ctrl-C, then samples into the output folder."""
    run = program.new_run(name)
    end = time.monotonic() + SECONDS_OF_TRAINING * program.scale_of_limits
    runner.output_of(program.path, "train", program.config(name, config), "--run", run,
                     *as_options([f"training.device={program.device}"]),
                     when=lambda: time.monotonic() > end and len(losses_of(run)) > 1, send=signal.SIGINT,
                     codes=(0, 130))
    losses = losses_of(run)
    if not losses[-1] < losses[0]:
        raise Failure(f"nothing was learnt: {losses[0]:.3f}, then {losses[-1]:.3f} bits")
    program.sample(runner, run / "checkpoints" / "latest", program.out / name, count)
    return {"note": f"{name} after {metrics_of(run)[-1]['step']} steps, {losses[0]:.2f} to {losses[-1]:.2f} bits"}
