"""What a run's folder holds, and how two of them differ."""
import hashlib
import json
import re

from torture import tfevents

TENSORS = ("model.safetensors", "average.safetensors", "optimizer.safetensors")
TIMES = ("tokens_per_second",)  # figures that no two runs share


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sha256_of_tensors(path):
    """Without the header, which has the config and so the paths of the data."""
    content = path.read_bytes()
    return hashlib.sha256(content[8 + int.from_bytes(content[:8], "little"):]).hexdigest()


def is_whole(checkpoint):
    """Whether a checkpoint's files are those that its manifest names."""
    try:
        hashes = json.loads((checkpoint / "manifest.json").read_text())["sha256"]
        return all(sha256(checkpoint / name) == hash for name, hash in hashes.items())
    except (OSError, ValueError, KeyError):
        return False


def step_of(checkpoint):
    return int(re.search(r"\d+$", checkpoint.name)[0])


def checkpoints(run):
    """The checkpoints that have their names, {step: folder}."""
    return {step_of(path): path for path in sorted((run / "checkpoints").glob("step-*")) if path.is_dir()}


def newest_whole(run, also_unnamed=True):
    """The newest step of a whole checkpoint, with its name or complete beside it; -1 without any."""
    unnamed = [path for path in (run / "checkpoints").glob(".tmp-*") if path.is_dir()] if also_unnamed else []
    found = [_state_step(path) for path in (*checkpoints(run).values(), *unnamed) if is_whole(path)]
    return max(found, default=-1)


def _state_step(checkpoint):
    return json.loads((checkpoint / "state.json").read_text())["step"]


def leftovers(run):
    return sorted(str(path.relative_to(run)) for path in run.rglob("*")
                  if path.name.startswith(".tmp-") or path.name.endswith(".tmp"))


class Contents:
    """A finished run, read once. Raises OSError and ValueError if it cannot be read."""

    def __init__(self, run):
        self.checkpoints = {step: {file.name: sha256(file) for file in sorted(path.iterdir())}
                            for step, path in checkpoints(run).items()}
        self.states = {step: json.loads((path / "state.json").read_text())
                       for step, path in checkpoints(run).items()}
        self.metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for line in self.metrics:
            for name in TIMES:
                line.pop(name, None)
        events = sorted(run.glob("events.out.tfevents.*"), key=lambda path: (path.name.split(".")[3], path.stat().st_mtime))
        self.events = {key: value for key, value in tfevents.values(events).items() if key[0] not in TIMES}
        self.cut_events = [path.name for path in events if tfevents.records(path.read_bytes())[1]]
        self.samples = {path.name: sha256(path) for path in (run / "samples").iterdir()
                        if not path.name.startswith(".tmp-")}
        links = (run / "checkpoints" / name for name in ("latest", "best"))
        self.links = {link.name: link.readlink().name for link in links if link.is_symlink()}
        self.leftovers = leftovers(run)

    @property
    def newest(self):
        return max(self.checkpoints, default=-1)


def differences(run, reference, lines_lost=False, saves_lost=False, links=True):
    """Returns the differences between a finished run and the reference, in words.

    lines_lost: the program warned that figures or previews cannot be written. saves_lost: that a checkpoint was not
    saved or not removed; the newest must be right all the same. links: the file system has symbolic links.
    """
    try:
        found = Contents(run)
    except (OSError, ValueError, KeyError, IndexError) as error:
        return [f"the run cannot be read: {error!r}"]
    return (_checkpoint_differences(found, reference, saves_lost, links) + _line_differences(found, reference, lines_lost)
            + [f"left behind: {', '.join(found.leftovers)}"] * bool(found.leftovers))


def _checkpoint_differences(found, reference, saves_lost, links):
    problems = []
    if found.newest != reference.newest:
        return [f"the newest checkpoint is step {found.newest} instead of {reference.newest}"]
    if not saves_lost and sorted(found.checkpoints) != sorted(reference.checkpoints):
        problems.append(f"checkpoints {sorted(found.checkpoints)} instead of {sorted(reference.checkpoints)}")
    for step in set(found.checkpoints) & set(reference.checkpoints):
        theirs, ours = reference.checkpoints[step], found.checkpoints[step]
        wrong = [name for name in TENSORS if theirs.get(name) != ours.get(name)]
        if wrong:
            problems.append(f"other weights at step {step}: {', '.join(wrong)}")
        if step == reference.newest and found.states[step] != reference.states[step]:
            keys = [key for key in reference.states[step] if found.states[step].get(key) != reference.states[step][key]]
            problems.append(f"another state at step {step}: {', '.join(keys)}")
    if links and found.links != reference.links:
        problems.append(f"links {found.links} instead of {reference.links}")
    return problems


def _line_differences(found, reference, lines_lost):
    problems = []
    steps = [(line["step"], "valid_bits" in line) for line in found.metrics]
    expected = [(line["step"], "valid_bits" in line) for line in reference.metrics]
    missing, more = sorted(set(expected) - set(steps)), sorted(set(steps) - set(expected))
    if len(steps) != len(set(steps)):
        problems.append("metrics.jsonl has a step twice")
    if more or (missing and not lines_lost):
        problems.append(f"metrics.jsonl lacks {missing}, has {more} besides")
    wrong = [(a, b) for a, b in zip(found.metrics, reference.metrics) if a != b]
    if len(steps) == len(expected) and wrong:
        problems.append(f"metrics.jsonl differs: {wrong[0][0]} instead of {wrong[0][1]}")
    lacking = sorted(set(reference.events.items()) - set(found.events.items()))
    if not lines_lost and lacking:
        problems.append(f"TensorBoard lacks {lacking[0][0]}")
    if set(found.events) - set(reference.events):
        problems.append(f"TensorBoard has {sorted(set(found.events) - set(reference.events))[0]} besides")
    if not lines_lost and found.samples != reference.samples:
        names = {name for name in {**found.samples, **reference.samples}
                 if found.samples.get(name) != reference.samples.get(name)}
        problems.append(f"other samples: {', '.join(sorted(names))}")
    return problems
