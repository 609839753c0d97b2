"""A signal, or two, at any call of a run; ignored signals."""
import signal

from torture import calls, run

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)


def run_try(lab):
    scenario = lab.scenario()
    scenario.prepare(lab.run)
    sent = lab.random.choice(SIGNALS)
    how = lab.random.choice(("once", "once", "twice", "ignored"))
    place = lab.random.choice(scenario.calls)
    rules = [calls.Rule("-", place.number, f"signal:{int(sent)}")]
    if how == "twice":
        rules.append(calls.Rule("-", lab.random.randrange(1, 30), f"signal:{int(lab.random.choice(SIGNALS))}"))
    before = (lambda: signal.signal(sent, signal.SIG_IGN)) if how == "ignored" else None
    ended = lab.ended(scenario.command(lab.run), rules, before=before)
    codes = {"once": (0, 128 + sent), "twice": (0, *(128 + each for each in SIGNALS)), "ignored": (0,)}[how]
    problems = ended.problems(codes, SIGNALS if how == "twice" else ())
    if how == "ignored":
        problems += run.differences(lab.run, scenario.reference)
    # A run that was stopped has saved a step of its own.
    problems += lab.finish(scenario, saves_lost=True)
    return lab.outcome("signal", f"{sent.name} {how}", problems)
