"""The command line."""
import argparse
import datetime
import pathlib
import shutil
import signal
import sys
import tempfile

from check_gpu import plan
from check_gpu.bundle import Bundle
from check_gpu.results import Results, read_steps
from check_gpu.session import Session, described
from check_gpu.step import PASSED
from check_gpu.table import report


def arguments(description, folder_of_bundle):
    """Parses the command line. The help is the description alone."""
    options = argparse.ArgumentParser(prog="run.sh check", description=description, usage=argparse.SUPPRESS,
                                      formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False)
    options.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
    options.add_argument("names", nargs="*", help=argparse.SUPPRESS)
    options.add_argument("--minutes", type=float, help=argparse.SUPPRESS)
    options.add_argument("--continue", dest="earlier", metavar="RESULTS", help=argparse.SUPPRESS)
    # For run.sh, and for trying out the check itself.
    options.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help=argparse.SUPPRESS)
    options.add_argument("--programs", default=folder_of_bundle / "bin", help=argparse.SUPPRESS)
    options.add_argument("--scale-of-limits", type=float, default=1.0, help=argparse.SUPPRESS)
    given = options.parse_intermixed_args()
    known = ["tests", *plan.NAMES]
    folders = [name for name in given.names if name not in known]
    if len(folders) > 1:
        options.error(f"more than one folder: {' '.join(folders)}; parts are {', '.join(known)}")
    try:
        given.steps_before = read_steps(given.earlier) if given.earlier else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        options.error(f"{given.earlier} holds no results: {described(error)}")
    given.folder = pathlib.Path(folders[0] if folders else "check").resolve()
    given.parts = plan.parts_of([name for name in given.names if name in known], given.earlier)
    if given.minutes is None:
        given.minutes = sum(part.seconds for part in given.parts) / 60
    return given


def run_check(given, bundle, work):
    """Returns the exit code."""
    logs = work / "logs"
    logs.mkdir()
    given.folder.mkdir(parents=True, exist_ok=True)
    results = Results(given.folder, logs, given.steps_before)
    results.about["date"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    session = Session(bundle, results, work, given.minutes, given.device, given.scale_of_limits)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, session.stop)
    try:
        session.run(given.parts)
    finally:
        print(report(session), flush=True)
    if session.stopped():
        return 128 + session.signal
    return int(any(outcome != PASSED for outcome in session.outcomes.values()))


def main(description, folder_of_bundle):
    given = arguments(description, folder_of_bundle)
    work = pathlib.Path(tempfile.mkdtemp(prefix="check-gpu-"))
    try:
        sys.exit(run_check(given, Bundle(folder_of_bundle, given.programs), work))
    finally:
        shutil.rmtree(work, ignore_errors=True)
