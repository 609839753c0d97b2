"""Writes results.json and one archive of the logs into the output folder."""
import io
import json
import os
import pathlib
import tarfile

from check_gpu.step import PASSED

MOST_BYTES = 15 << 20  # of all logs together, so that the archive stays within 16 MiB even if nothing can be packed
MOST_LOG_BYTES = 256 << 10  # of one log


def write_whole(path, content):
    """Replaces the file in one step: a reader sees the old content or the new one."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    os.replace(new, path)


def read_steps(path):
    """The steps of a results.json. Raises OSError, ValueError, KeyError, TypeError, AttributeError."""
    steps = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["steps"]
    return {str(name): dict(result) for name, result in steps.items()}


class Results:
    """The outcomes of all steps so far, those of earlier calls included.

    `steps` maps a step's name to {"outcome", "seconds", "gpu", figures}; `about` says what was tested, on what, when.
    """

    def __init__(self, folder, logs, steps):
        self.folder, self.logs, self.steps = folder, logs, steps
        self.about = {}

    def passed(self, name):
        return self.steps.get(name, {}).get("outcome") == PASSED

    def save(self):
        """Writes both files."""
        text = json.dumps({"about": self.about, "steps": self.steps}, indent=1) + "\n"
        write_whole(self.folder / "results.json", text.encode())
        write_whole(self.folder / "logs.tar.gz", packed_logs(self.logs))


def packed_logs(folder):
    """Packs the logs in the folder as .tar.gz; of a long one, its beginning and its end."""
    paths = sorted(folder.glob("*.log"))
    most = min(MOST_LOG_BYTES, MOST_BYTES // max(1, len(paths)))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for path in paths:
            content = shortened(path, most)
            entry = tarfile.TarInfo(f"logs/{path.name}")
            entry.size, entry.mtime = len(content), int(path.stat().st_mtime)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def shortened(path, most):
    """Returns the file's content, or its first and last bytes if it is longer than `most`."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= most:
            return file.read(most)
        between = f"\n… {size} bytes in all …\n".encode()
        begin = file.read(most // 4)
        file.seek(-(most - len(begin) - len(between)), os.SEEK_END)
        return begin + between + file.read(most - len(begin) - len(between))
