#!/usr/bin/env python3
"""What Python's libraries write is read as they read it, and what the program writes they read.

Usage: interchange.py PROGRAM

Needs numpy, Pillow, soundfile, safetensors and mido; without them it ends with 77, which CTest takes for skipped.
"""
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

try:
    import mido
    import numpy
    import safetensors.numpy
    import soundfile
    from PIL import Image, ImageOps
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

PROGRAM = str(pathlib.Path(sys.argv.pop(1)).absolute())
MODEL = """
model: {layers: 1, width: 16, heads: 2, attention: {stride: 8, layers: [strided]}}
training: {steps: 2, batch: 2, warmup: 1, sample_every: 2, sample_count: 2, device: cpu}
"""


def mu_law(samples):
    """ITU-T G.711 of 16-bit samples, from its definition: sign, segment and step of the biased magnitude."""
    wide = samples.astype(numpy.int32)
    magnitude = numpy.minimum(numpy.abs(wide), 32635) + 132
    segment = numpy.floor(numpy.log2(magnitude)).astype(int) - 7
    step = (magnitude >> (segment + 3)) & 15
    return (~((wide < 0) * 128 | segment << 4 | step) & 255).astype(numpy.uint8)


class Interchange(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        (self.folder / "in").mkdir()
        self.random = numpy.random.default_rng(3)

    def tearDown(self):
        self.temporary.cleanup()

    def run_program(self, *arguments):
        done = subprocess.run([PROGRAM, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def config(self, data):
        (self.folder / "config.yaml").write_text("data: {" + data + ", split: {valid: 0, test: 0}}" + MODEL)

    def packed(self, data):
        """The training tokens that `prepare` makes of the folder `in`."""
        self.config(data)
        self.run_program("prepare", "config.yaml", "--out", "out.safetensors", "--overwrite")
        return safetensors.numpy.load_file(self.folder / "out.safetensors")["train"]

    def noise(self, *shape):
        return self.random.integers(0, 256, shape, dtype=numpy.uint8)

    def smooth(self, height, width):
        return Image.fromarray(self.noise(5, 5, 3)).resize((width, height), Image.BICUBIC)

    def test_pictures(self):
        names = []

        def save(name, picture, **how):
            picture.save(self.folder / "in" / name, **how)
            names.append(name)

        save("a.png", Image.fromarray(self.noise(12, 16)))
        save("b.png", Image.fromarray(self.noise(12, 16, 3)), optimize=True)
        save("c.png", Image.fromarray(self.noise(12, 16, 3)).quantize(60))
        save("d.png", Image.fromarray(self.noise(12, 16)).convert("1"))
        save("e.jpg", self.smooth(12, 16), quality=95)
        save("f.jpg", self.smooth(12, 16), quality=80, progressive=True)
        save("g.jpg", self.smooth(12, 16).convert("L"))
        turned = Image.Exif()
        turned[0x0112] = 6
        save("h.jpg", self.smooth(16, 12), exif=turned)
        opaque = Image.fromarray(self.noise(12, 16, 4))
        opaque.putalpha(255)
        save("i.png", opaque)
        tokens = self.packed("source: images, path: in, shape: [12, 16, 3]")
        self.assertEqual(tokens.shape, (len(names), 12 * 16 * 3))
        for name, found in zip(names, tokens):
            with Image.open(self.folder / "in" / name) as picture:
                expected = numpy.asarray(ImageOps.exif_transpose(picture).convert("RGB")).astype(int)
            difference = numpy.abs(found.reshape(12, 16, 3) - expected).max()
            self.assertLessEqual(difference, 1 if name.endswith(".jpg") else 0, name)

    def test_transparent_and_deep_pictures(self):
        deep = self.random.integers(0, 65536, (6, 6), dtype=numpy.uint16)
        Image.fromarray(deep).save(self.folder / "in" / "a.png")
        clear = Image.fromarray(self.noise(6, 6, 4))
        clear.save(self.folder / "in" / "b.png")
        tokens = self.packed("source: images, path: in, shape: [6, 6, 3]").reshape(2, 6, 6, 3).astype(int)
        self.assertLessEqual(numpy.abs(tokens[0] - numpy.rint(deep / 257.0)[..., None]).max(), 1)
        white = Image.new("RGBA", (6, 6), "white")
        expected = numpy.asarray(Image.alpha_composite(white, clear).convert("RGB")).astype(int)
        self.assertLessEqual(numpy.abs(tokens[1] - expected).max(), 1)

    def test_archives(self):
        for name in ("a.png", "b.png"):
            Image.fromarray(self.noise(8, 8, 3)).save(self.folder / name)
        expected = self.noise(0, 192)
        for name in ("a.png", "b.png"):
            expected = numpy.vstack([expected, numpy.asarray(Image.open(self.folder / name)).reshape(1, -1)])
        for archive in ("t.tar", "t.tar.gz", "t.tar.xz", "t.tar.bz2"):
            with tarfile.open(self.folder / archive, "w:" + archive[6:]) as tar:
                tar.add(self.folder / "b.png", "x/b.png")
                tar.add(self.folder / "a.png", "x/a.png")
            tokens = self.packed(f"source: images, path: {archive}, shape: [8, 8, 3]")
            numpy.testing.assert_array_equal(tokens, expected, archive)
        with zipfile.ZipFile(self.folder / "t.zip", "w", zipfile.ZIP_DEFLATED) as whole:
            whole.write(self.folder / "a.png", "a.png")
            whole.write(self.folder / "b.png", "b.png")
        numpy.testing.assert_array_equal(self.packed("source: images, path: t.zip, shape: [8, 8, 3]"), expected)

    def test_arrays(self):
        pixels = self.noise(5, 4, 6, 3)
        rows = pixels.reshape(5, -1)
        planes = pixels.transpose(0, 3, 1, 2)
        data = "source: numpy, shape: [4, 6, 3], path: in/x"
        for array in (pixels, rows, numpy.ascontiguousarray(planes)):
            numpy.save(self.folder / "in" / "x.npy", array)
            numpy.testing.assert_array_equal(self.packed(data + ".npy"), rows)
        numpy.savez(self.folder / "in" / "x.npz", pixels)
        numpy.testing.assert_array_equal(self.packed(data + ".npz"), rows)
        labels = numpy.arange(5)
        numpy.savez_compressed(self.folder / "in" / "x.npz", data=planes.reshape(5, -1), labels=labels)
        numpy.testing.assert_array_equal(self.packed(data + ".npz"), rows)

    def test_sound(self):
        wave = (9000 * numpy.sin(numpy.arange(4000) / 7)).astype(numpy.int16)
        for name in ("a.wav", "b.flac", "c.ogg"):
            soundfile.write(self.folder / "in" / name, wave, 8000)
        soundfile.write(self.folder / "in" / "d.wav", numpy.stack([wave, wave], 1) / 32768, 8000, subtype="FLOAT")
        tokens = self.packed("source: audio, path: in, sequence: 64, audio: {sample_rate: 8000}")
        self.assertEqual(len(tokens), 4 * len(wave))
        of_file = tokens.reshape(4, -1)
        for found in (of_file[0], of_file[1], of_file[3]):
            numpy.testing.assert_array_equal(found, mu_law(wave))
        ogg = soundfile.read(self.folder / "in" / "c.ogg", dtype="int16")[0]
        off = numpy.abs(of_file[2].astype(int) - mu_law(ogg))
        self.assertLessEqual(numpy.minimum(off, 128 - off % 128).max(), 1)

    def test_scores(self):
        score = mido.MidiFile(ticks_per_beat=480)
        for pitch in (72, 60):
            track = mido.MidiTrack()
            score.tracks.append(track)
            for step in range(8):
                track.append(mido.Message("note_on", note=pitch + step, velocity=64, time=0))
                track.append(mido.Message("note_off", note=pitch + step, time=240))
        score.save(self.folder / "in" / "a.mid")
        tokens = self.packed("source: midi, path: in, sequence: 64, midi: {voices: 2, steps_per_beat: 4}")
        hold = 128
        expected = [cell for step in range(8) for cell in (72 + step, 60 + step, hold, hold)]
        self.assertEqual(tokens.tolist(), expected)

    def sampled(self, data, name):
        self.config(data)
        self.run_program("train", "config.yaml", "--run", "run")
        self.run_program("sample", "run", "--out", name)
        return self.folder / name

    def test_python_reads_pictures_and_checkpoints(self):
        for i in range(3):
            Image.fromarray(self.noise(8, 8, 3)).save(self.folder / "in" / f"{i}.png")
        path = self.sampled("source: images, path: in, shape: [8, 8, 3]", "x.png")
        with Image.open(path) as picture:
            self.assertEqual((picture.size, picture.mode), ((8, 8), "RGB"))
            self.assertIn("sparse-transformer", picture.text["Software"])
        with Image.open(self.folder / "run/samples/steps.png") as sheet:
            sheet.load()
        weights = safetensors.numpy.load_file(self.folder / "run/checkpoints/latest/model.safetensors")
        self.assertTrue(all(numpy.isfinite(weight).all() for weight in weights.values()))
        self.assertGreater(len(weights), 5)

    def test_python_reads_sound(self):
        wave = (9000 * numpy.sin(numpy.arange(4000) / 7)).astype(numpy.int16)
        soundfile.write(self.folder / "in" / "a.wav", wave, 8000)
        path = self.sampled("source: audio, path: in, sequence: 64, audio: {sample_rate: 8000}", "x.wav")
        self.run_program("sample", "run", "--out", "x.flac")
        for file in (path, path.with_suffix(".flac")):
            samples, rate = soundfile.read(file, dtype="int16")
            self.assertEqual((len(samples), rate), (64, 8000))
        again = self.folder / "again"
        again.mkdir()
        path.rename(again / "x.wav")
        tokens = self.packed("source: audio, path: again, sequence: 64, audio: {sample_rate: 8000}")
        samples = soundfile.read(again / "x.wav", dtype="int16")[0]
        numpy.testing.assert_array_equal(tokens, mu_law(samples))

    def test_python_reads_scores(self):
        score = mido.MidiFile()
        track = mido.MidiTrack()
        score.tracks.append(track)
        for step in range(64):
            track.append(mido.Message("note_on", note=50 + step % 12, time=0))
            track.append(mido.Message("note_off", note=50 + step % 12, time=120))
        score.save(self.folder / "in" / "a.mid")
        data = "source: midi, path: in, sequence: 64, midi: {voices: 1, steps_per_beat: 4}"
        path = self.sampled(data, "x.mid")
        sounding = 0
        for message in mido.MidiFile(path).merged_track:
            if message.type == "note_on" and message.velocity > 0:
                sounding += 1
            elif message.type in ("note_on", "note_off"):
                sounding -= 1
            self.assertGreaterEqual(sounding, 0)
        self.assertEqual(sounding, 0)


if __name__ == "__main__":
    unittest.main()
