"""One call fails, several do, or all of a kind from then on; then the run continues to its end without faults."""
import errno

from torture import calls, run

ERRORS = {
    "open": (errno.EIO, errno.EACCES, errno.EMFILE),
    "read": (errno.EIO, errno.EINTR, "short"),
    "map": (errno.EIO, errno.ENOMEM, errno.ENODEV),
    "create": (errno.EIO, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE),
    "write": (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EINTR, "short"),
    "flush": (errno.EIO, errno.ENOSPC),
    "fsync": (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EINTR),
    "truncate": (errno.EIO, errno.ENOSPC),
    "mkdir": (errno.EIO, errno.EACCES, errno.ENOSPC, errno.EDQUOT),
    "rename": (errno.EIO, errno.EACCES, errno.ENOSPC, errno.EPERM),
    "renameat2": (errno.EIO, errno.EACCES, errno.ENOSPC, errno.EINVAL, errno.ENOSYS),
    "symlink": (errno.EIO, errno.EPERM, errno.ENOTSUP, errno.ENOSPC),
    "unlink": (errno.EIO, errno.EACCES, errno.EPERM, errno.EBUSY),
    "flock": (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINTR),
}
# What must not change anything: the call is repeated, or there is another way.
HARMLESS = {("renameat2", errno.EINVAL), ("renameat2", errno.ENOSYS), ("flock", errno.ENOTSUP), ("flock", errno.ENOLCK),
            ("flock", errno.ENOSYS)}


def _is_harmless(kind, error):
    return error in ("short", errno.EINTR) or (kind, error) in HARMLESS


def _rule(lab, kind, call, error):
    count = 1
    if error not in ("short", errno.EINTR):
        count = lab.random.choice((1, 1, lab.random.randrange(2, 6), 0))
    return calls.Rule(kind, call.same, "short" if error == "short" else f"error:{error}", count)


def expected_codes(call, scenario, harmless=False):
    """What is wrong before the first step may be the user's mistake; later it is the machine's failure."""
    if harmless:
        return (0,)
    return (0, 1) if call.number > len(scenario.begin_calls()) else (0, 1, 2)


def check_end(lab, scenario, ended, codes):
    """What is wrong after the command with a fault, and after the run has gone on without."""
    problems = ended.problems(codes)
    warned = bool(ended.warnings)
    lost = {"lines_lost": warned, "saves_lost": warned or ended.code != 0}
    if ended.code == 0 and not warned and not problems:
        # Links are there for people: the program finds its checkpoints without them, and its next start points them.
        problems += [f"nothing said: {each}" for each in run.differences(lab.run, scenario.reference, links=False)]
    return problems + lab.finish(scenario, **lost)


def run_try(lab):
    scenario = lab.scenario()
    phase = lab.random.choice(sorted({call.phase for call in scenario.calls if call.kind in ERRORS}))
    places = [call for call in scenario.calls if call.phase == phase and call.kind in ERRORS]
    kind = lab.random.choice(sorted({call.kind for call in places}))
    call = lab.random.choice([call for call in places if call.kind == kind])
    error = lab.random.choice(ERRORS[kind])
    scenario.prepare(lab.run)
    ended = lab.ended(scenario.command(lab.run), [_rule(lab, kind, call, error)])
    codes = expected_codes(call, scenario, _is_harmless(kind, error))
    return lab.outcome("failing call", f"{phase}: {kind}", check_end(lab, scenario, ended, codes))
