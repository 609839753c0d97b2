"""A step of the check, and what it raises."""
import dataclasses
from typing import Any, Callable, Optional

PASSED = "passed"
NO_TIME = "left: no time"
STOPPED = "left: stopped"


class Failure(Exception):
    """Why a step failed, in one line. `figures` are kept all the same."""

    def __init__(self, why, figures=None):
        super().__init__(why)
        self.figures = figures or {}


class OutOfTime(Exception):
    """The part's or the call's time ended before the step did. `figures` are kept all the same."""

    def __init__(self, figures=None):
        super().__init__("no time")
        self.figures = figures or {}


@dataclasses.dataclass(frozen=True)
class Step:
    """`run` gets a command.Runner and returns the step's figures, or None. The figure "note" is shown in the table."""

    name: str
    seconds: float  # a step that takes longer has failed
    run: Callable[[Any], Optional[dict]]
    every_call: bool = False  # runs again in a call that continues, even if it has passed


@dataclasses.dataclass(frozen=True)
class Part:
    """`steps` makes the part's steps when the part begins, from the session."""

    name: str
    seconds: float  # its share of the call
    steps: Callable[[Any], list]
    at_once: int = 1  # steps that run at the same time
    cut_off: bool = True  # at the end of its share; otherwise only at the end of the call
