"""Kills the program in each phase of a run; then the run continues to its end."""
import signal

from torture import calls, run

PHASES = ("step", "evaluation", "preview", "save", "links", "pruning", "metrics", "start", "resume")
ACTIONS = ("kill-before", "kill-middle", "kill-after")


def _rule(lab, phase, scenario):
    """A rule that kills in this phase, or None if the scenario has no such place."""
    places = scenario.calls
    if phase == "resume":
        places = scenario.begin_calls() if scenario.resumes else []
    computing = [call for call in places if call.computing == phase]
    if computing and (phase != "preview" or lab.random.random() < 0.5):
        call = lab.random.choice(computing)
        shortest = min(each.idle for each in computing)  # the machine may have been slow when the calls were noted
        return calls.Rule("-", call.number - 1, f"kill-later:{lab.random.randrange(shortest // 2)}")
    if phase != "resume":
        places = [call for call in places if call.phase == phase]
    if not places:
        return None
    kind = lab.random.choice(sorted({call.kind for call in places}))
    call = lab.random.choice([call for call in places if call.kind == kind])
    return calls.Rule("-", call.number, lab.random.choice(ACTIONS + ("power-cut",)))


def _phase_of(made, rule, scenario):
    """Where the process died: `made` are its calls."""
    last = made[-1]
    if scenario.resumes and last.number <= len(scenario.begin_calls()):
        return "resume"
    planned = scenario.calls[last.number] if last.number < len(scenario.calls) else None
    if rule.action.startswith("kill-later") and last.number == rule.first and planned and planned.computing:
        return planned.computing
    return last.phase


def _expected_newest(lab, before, made, rule):
    """The newest checkpoint that must be whole: every one that got its name, or was there before."""
    sure = made[:-1] if rule.action in ("kill-before", "power-cut") else made
    return max([before, *calls.saved_steps(sure)])


def run_try(lab):
    phase = lab.random.choice(PHASES)
    scenario, rule = lab.random.choice([(each, rule) for each in lab.scenarios if (rule := _rule(lab, phase, each))])
    lacks, links = lab.lacks()
    scenario.prepare(lab.run)
    before = run.newest_whole(lab.run, also_unnamed=False)
    ended = lab.ended(scenario.command(lab.run), [rule, *lacks])
    problems = [] if ended.signal == signal.SIGKILL else ended.problems((0,))
    made = lab.calls()
    faults = 0
    if ended.signal == signal.SIGKILL and made:
        phase, faults = _phase_of(made, rule, scenario), 1
        newest = run.newest_whole(lab.run)
        if newest < _expected_newest(lab, before, made, rule):
            problems.append(f"a whole checkpoint is lost: the newest is {newest}")
    else:
        phase = "missed"
    if lab.random.random() < 0.3:  # a second death, in resuming
        second = calls.Rule("-", lab.random.randrange(1, 120), lab.random.choice(ACTIONS))
        again = lab.ended(scenario.resume(lab.run), [second, *lacks])
        if again.signal == signal.SIGKILL:
            faults += 1
        else:
            problems += again.problems((0,))
    # A run that died with its last checkpoint saved has nothing left to do: older ones may stay.
    is_saved = run.newest_whole(lab.run) == scenario.reference.newest
    problems += lab.finish(scenario, lacks, links, saves_lost=is_saved)
    return lab.outcome("kill", phase, problems, faults)
