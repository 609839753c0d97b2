"""The part `peers`: PyTorch programs at the same sizes, and steps of ours that are only compared with them."""
import re
import sys

from check_gpu import benchmark
from check_gpu.step import Failure, OutOfTime, Step

PYTHON = (sys.executable, "-B")  # writes no bytecode into the folder of the peers
LAYERS = 16  # of the CIFAR model that both train
MODE = {"cifar": "bT", "imagenet64": "bT", "enwik8": "union"}  # the patterns of train_bench's models


def steps(session):
    """FlexAttention is compiled, which takes longest; so it comes last."""
    return [
        benchmark.training_step(session, "cifar10", LAYERS),
        attention(session, 3072, ["fa2", "cudnn"]),
        attention(session, 12288, ["fa2", "cudnn"]),
        benchmark.training_step(session, "enwik8"),
        training_step(session, "cifar10", "fa2", LAYERS),
        training_step(session, "cifar10", "flex", LAYERS),
        attention(session, 3072, ["flex"]),
        attention(session, 12288, ["flex"]),
    ]


def long_ones(session):
    return [
        attention(session, 65536, ["fa2", "cudnn"]),
        *(training_step(session, "cifar10", peer, LAYERS) for peer in ("cudnn", "dense-cudnn")),
        training_step(session, "enwik8", "fa2"),
        training_step(session, "imagenet64", "fa2"),
        training_step(session, "enwik8", "flex"),
        training_step(session, "imagenet64", "flex"),
        attention(session, 3072, ["dense-cudnn"], ["dense"]),
        attention(session, 12288, ["dense-cudnn"], ["dense"]),
    ]


def peer_program(session, name):
    if not session.bundle.peers:
        raise Failure("PEERS does not name a folder with attn_bench.py")
    return session.bundle.peers / name


def attention(session, n, peers, kinds=("strided", "local", "column")):
    def run(runner):
        batch = benchmark.ATTENTION[n][1]
        ended = runner.run(*PYTHON, peer_program(session, "attn_bench.py"), "--n", n, "--batch", batch,
                           "--device", session.device, "--kinds", *kinds, "--impls", *peers, "--reps", 10)
        times = attention_times(ended.text)
        if ended.cut_off == "time":
            raise OutOfTime({"times": times})  # each line is printed when it is measured
        ended.check(runner.limit)
        # attn_bench has no cudnn for local, whose window only FlashAttention-2 takes.
        if len(times) < len(peers) * len(kinds) - ("cudnn" in peers and "local" in kinds):
            raise Failure(failed_line(ended.text), {"times": times})
        return {"times": times}

    return Step(f"peers attention {n} {' '.join(peers)}", 90, run)


def attention_times(text):
    """The time of each line, forward and backward, in a CUDA graph if that is faster."""
    times = []
    for words in map(str.split, text.splitlines()):
        if len(words) >= 11 and "/" in words[3]:
            milliseconds = min(float(word) for word in words[9:11] if word != "nan")
            times.append({"what": f"attention {words[0]} {words[6]}", "who": words[7], "ms": milliseconds})
    return times


def failed_line(text):
    failed = [line.strip() for line in text.splitlines() if "failed:" in line]
    return failed[0][:160] if failed else "fewer lines than asked for"


def training_step(session, config, peer, layers=None):
    batch, model = benchmark.STEPS[config]
    what = f"step {model}" + (f" of {layers} layers" if layers else "")

    def run(runner):
        text = runner.output_of(*PYTHON, peer_program(session, "train_bench.py"), "--model", model,
                                "--mode", MODE[model], "--batch", batch, "--impl", peer, "--res16", "--cuda-graph",
                                "--device", session.device, *(["--layers", layers] if layers else []))
        milliseconds = re.search(r"([\d.]+) ms/step", text)
        if not milliseconds:
            raise Failure("no line with ms/step in the output")
        return {"times": [{"what": what, "who": peer, "ms": float(milliseconds[1])}]}

    return Step(f"peers {what} {peer}", 90, run)
