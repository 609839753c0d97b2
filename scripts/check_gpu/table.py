"""Formats the tables that are printed at the end of a call."""
from check_gpu.step import PASSED


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() + "\n" for row in rows)


def report(session):
    """The text at the end of a call: versions, the steps of this call, the times of this call and of earlier ones."""
    steps = {name: session.results.steps[name] for name in session.outcomes}
    rows = [["step", "s", "outcome"]]
    for name, result in steps.items():
        note = f": {result['note']}" if "note" in result else ""
        rows.append([name, f"{result.get('seconds', 0):.1f}", result["outcome"] + note])
    times = times_of(session.results)
    return "\n".join([heading(session.results.about), table(rows), *([table(times)] if times else []), totals(session)])


def heading(about):
    words = [about.get("gpu") or "no GPU", f"driver {about.get('driver', 'unknown')}",
             f"torch {about.get('torch', 'unknown')}", about.get("program", "unknown program"), about.get("date", "")]
    return "\n" + ", ".join(words)


def totals(session):
    outcomes = list(session.outcomes.values())
    counts = {"passed": outcomes.count(PASSED), "failed": sum(outcome.startswith("FAILED") for outcome in outcomes),
              "left": sum(outcome.startswith("left") for outcome in outcomes),
              "passed in an earlier call": len(session.passed_before)}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing ran"


def times_of(results):
    """One row for each time of ours on this GPU, with the fastest peer on the same GPU."""
    ours, peers = {}, {}
    for result in results.steps.values():
        if result.get("gpu") != results.about.get("gpu"):
            continue
        for timed in result.get("times", []):
            if timed["who"] == "ours":
                ours[timed["what"]] = timed
            else:
                peers.setdefault(timed["what"], {})[timed["who"]] = timed["ms"]
    rows = [row_of(what, timed, peers.get(what, {})) for what, timed in ours.items()]
    rows += [[what, "", "", "", *best_of(times), ""] for what, times in peers.items() if what not in ours]
    return [["what", "ours, ms", "of the limit", "kernel", "peer, ms", "peer", "peer/ours"], *rows] if rows else []


def row_of(what, timed, peers):
    row = [what, f"{timed['ms']:.3f}", f"{100 * timed['share_of_limit']:.0f}%", timed["kernel"]]
    if not peers:
        return [*row, "", "", ""]
    return [*row, *best_of(peers), f"{min(peers.values()) / timed['ms']:.2f}"]


def best_of(peers):
    name = min(peers, key=peers.get)
    return [f"{peers[name]:.3f}", name]
