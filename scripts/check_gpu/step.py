"""A step of the check, and what it raises."""
import dataclasses
from typing import Any, Callable, Optional

PASSED = "passed"
NO_TIME = "left: no time"
STOPPED = "left: stopped"


class Failure(Exception):
    """A step failed. The message is one line; `figures` are saved with the outcome."""

    def __init__(self, why, figures=None):
        super().__init__(why)
        self.figures = figures or {}


class OutOfTime(Exception):
    """The time of the part or of the call ended before the step did. `figures` are saved with the outcome."""

    def __init__(self, figures=None):
        super().__init__("no time")
        self.figures = figures or {}


@dataclasses.dataclass(frozen=True)
class Step:
    """`run` gets a command.Runner and returns the step's figures, or None. The figure "note" is shown in the table."""

    name: str
    seconds: float  # a step that takes longer fails
    run: Callable[[Any], Optional[dict]]
    every_call: bool = False  # runs in every call, even if it passed in an earlier one


@dataclasses.dataclass(frozen=True)
class Part:
    """`steps` makes the part's steps when the part begins, from the session."""

    name: str
    seconds: float  # its share of the call
    steps: Callable[[Any], list]
    at_once: int = 1  # how many steps run at the same time
    cut_off: bool = True  # its steps end with its share; otherwise with the call
