"""Steps that measure the speed of our program, for the parts `benchmark`, `peers` and `rest`."""
from check_gpu.step import Failure, Step
from check_gpu.training import as_options, json_in

BOUND = 10  # seconds in which the program begins further rounds
LIMIT = 60  # including the start, the choice of kernels and the first round
# As in the peers' models: no recomputation, no dropout, one micro-batch.
PLAIN = ["training.precision=bf16", "training.recompute=none", "model.dropout=0"]
ATTENTION = {  # n, as in the peers' attn_bench: our config, sequences, stride
    3072: ("cifar10", 32, 96),
    12288: ("enwik8", 8, 128),
    65536: ("enwik8", 1, 256),
}
PEERS_KIND = {"local": "local", "column": "column", "local+column": "strided", "dense": "dense"}
STEPS = {  # our config: sequences, the peers' model
    "cifar10": (8, "cifar"),
    "enwik8": (4, "enwik8"),
    "imagenet64": (2, "imagenet64"),
}


def steps(session):
    return [
        attention(session, 3072),
        attention(session, 12288),
        training_step(session, "cifar10"),
        training_step(session, "imagenet64"),
        sampling(session),
    ]


def long_ones(session):
    """Dense attention over 1,048,576 tokens is not measured: the program leaves out what takes longer than BOUND."""
    return [attention(session, 65536), step_over_a_million(session)]


def measure(session, runner, config, part, settings, *arguments):
    """Runs the program's benchmark and returns what it prints as JSON."""
    device = f"training.device={session.device}"
    text = runner.output_of(session.bundle.program, "benchmark", session.bundle.config(config), "--json", "--quiet",
                            "--parts", part, "--seconds", BOUND, *as_options([device, *settings]), *arguments)
    return json_in(text)


def time_of(what, timed, key):
    return {"what": what, "who": "ours", "ms": timed[key], "share_of_limit": timed["share_of_limit"],
            "kernel": timed.get("kernel", "")}


def batch_of(sequences):
    return [f"training.batch={sequences}", f"training.micro_batch={sequences}"]


def attention(session, n):
    config, batch, stride = ATTENTION[n]
    settings = [*PLAIN, *batch_of(batch), "model.layers=3", f"model.attention.stride={stride}",
                "model.attention.layers=[local, column, local+column]"]
    if config == "enwik8":
        settings.append(f"data.sequence={n}")

    def run(runner):
        measured = measure(session, runner, config, "attention", settings)
        times = [time_of(f"attention {n} {PEERS_KIND[timed['pattern']]}", timed, "ms")
                 for timed in measured["attention"]]
        return figures_of(measured, times)

    return Step(f"benchmark attention {n}", LIMIT, run)


def training_step(session, config, layers=None):
    """`layers`: how many layers the model has; left out: as many as in the config."""
    batch, peer = STEPS[config]
    what = f"step {peer}" + (f" of {layers} layers" if layers else "")
    settings = [*PLAIN, *batch_of(batch), *([f"model.layers={layers}"] if layers else [])]

    def run(runner):
        measured = measure(session, runner, config, "step", settings)
        times = [time_of(what + (" dense" if timed["pattern"] == "dense" else ""), timed, "ms_per_step")
                 for timed in measured["models"]]
        return figures_of(measured, times)

    return Step(f"benchmark {what}", LIMIT, run)


def sampling(session):
    def run(runner):
        measured = measure(session, runner, "cifar10", "sampling", PLAIN, "--batch", "64")
        times = [time_of(f"sampling cifar, a token of {timed['sequences']}", timed, "ms_per_token")
                 for timed in measured["sampling"]]
        return figures_of(measured, times)

    return Step("benchmark sampling cifar", LIMIT, run)


def step_over_a_million(session):
    def run(runner):
        measured = measure(session, runner, "music-1048576", "step", ["training.precision=bf16"])
        times = [time_of("step of 1,048,576 tokens", timed, "ms_per_step") for timed in measured["models"]]
        return figures_of(measured, times)

    return Step("benchmark step 1048576", LIMIT, run)


def figures_of(measured, times):
    """Returns a step's figures. Raises Failure if the program timed nothing."""
    if not times:
        raise Failure("nothing was timed: " + "; ".join(measured.get("left_out", [])))
    return {"times": times, "measured": measured}
