"""The parts of the check in their order, each with its share of the time."""
from check_gpu import benchmark, device, ncu, peers, sanitizer, suites, training
from check_gpu.step import Part

DEVICE = Part("device", 15, device.steps, at_once=8, cut_off=False)
# The first call, 4 minutes with DEVICE: is everything right?
TESTS = [
    Part("canaries", 60, suites.canaries, at_once=4),
    Part("suites", 90, suites.other_tests, at_once=4),
    Part("training", 75, training.steps, at_once=3),
]
# The second call, 6 minutes with DEVICE: how fast is it?
SPEED = [
    Part("benchmark", 100, benchmark.steps),
    Part("ncu", 45, ncu.steps),
    Part("peers", 95, peers.steps),
    Part("sanitizer", 60, sanitizer.steps, at_once=4),
    Part("rest", 45, lambda session: benchmark.long_ones(session) + peers.long_ones(session)),
]
NAMES = [part.name for part in TESTS + SPEED]


def parts_of(names, continues):
    """The parts with these names. `tests` is all of TESTS; no name means TESTS and, in a call that continues, SPEED."""
    if not names:
        return [DEVICE, *TESTS, *(SPEED if continues else [])]
    wanted = {part.name for part in TESTS} if "tests" in names else set()
    return [DEVICE, *(part for part in TESTS + SPEED if part.name in wanted.union(names))]
