"""Where the programs, the configs and the peers are."""
import os
import pathlib
import shutil

from check_gpu.step import Failure


class Bundle:
    """`folder` is what scripts/bundle.sh made, `programs` the folder that run.sh unpacked the programs into."""

    def __init__(self, folder, programs):
        self.folder, self.programs = pathlib.Path(folder), pathlib.Path(programs)

    @property
    def program(self):
        return self.programs / "sparse-transformer"

    @property
    def test_programs(self):
        return sorted(self.programs.glob("*_test"))

    def config(self, name):
        return self.folder / "configs" / f"{name}.yaml"

    @property
    def peers(self):
        """The folder in $PEERS, or the bundle's own, or None."""
        for folder in (os.environ.get("PEERS"), self.folder / "peers"):
            if folder and (pathlib.Path(folder) / "attn_bench.py").exists():
                return pathlib.Path(folder)
        return None


def cuda_tool(name, variable):
    """The path of a tool of CUDA: from the environment's variable, from $PATH or from the toolkit. Raises Failure."""
    path = os.environ.get(variable) or shutil.which(name) or shutil.which(name, path="/usr/local/cuda/bin")
    if not path:
        raise Failure(f"there is no {name} here")
    return path
