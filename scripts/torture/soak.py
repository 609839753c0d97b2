"""One long tiny run whose memory, descriptors and temporary files must stay flat."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from torture import run, scenario

LONG = ("training.steps=1000000000", "training.warmup=100", "training.log_every=50", "training.evaluate_every=500",
        "training.sample_every=500", "training.checkpoint_every=50")
ROWS = 60           # samples over the whole time
MOST_GROWTH = 0.02  # of the memory, from the second quarter to the last


def _sample(process, folder, begin):
    """Seconds, memory in KiB, descriptors, threads, temporary files, the newest step."""
    proc = pathlib.Path(f"/proc/{process.pid}")
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    temporary = [path for path in (folder / "tmp").iterdir()] + [
        path for path in run.leftovers(folder / "run") if "step-" not in path]  # a save that is under way has one
    return (time.monotonic() - begin, int(status["VmRSS"].split()[0]), len(os.listdir(proc / "fd")),
            int(status["Threads"]), len(temporary), max(run.checkpoints(folder / "run"), default=0))


def _samples(process, folder, seconds):
    begin, rows = time.monotonic(), []
    while time.monotonic() - begin < seconds and process.poll() is None:
        time.sleep(seconds / ROWS)
        try:
            rows.append(_sample(process, folder, begin))
        except (OSError, KeyError):  # it ended, or a file went away while it was looked at
            pass
    return rows


def _problems(rows, returncode):
    quarter = len(rows) // 4
    if quarter == 0:
        return ["too short: no figures"]
    early, late = rows[quarter:2 * quarter], rows[-quarter:]

    def most(part, column):
        return max(row[column] for row in part)
    problems = []
    if most(late, 1) > most(early, 1) * (1 + MOST_GROWTH):
        problems.append(f"the memory grows: {most(early, 1)} KiB in the second quarter, {most(late, 1)} KiB in the last")
    for column, name in ((2, "descriptors"), (3, "threads")):
        if min(row[column] for row in late) > most(early, column):
            problems.append(f"more {name}: {most(early, column)} in the second quarter, {most(late, column)} in the last")
    if min(row[4] for row in late) > 0:
        problems.append(f"{most(late, 4)} temporary files")
    if returncode != 128 + signal.SIGTERM:
        problems.append(f"exit {returncode} after SIGTERM")
    return problems


def run_soak(program, minutes):
    """Returns whether all stayed flat."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = pathlib.Path(name)
        (folder / "tmp").mkdir()
        scenario.write_data(folder)
        environment = program.environment() | {"TMPDIR": str(folder / "tmp")}
        process = program.start(["train", "text.yaml", "--run", "run", *scenario.settings(LONG)], folder, environment,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            rows = _samples(process, folder, 60 * minutes)
            process.terminate()
            problems = _problems(rows, process.wait(60))
        finally:
            process.kill()
        problems += [f"left behind: {path}" for path in run.leftovers(folder / "run")]
    print(f"{'seconds':>8}{'memory, KiB':>14}{'descriptors':>13}{'threads':>9}{'temporary files':>17}{'checkpoint':>12}")
    for seconds, memory, descriptors, threads, temporary, step in rows[::max(1, len(rows) // 20)]:
        print(f"{seconds:8.0f}{memory:14,}{descriptors:13}{threads:9}{temporary:17}{step:12,}")
    for problem in problems:
        print(f"FAILED {problem}")
    if not problems:
        print("flat")
    return not problems
