#!/usr/bin/env python3
"""Sees that scripts/torture.sh finds what it looks for, and that a few of its tries pass.

Usage: torture_test.py PROGRAM PRELOAD
"""
import json
import pathlib
import random
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))

from torture import calls, campaign, damage, kills, lab, program, run, scenario, tfevents  # noqa: E402

PROGRAM, PRELOAD = (pathlib.Path(path) for path in sys.argv[1:3])


class Differences(unittest.TestCase):
    """A finished run with one thing wrong."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.program = program.Program(PROGRAM, PRELOAD)
        (cls.folder / "shared").mkdir()
        cls.scenarios = scenario.make_scenarios(cls.program, cls.folder / "shared")
        cls.new = cls.scenarios[0]

    def setUp(self):
        self.lab = lab.Lab(self.program, self.scenarios, self.folder / "worker", self.folder / "shared")
        self.lab.begin(1)
        damage.finished_run(self.lab)
        self.run_folder = self.lab.run
        self.checkpoint = run.checkpoints(self.run_folder)[12]

    def expect(self, word, **options):
        found = run.differences(self.run_folder, self.new.reference, **options)
        self.assertTrue(any(word in each for each in found), found)

    def expect_none(self, **options):
        self.assertEqual(run.differences(self.run_folder, self.new.reference, **options), [])

    def test_nothing_wrong(self):
        self.expect_none()

    def test_weights(self):
        damage._flip(self.checkpoint / "average.safetensors", random.Random(1))
        self.expect("other weights at step 12: average.safetensors")
        self.assertFalse(run.is_whole(self.checkpoint))

    def test_state(self):
        path = self.checkpoint / "state.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"best_step": 4}))
        self.expect("another state at step 12: best_step")

    def test_a_checkpoint_is_missing(self):
        self.assertEqual(run.newest_whole(self.run_folder), 12)
        shutil.rmtree(self.checkpoint)
        self.expect("the newest checkpoint is step 9 instead of 12")
        self.assertEqual(run.newest_whole(self.run_folder), 9)

    def test_links(self):
        (self.run_folder / "checkpoints" / "best").unlink()
        self.expect("links")
        self.expect_none(links=False)

    def test_leftovers(self):
        (self.run_folder / "samples" / ".tmp-x").write_text("x")
        self.expect("left behind: samples/.tmp-x")

    def test_metrics(self):
        path = self.run_folder / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines + lines[-1:]))
        self.expect("a step twice")
        path.write_text("".join(lines[1:]))
        self.expect("metrics.jsonl lacks [(2, False)]")
        self.expect_none(lines_lost=True)
        path.write_text("".join(lines)[:-5])
        self.expect("cannot be read")
        path.write_text("".join(lines).replace('"train_bits":7', '"train_bits":6', 1))
        self.expect("metrics.jsonl differs", lines_lost=True)

    def test_events(self):
        path = next(self.run_folder.glob("events.out.tfevents.*"))
        content = path.read_bytes()
        self.assertGreater(len(tfevents.records(content)[0]), 10)
        self.assertEqual(tfevents.records(content[:-1])[1], len(tfevents.records(content)[0][-1]) + 15)
        path.write_bytes(content[:len(content) // 2])
        self.expect("TensorBoard lacks")
        path.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
        self.expect("wrong checksum")

    def test_samples(self):
        (self.run_folder / "samples" / "step-00000006.txt").write_text("x")
        self.expect("other samples: step-00000006.txt")

    def test_ends(self):
        def problems(returncode, err, codes=(0,)):
            return program.Ended(returncode, b"", err.encode()).problems(codes)
        self.assertEqual(problems(0, "warning: x\n"), [])
        self.assertEqual(problems(2, "error: x\n", (2,)), [])
        self.assertEqual(problems(1, "error: x\n"), ["exit 1: 'error: x'"])
        self.assertIn("2 error lines", problems(1, "error: x\nerror: y\n", (1,))[0])
        self.assertIn("0 error lines", problems(2, "", (2,))[0])
        self.assertIn("SIGSEGV", problems(-11, "")[0])
        self.assertIn("raw message", problems(1, "error: [json.exception.type_error.302]\n", (1,))[0])

    def test_phases(self):
        found = {call.phase for each in self.scenarios for call in each.calls}
        self.assertLessEqual({"save", "links", "pruning", "metrics", "preview", "start"}, found)
        self.assertLessEqual({"step", "evaluation", "preview"}, {call.computing for call in self.new.calls})
        for phase in kills.PHASES:
            self.assertTrue(any(kills._rule(self.lab, phase, each) for each in self.scenarios), phase)

    def test_rules(self):
        self.lab.empty()
        write = next(call for call in self.new.calls if call.kind == "write" and call.path.startswith("metrics"))
        ended = self.lab.ended(self.new.command(self.lab.run), [calls.Rule("write", write.same, "kill-middle")])
        self.assertEqual(ended.signal, 9)
        text = (self.lab.run / "metrics.jsonl").read_text()
        self.assertTrue(text and write.detail.startswith(text) and "\n" not in text, text)

    def test_a_power_cut_takes_what_was_not_flushed(self):
        self.lab.empty()
        last = self.new.calls[-1].number
        self.lab.ended(self.new.command(self.lab.run), [calls.Rule("-", last, "power-cut")])
        self.assertEqual(run.newest_whole(self.lab.run), 12)
        self.assertLess((self.lab.run / "log.txt").stat().st_size, (self.new.done / "log.txt").stat().st_size)

    def test_one_try_of_each_kind(self):
        for number, kind in enumerate(campaign.KINDS):
            outcome = campaign.do_try(self.lab, "test", number)
            self.assertEqual((outcome.kind, outcome.problems), (kind, []), outcome.commands)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
