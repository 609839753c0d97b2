"""Runs the programs of one step."""
import os
import signal
import subprocess
import time

from check_gpu.step import Failure, OutOfTime

POLL_SECONDS = 0.01
MOST_TEXT = 8 << 20  # bytes of a program's output that a step reads


class Ended:
    """The end of a program: exit code (negative: the signal), output, what cut it off (limit, time, stop or None)."""

    def __init__(self, code, text, cut_off):
        self.code, self.text, self.cut_off = code, text, cut_off

    def check(self, limit, detail="", codes=(0,)):
        """Raises Failure or OutOfTime unless the program ended by itself with one of the codes."""
        if self.cut_off == "limit":
            raise Failure(f"no end after {limit:.0f} s{detail}")
        if self.cut_off:
            raise OutOfTime
        if self.code in codes:
            return
        if self.code < 0:
            raise Failure(f"{signal_name(-self.code)}{detail}")
        raise Failure(f"exit {self.code}{detail or ': ' + last_line(self.text)}")


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:160] if lines else "no output"


class Runner:
    """Runs the programs of one step, which end when the step's limit or its part's time is over.

    Every program leads a process group of its own; the whole group is killed when the program ends or is cut off.
    `stopped` says whether a signal has stopped the session; `environment` holds variables for the programs.
    """

    def __init__(self, log, limit, part_end, stopped, environment):
        self.log, self.limit = log, limit
        self.limit_end = time.monotonic() + limit
        self.part_end, self.stopped = part_end, stopped
        self.environment = {**os.environ, **environment}

    def output_of(self, *command, codes=(0,), **options):
        """Returns the program's output, both streams. Raises Failure, OutOfTime."""
        ended = self.run(*command, **options)
        ended.check(self.limit, codes=codes)
        return ended.text

    def run(self, *command, when=None, send=signal.SIGKILL):
        """Runs the program to its end and returns Ended. Sends it the signal `send` as soon as when() is true."""
        words = [str(word) for word in command]
        with open(self.log, "ab") as log:
            log.write(("$ " + " ".join(words) + "\n").encode())
            log.flush()
            begin = log.tell()
            try:
                process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                           start_new_session=True, env=self.environment)
            except OSError as error:
                raise Failure(f"{words[0]} does not start: {error.strerror}") from error
        try:
            cut_off = self._wait(process, when, send)
        finally:
            kill_group(process)
        return Ended(process.returncode, self._text(begin), cut_off)

    def _wait(self, process, when, send):
        while process.poll() is None:
            now = time.monotonic()
            if self.stopped():
                return "stop"
            if now >= self.part_end:
                return "time"
            if now >= self.limit_end:
                return "limit"
            if when and when():
                process.send_signal(send)
                when = None
            time.sleep(POLL_SECONDS)
        return "stop" if self.stopped() else None

    def _text(self, begin):
        with open(self.log, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(begin, log.tell() - MOST_TEXT))
            return log.read().decode("utf-8", "replace")


def kill_group(process):
    """Kills the processes that are left in the program's group, and waits for the program.

    A process that hangs in the driver does not end when it is killed. After 5 s it is left as it is.
    """
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        pass
