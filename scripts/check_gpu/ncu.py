"""The part `ncu`: Nsight Compute's basic figures of single kernels, at a size that fills the device."""
import csv
import re

from check_gpu import benchmark
from check_gpu.bundle import cuda_tool
from check_gpu.step import Failure, Step
from check_gpu.training import as_options

LIMIT = 40
LAUNCHES = 3
KERNELS = {  # the names of the functions in src/**/*.cu
    "union forward": "union_forward_kernel",
    "union backward": "union_backward_kernel",
    "gelu product": "gelu_product_kernel",
    "norm gradient": "norm_gradient_kernel",
    "residual": "residual_kernel",
}
METRICS = {  # ncu's name: ours
    "Duration": "duration",
    "Memory Throughput": "memory",
    "Compute (SM) Throughput": "compute",
}


def steps(session):
    tool = cuda_tool("ncu", "NCU")
    return [Step(f"ncu {name}", LIMIT, lambda runner, kernel=kernel: profile(session, runner, tool, kernel))
            for name, kernel in KERNELS.items()]


def profile(session, runner, tool, kernel):
    settings = [*benchmark.PLAIN, *benchmark.batch_of(8), "model.layers=2", "training.device=cuda",
                "model.attention.layers=[local+column]"]
    text = runner.output_of(tool, "--set", "basic", "--clock-control", "none", "--target-processes", "all", "--csv",
                            "-k", f"regex:^{kernel}$", "--launch-count", LAUNCHES,
                            session.bundle.program, "benchmark", session.bundle.config("cifar10"), "--quiet",
                            "--parts", "step", "--steps", "1", "--rounds", "1", "--seconds", "1", *as_options(settings))
    figures = figures_of(text)
    if not figures:
        raise Failure(f"no launch of {kernel} was profiled")
    return {"ncu": figures, "note": "; ".join(f"{name} {value}" for name, value in figures[-1].items())}


def figures_of(text):
    """The METRICS of each launch in the CSV that ncu prints: [{"duration": "12.3 us", …}]."""
    lines = [line for line in text.splitlines() if line.startswith('"')]
    launches = {}
    for row in csv.DictReader(lines):
        name = METRICS.get(row.get("Metric Name"))
        # Both sections of the set have a line "Memory Throughput": one in %, one in bytes a second.
        if name and (name == "duration" or row["Metric Unit"] == "%"):
            value = re.sub(r"[^\d.]", "", row["Metric Value"])
            launches.setdefault(row["ID"], {})[name] = f"{value} {row['Metric Unit']}"
    return list(launches.values())
