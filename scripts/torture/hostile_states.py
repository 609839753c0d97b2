"""A checkpoint of a stranger: right checksums, and values that cannot be."""
import json
import resource
import struct

from torture import damage, run

MEMORY = 16 << 30  # bytes of addresses
NASTY = (-1, 0, 1, 2**31, 2**40, 2**62, 2**63 - 1, -2**63, 2**64, 1e308, -1e308, 0.5, "", "x", "\x1b[31m", None, True, [],
         {}, [-1], [0], [2**40, 2**40, 3], [[[]]], {"a": {}})
FORMAT = {"kind": "bytes", "shape": [], "sample_rate": 0, "voices": 0, "steps_per_beat": 0}
# Values that no run has; every command that reads the state refuses them.
IMPOSSIBLE = (
    {"step": -1}, {"step": 2**62}, {"step": "12"}, {"step": 11}, {"evaluated": -5}, {"sampled": -1}, {"best_step": -1},
    {"skipped_steps": -1}, {"skipped_in_a_row": -1}, {"passed_over": -1}, {"passed_over": -10**18}, {"rollbacks": -1},
    {"best_bits": "x"}, {"format": None}, {"format": {}}, {"watch": None}, {"machine": [1]}, {"data_hash": 5},
    {"format": FORMAT | {"kind": "smell"}},
    {"format": FORMAT | {"kind": "picture", "shape": [2**40, 2**40, 3]}},
    {"format": FORMAT | {"kind": "picture", "shape": [2**32, 2**32, 1]}},
    {"format": FORMAT | {"kind": "picture", "shape": [-4, -8, 1]}},
    {"format": FORMAT | {"kind": "picture", "shape": [4, 8]}},
    {"format": FORMAT | {"kind": "picture", "shape": [0, 32, 1]}},
    {"format": FORMAT | {"kind": "sound", "sample_rate": 0}},
    {"format": FORMAT | {"kind": "sound", "sample_rate": -8000}},
    {"format": FORMAT | {"kind": "score", "voices": 0, "steps_per_beat": 4}},
    {"format": FORMAT | {"kind": "score", "voices": 2**40, "steps_per_beat": 4}},
    {"format": FORMAT | {"kind": "score", "voices": 65, "steps_per_beat": 4}},
    {"format": FORMAT | {"kind": "score", "voices": 2, "steps_per_beat": 0}},
)


def _seal(checkpoint):
    """Makes the manifest right again."""
    path = checkpoint / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["sha256"] = {name: run.sha256(checkpoint / name) for name in manifest["sha256"]}
    path.write_text(json.dumps(manifest))


def _places(value, path=()):
    """The paths to all values within a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _places(inner, (*path, key))


def _spoil(value, random):
    """Replaces something within a JSON value, or takes it away."""
    *outer, last = random.choice(list(_places(value)))
    for key in outer:
        value = value[key]
    if random.random() < 0.15:
        del value[last]
        return f"{'.'.join(map(str, (*outer, last)))} taken away"
    value[last] = random.choice(NASTY)
    return f"{'.'.join(map(str, (*outer, last)))}: {json.dumps(value[last])}"


def _impossible_state(checkpoint, random):
    path = checkpoint / "state.json"
    change = random.choice(IMPOSSIBLE)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    return json.dumps(change)


def _spoilt_state(checkpoint, random):
    path = checkpoint / "state.json"
    state = json.loads(path.read_text())
    said = _spoil(state, random)
    path.write_text(json.dumps(state))
    return said


def _spoilt_header(checkpoint, random):
    """Of a file of tensors."""
    path = checkpoint / random.choice(run.TENSORS)
    content = path.read_bytes()
    (size,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8:8 + size])
    said = _spoil(header, random)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size:])
    return f"{path.name}: {said}"


def _limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run_try(lab):
    damage.finished_run(lab)
    how = lab.random.choice((_impossible_state, _spoilt_state, _spoilt_header))
    folders = run.checkpoints(lab.run)
    said = how(folders[max(folders)], lab.random)
    _seal(folders[max(folders)])
    lab.commands.append(f"# {said}, with right checksums")
    command = lab.random.choice(list(damage.READERS))
    lab.before = _limit_memory
    ended, _ = damage.READERS[command](lab)
    problems = ended.problems((2,) if how is _impossible_state else (0, 2))
    if "\x1b" in ended.err or b"\x1b" in ended.out:
        problems.append("an escape sequence reaches the terminal")
    return lab.outcome("hostile state", how.__name__.strip("_").replace("_", " "), [f"{command}: {each}" for each in problems])
