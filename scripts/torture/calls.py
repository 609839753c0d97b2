"""The calls to the system that a run makes in its folder, and the rules that make them fail."""
import dataclasses
import re

READING = ("open", "read", "map")
CHECKPOINT = re.compile(r"checkpoints/step-(\d+)$")
COMPUTING = 700  # microseconds without a call that are a step, an evaluation or a preview


@dataclasses.dataclass(frozen=True)
class Rule:
    """A line of FAIL_CALLS_RULES (tests/torture/fail_calls.cpp)."""
    kinds: str
    first: int
    action: str
    count: int = 1
    part: str = "-"

    def __str__(self):
        return f"{self.kinds} {self.part} {self.first} {self.count} {self.action}"


@dataclasses.dataclass
class Call:
    number: int        # from 1, of all
    same: int          # from 1, of its kind
    idle: int          # microseconds since the call before
    kind: str
    path: str          # below the run's folder
    detail: str        # the new name, or the beginning of what is written
    phase: str = ""
    computing: str = ""  # what was computed before it, if anything: step, evaluation, preview


def read_calls(log, root):
    """The calls of a log that the preloaded library wrote, each with its phase."""
    calls, counts = [], {}
    for line in log.read_text(errors="replace").splitlines() if log.exists() else []:
        idle, kind, path, detail = (line.split("\t") + ["", "", ""])[:4]
        counts[kind] = counts.get(kind, 0) + 1
        call = Call(len(calls) + 1, counts[kind], int(idle), kind, path.removeprefix(str(root)).lstrip("/"), detail)
        call.phase = _phase(call)
        calls.append(call)
    _mark_computing(calls)
    return calls


def _phase(call):
    name = call.path.rsplit("/", 1)[-1]
    if call.path.startswith("checkpoints"):
        if "latest" in name or "best" in name or call.kind == "symlink":
            return "links"
        if call.kind in READING:
            return "reading"
        moved_away = call.kind == "rename" and CHECKPOINT.search(call.path)
        return "pruning" if call.kind == "unlink" or moved_away else "save"
    if call.path.startswith("samples"):
        return "preview"
    if "metrics" in name or "events.out" in name:
        return "metrics"
    return "log" if name == "log.txt" else "start"


def _mark_computing(calls):
    """Names the longest pause before figures, a preview or a checkpoint by what was computed for them."""
    # The logs are opened right before the first step.
    begin = next((i for i, call in enumerate(calls) if call.kind == "create" and "events.out" in call.path), len(calls))
    for i, call in enumerate(calls[begin:], begin):
        computed = _computed_for(call)
        if not computed:
            continue
        longest = max(calls[begin:i + 1], key=lambda each: each.idle)
        if longest.idle >= COMPUTING:
            longest.computing = computed
        begin = i + 1


def _computed_for(call):
    if _is_figures(call):
        return "evaluation" if "valid_bits" in call.detail else "step"
    if call.phase == "preview" and call.kind == "write":
        return "preview"
    return "step" if _begins_save(call) else ""


def _is_figures(call):
    return call.kind == "write" and call.path.startswith("metrics")


def _begins_save(call):
    return call.phase == "save" and call.kind == "mkdir"


def first_step(calls):
    """The number of the first call after which there was training."""
    return next((call.number - 1 for call in calls if call.computing), len(calls))


def saved_steps(calls):
    """The steps of the checkpoints that got their names, in order."""
    found = (CHECKPOINT.search(call.detail) for call in calls if call.kind in ("rename", "renameat2"))
    return [int(match[1]) for match in found if match]
