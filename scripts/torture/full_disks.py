"""The disk is full after a number of bytes, for good or for a while, or files may not be larger than a size."""
import resource

from torture import calls
from torture.failing_calls import check_end


def run_try(lab):
    scenario = lab.scenario()
    scenario.prepare(lab.run)
    how = lab.random.choice(("full", "full for a while", "files limited"))
    rules, before = [], None
    writes = [call for call in scenario.calls if call.kind == "write"]
    if how == "files limited":
        size = lab.random.choice((100, 1000, 2000, 5000, 20000, 50000))

        def before():
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    else:
        count = 0 if how == "full" else lab.random.randrange(1, 40)
        first = lab.random.randrange(1, len(writes) + 1)
        rules = [calls.Rule("write", first, f"full:{lab.random.randrange(3000)}", count)]
    ended = lab.ended(scenario.command(lab.run), rules, before=before)
    return lab.outcome("full disk", how, check_end(lab, scenario, ended, (0, 1)))
