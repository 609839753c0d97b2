"""Runs the program, with calls that fail, and says what is wrong with how it ended."""
import os
import re
import signal
import subprocess

SECONDS = 120  # after that a run hangs: the longest takes one second on an idle machine

# What a library says, or a crash leaves, and the program should have put into words of its own.
RAW = re.compile(r"json\.exception|terminate called|what\(\):|Traceback|c10::|std::|filesystem error|basic_string|"
                 r"yaml-cpp|Segmentation|Assertion|stack smashing|LibTorch:|a mistake in this program|core dumped")


class Ended:
    """How a run of the program ended: `code` as a shell gives it, `signal` that killed it (or None), its streams."""

    def __init__(self, returncode, out, err, hung=False):
        self.signal = -returncode if returncode < 0 else None
        self.code = 128 - returncode if returncode < 0 else returncode
        self.out, self.err, self.hung = out, err.decode("utf-8", "replace"), hung

    def lines(self, prefix):
        return [line for line in self.err.splitlines() if line.startswith(prefix)]

    @property
    def warnings(self):
        return [line for line in self.lines("warning:") if "the layers never connect" not in line]

    def problems(self, codes, signals=(), heard=True):
        """What is wrong, in words, where it may end with these exit codes, or be killed by these signals.

        heard: its standard error was open.
        """
        if self.hung:
            return [f"no end after {SECONDS} s"]
        found = []
        if self.signal is not None and self.signal not in signals:
            found.append(f"killed by {signal.Signals(self.signal).name}: {self.last_line()}")
        elif self.signal is None and self.code not in codes:
            found.append(f"exit {self.code}: {self.last_line()}")
        errors = self.lines("error:")
        if heard and self.signal is None and len(errors) != (self.code in (1, 2)):
            found.append(f"exit {self.code} with {len(errors)} error lines: {self.last_line()}")
        raw = [line for line in self.err.splitlines() if RAW.search(line)]
        if raw:
            found.append(f"raw message: {raw[0][:200]}")
        return found

    def last_line(self):
        lines = [line for line in self.err.splitlines() if line.strip()]
        return ascii(lines[-1])[:300] if lines else "no message"


class Program:
    """The program at `path`; `preload` is the library of tests/torture/fail_calls.cpp."""

    def __init__(self, path, preload):
        self.path, self.preload = path.resolve(), preload.resolve()

    def environment(self, root=None, rules=(), log=None):
        found = {**os.environ, "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
        if root is not None:
            found |= {"LD_PRELOAD": str(self.preload), "FAIL_CALLS_ROOT": str(root),
                      "FAIL_CALLS_RULES": "\n".join(map(str, rules))}
            if log is not None:
                found["FAIL_CALLS_LOG"] = str(log)
        return found

    def start(self, arguments, folder, environment=None, before=None, **streams):
        """Starts it in the background; `before` is called in the new process."""
        def begin():
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU):
                signal.signal(each, signal.SIG_DFL)  # ignored, perhaps, where the campaign runs in the background
            if before:
                before()

        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        return subprocess.Popen([str(self.path), *map(str, arguments)], cwd=folder, preexec_fn=begin,
                                env=environment or self.environment(), **streams)

    def run(self, arguments, folder, **options):
        return wait(self.start(arguments, folder, **options))


def wait(process):
    try:
        out, err = process.communicate(timeout=SECONDS)
        return Ended(process.returncode, out or b"", err or b"")
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        return Ended(process.returncode, out or b"", err or b"", hung=True)
