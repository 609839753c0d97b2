"""Runs the steps of a call."""
import concurrent.futures
import re
import sys
import threading
import time
import traceback

from check_gpu.command import Runner
from check_gpu.step import NO_TIME, PASSED, STOPPED, Failure, OutOfTime

LEAST_SECONDS = 5  # a step does not begin if less is left
# Threads that wait by spinning stall each other when several programs share the cores.
SHARED_CORES = {"OMP_WAIT_POLICY": "passive"}


class Session:
    """One call: runs parts in order until the time is over or a signal comes.

    Each part has a share of the call. The shares are scaled so that together they fill the call. The parts after one
    that does not use all its time share the rest. Steps that were cut off or did not begin run at the end if time is
    left.

    `tests` maps a test program to its suites (gtest.Suite), which the part `device` finds; `work` is a folder for runs;
    `device` is the one that the program trains on, cuda or cpu.
    """

    def __init__(self, bundle, results, work, minutes, device="cuda", scale_of_limits=1.0):
        self.bundle, self.results, self.work, self.device = bundle, results, work, device
        self.end = time.monotonic() + 60 * minutes
        self.scale_of_limits = scale_of_limits
        self.tests = {}
        self.outcomes = {}  # of the steps of this call, by name
        self.passed_before = []  # names of steps that this call leaves out
        self.has_gpu = True
        self.signal = None
        self._lock = threading.Lock()

    def stop(self, number, _frame=None):
        """Handles a signal: runners kill the programs that run, and no further step begins."""
        self.signal = number

    def stopped(self):
        return self.signal is not None

    def run(self, parts):
        left = []
        for i, part in enumerate(parts):
            now = time.monotonic()
            share = part.seconds / sum(later.seconds for later in parts[i:])
            left += self._run_part(part, now + (self.end - now) * share if part.cut_off else self.end)
        if left and self.has_gpu and not self.stopped() and self._seconds_left(self.end):
            self._run_steps(left, 1, self.end)

    def _seconds_left(self, end):
        """Whether a step may begin."""
        return time.monotonic() + LEAST_SECONDS * self.scale_of_limits <= end

    def _run_part(self, part, end):
        """Returns the steps that were left."""
        if not self.has_gpu:
            self._note(part.name, {"outcome": "left: no GPU"})
            return []
        try:
            steps = part.steps(self)
        except Exception as error:  # pylint: disable=broad-except
            why = error if isinstance(error, Failure) else described(error)
            self._note(part.name, {"outcome": f"FAILED: {why}"})
            return []
        new = [step for step in steps if step.every_call or not self.results.passed(step.name)]
        self.passed_before += [step.name for step in steps if step not in new]
        self._run_steps(new, part.at_once, end)
        return [step for step in new if self.outcomes.get(step.name) == NO_TIME]

    def _run_steps(self, steps, at_once, end):
        environment = SHARED_CORES if at_once > 1 else {}
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            for future in [pool.submit(self._run_step, step, end, environment) for step in steps]:
                future.result()

    def _run_step(self, step, end, environment):
        begin = time.monotonic()
        figures = {}
        if self.stopped():
            outcome = STOPPED
        elif not self._seconds_left(end):
            outcome = NO_TIME
        else:
            outcome, figures = self._outcome_of(step, end, environment)
        seconds = round(time.monotonic() - begin, 2)
        self._note(step.name, {"outcome": outcome, "seconds": seconds, **figures})

    def _outcome_of(self, step, end, environment):
        log = self.results.logs / (re.sub(r"[^\w.-]+", "-", step.name) + ".log")
        runner = Runner(log, step.seconds * self.scale_of_limits, end, self.stopped, environment)
        try:
            return PASSED, step.run(runner) or {}
        except Failure as failure:
            return f"FAILED: {failure}", failure.figures
        except OutOfTime as cut_off:
            return STOPPED if self.stopped() else NO_TIME, cut_off.figures
        except Exception as error:  # pylint: disable=broad-except
            with open(log, "a", encoding="utf-8") as file:
                traceback.print_exc(file=file)
            return f"FAILED: {described(error)}", {}

    def _note(self, name, result):
        """Prints the outcome of a step, and saves it."""
        with self._lock:
            result["gpu"] = self.results.about.get("gpu")
            self.outcomes[name] = result["outcome"]
            self.results.steps[name] = result
            note = f"  {result['note']}" if "note" in result else ""
            print(f"{result.get('seconds', 0):6.1f} s  {name}: {result['outcome']}{note}", flush=True)
            try:
                self.results.save()
            except OSError as error:
                print(f"the results cannot be written: {error}", file=sys.stderr, flush=True)


def described(error):
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:200]
