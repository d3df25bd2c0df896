"""Arguments of `restore` as people type them: what is left out, in another order, or meant for a pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import MAIN, SRC, save, save_pairs
from PIL import Image

import twinshot
from twinshot.engines import pace
from twinshot.files import io
from twinshot.match import swap


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_without_an_output_it_is_beside_the_short_frame(command, files, tmp_path):
    result = command("restore", *files)
    assert result.code == 0
    assert f"{tmp_path / 'noisy-restored.png'}: 224x160" in result.out
    assert names(tmp_path) == ["blurry.png", "noisy-restored.png", "noisy.png"]


def test_and_never_over_anything(command, files, tmp_path):
    (tmp_path / "noisy-restored.png").write_bytes(b"mine")
    result = command("restore", *files)
    assert result.code == 2
    assert "already exists" in result.err
    assert (tmp_path / "noisy-restored.png").read_bytes() == b"mine"
    assert command("restore", *files, "--force").code == 0
    assert io.read(tmp_path / "noisy-restored.png").size == (160, 224)


def test_a_name_that_looks_like_an_option(command, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files[0].rename("-noisy.png")
    result = command("restore", "blurry.png", "-noisy.png")
    assert (result.code, result.out) == (2, "")
    assert result.err == "twinshot: -noisy.png: was taken for an option; write ./-noisy.png, or -- before the frames\n"
    assert command("restore", "blurry.png", "./-noisy.png", "-o", "a.png").code == 0
    assert command("restore", "-o", "b.png", "--", "-noisy.png", "blurry.png").code == 0
    for words in ("./-noisy.png blurry.png", "-- -noisy.png blurry.png", "blurry.png -o -noisy.png"):
        assert "No such option: --none" in command("restore", "--none", *words.split()).err


def test_a_bracket_that_is_named(command, frames, tmp_path):
    """Frames of unlike exposures are not merged as a burst."""
    exif = Image.Exif()
    for name, pixels, seconds in (
        ("1.jpg", frames[0], 1 / 80),
        ("2.jpg", frames[1], 1 / 8),
        ("3.jpg", frames[0] // 4, 1e-3),
    ):
        exif.get_ifd(0x8769)[0x829A] = seconds
        Image.fromarray(pixels).save(tmp_path / name, quality=95, exif=exif)
    bracket, pair = ([tmp_path / name for name in names] for names in (("3.jpg", "1.jpg", "2.jpg"), ("1.jpg", "2.jpg")))
    result = command("restore", *bracket, "-o", tmp_path / "a.png")
    assert f"note: {bracket[0]} left out: of a bracket, the longest frame" in result.err
    assert command("restore", *pair, "-o", tmp_path / "b.png").code == 0
    assert np.array_equal(*(io.read(tmp_path / name).pixels for name in ("a.png", "b.png")))


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--strength", "0,5", "is a number; write it as 0.5"),
        ("--bits", "many", "is a whole number; write it as 8"),
        ("--quality", "0", "is too small; give at least 1"),
        ("--quality", "101", "is too large; give at most 100"),
    ],
)
def test_what_is_no_number(command, files, option, value, words):
    result = command("restore", *files, option, value)
    assert (result.code, result.out, result.err) == (2, "", f"twinshot: {option} {words}\n")


def test_two_frames_in_any_order(command, files, tmp_path):
    given = command("restore", *files, "-o", tmp_path / "a.png")
    other = command("restore", *files[::-1])
    assert (given.code, other.code) == (0, 0)
    assert "note: " not in given.err
    assert f"so {files[0]} was taken as the short frame" in other.err
    assert (tmp_path / "noisy-restored.png").read_bytes() != b""
    np.testing.assert_array_equal(io.read(tmp_path / "noisy-restored.png").pixels, io.read(tmp_path / "a.png").pixels)


def test_the_order_is_decided_once(command, files, monkeypatch):
    asked = []
    decide = swap.order
    monkeypatch.setattr(swap, "order", lambda *given: asked.append(given) or decide(*given))
    assert command("restore", *files[::-1]).code == 0
    assert len(asked) == 1


def test_keep_order(command, files, tmp_path):
    result = command("restore", *files[::-1], "--keep-order")
    assert result.code == 0
    assert "but the order was kept as given" in result.err
    assert "blurry-restored.png" in names(tmp_path)


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_for_an_output(command, files, tmp_path, exists):
    if exists:
        (tmp_path / "out").mkdir()
    assert command("restore", *files, "-o", f"{tmp_path / 'out'}{'' if exists else '/'}").code == 0
    assert names(tmp_path / "out") == ["noisy-restored.png"]


def test_a_name_without_an_ending_gets_the_inputs(command, files, tmp_path):
    assert command("restore", *files, "-o", tmp_path / "sharp").code == 0
    assert "sharp.png" in names(tmp_path)


def piped(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    command = [sys.executable, "-c", MAIN, "restore", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, env=environment)


def test_the_picture_to_standard_output(files, tmp_path):
    done = piped(*files, "-o", "-")
    assert done.returncode == 0
    found = np.asarray(Image.open(BytesIO(done.stdout)))
    np.testing.assert_array_equal(found, np.round(twinshot.restore(*files).pixels / 257).astype(np.uint8))
    assert b"standard output: 224x160" in done.stderr
    assert names(tmp_path) == ["blurry.png", "noisy.png"]


def test_the_report_to_standard_output(files, tmp_path):
    done = piped(*files, "--report", "-")
    assert json.loads(done.stdout)["model"] == "twin"
    assert set(json.loads(done.stdout)["seconds"]) == {"read", "match", "restore"}
    assert b"noisy-restored.png: 224x160" in done.stderr


def test_not_both_to_standard_output(command, files, tmp_path):
    result = command("restore", *files, "-o", "-", "--report", "-")
    assert result.code == 2
    assert "cannot both go to standard output" in result.err


def test_help(command):
    short, long = command("restore", "-h"), command("restore", "--help")
    assert "<bool>" not in command("-h").out + short.out  # as if a flag took a value
    assert (short.code, short.out) == (0, long.out)
    for option in ("--force", "--keep-order", "--quality", "--plan", "--pairs"):
        assert option in short.out
    assert "--no-force" not in short.out
    listed = command("-h").out
    assert listed.index("restore") < listed.index("models") < listed.index("synth")


def test_quality(command, files, tmp_path):
    sizes = []
    for quality in (30, 95):
        path = tmp_path / f"{quality}.jpg"
        assert command("restore", *files, "-o", path, "--quality", quality).code == 0
        sizes.append(path.stat().st_size)
    assert 2 * sizes[0] < sizes[1]
    assert command("restore", *files, "--quality", 0).code == 2


def test_strength(command, files, tmp_path):
    assert command("restore", *files, "-o", tmp_path / "a.png").code == 0
    assert command("restore", *files, "-o", tmp_path / "b.png", "--strength", 0.3).code == 0
    grain = [np.std(np.diff(io.read(tmp_path / name).pixels.astype(float), axis=0)) for name in ("a.png", "b.png")]
    assert grain[1] > 1.2 * grain[0]
    result = command("restore", *files, "--strength", 2)
    assert result.code == 2
    assert "strength 2.0 is out of range; give a number from 0 to 1" in result.err


def level(path):
    return io.read(path).pixels.mean((0, 1))


def test_gain_overrules_the_match(command, files, tmp_path):
    report = tmp_path / "report.json"
    assert command("restore", *files, "-o", tmp_path / "a.png", "--gain", 5, "--report", report).code == 0
    found = json.loads(report.read_text())
    assert (found["tone"], found["gain"]) == ("known", [5.0, 5.0, 5.0])
    for wrong in (0, -2, "nan"):
        result = command("restore", *files, "--gain", wrong)
        assert result.code == 2
        assert "cannot be used; give a number above 0" in result.err
    result = command("restore", *files, "--gain", 5, "--tone", "curve")
    assert (result.code, "give one of them" in result.err) == (2, True)


@pytest.mark.parametrize("tone", ["gain", "curve"])
def test_tone_overrules_the_match(command, files, tmp_path, tone):
    report = tmp_path / "report.json"
    assert command("restore", *files, "-o", tmp_path / "a.png", "--tone", tone, "--report", report).code == 0
    assert json.loads(report.read_text())["tone"] == tone
    assert "choose gain or curve" in command("restore", *files, "--tone", "film").err


def test_light_of_either_frame(command, files, tmp_path):
    for light, like in (("long", files[1]), ("short", files[0])):
        out = tmp_path / f"{light}.png"
        assert command("restore", *files, "-o", out, "--light", light).code == 0
        np.testing.assert_allclose(level(out), level(like), atol=4)
    assert "choose long or short" in command("restore", *files, "--light", "sun").err


def test_a_trust_map(command, files, tmp_path):
    plain, mapped, trust = (tmp_path / name for name in ("plain.png", "mapped.png", "trust.png"))
    assert command("restore", *files, "-o", plain).code == 0
    assert command("restore", *files, "-o", mapped, "--trust-map", trust).code == 0
    np.testing.assert_array_equal(io.read(plain).pixels, io.read(mapped).pixels)
    with Image.open(trust) as found:
        assert (found.mode, found.size) == ("L", (224, 160))
        assert 0 < np.asarray(found).mean() < 255
    again = command("restore", *files, "-o", mapped, "--force", "--trust-map", files[0])
    assert (again.code, "one of the inputs or another output" in again.err) == (2, True)
    wrong = command("restore", *files, "--trust-map", tmp_path / "trust.jpg")
    assert (wrong.code, "let its name end with .png" in wrong.err) == (2, True)


def test_several_short_frames(command, files, frames, tmp_path, rng):
    more = np.clip(frames[0] + rng.normal(0, 2, frames[0].shape), 0, 255).astype(np.uint8)
    again = save(tmp_path / "again.png", more)
    report = tmp_path / "report.json"
    for given in ((files[0], again, files[1]), (files[1], again, files[0])):
        result = command("restore", *given, "-o", tmp_path / "out.png", "--report", report, "--force")
        assert result.code == 0, result.err
        assert json.loads(report.read_text())["blurry"] == str(files[1])
        assert json.loads(report.read_text())["frames"] > 1.5


def test_models_say_what_each_is_for_and_what_it_takes(command, monkeypatch, tmp_path):
    from twinshot.cli import app

    monkeypatch.setattr(app, "out", type(app.out)(width=400))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(tmp_path))  # those of the package alone
    result = command("models")
    assert "a short and a long photograph (the default)" in result.out
    assert "the short photograph alone" in result.out
    assert result.out.count("try --measure") == 3
    taken = dict(zip(("twin", "twin-large", "twin-noisy"), (0.5, 1.4, 0.4), strict=True))
    clock = [0.0]

    def run(name):
        def call(noisy, blurry):
            clock[0] += taken[name]
            return noisy

        return SimpleNamespace(run=call)

    monkeypatch.setattr(pace, "load_model", run)
    monkeypatch.setattr(pace.time, "perf_counter", lambda: clock[0])
    for arguments in (("--measure",), ()):  # and remembered
        listed = command("models", *arguments).out
        assert [f"{round(seconds * 12e6 / 640**2)} s" in listed for seconds in taken.values()] == [True] * 3


# Folders


def test_a_name_that_nothing_has_is_no_folder(command, tmp_path):
    for arguments in ((tmp_path / "night",), (tmp_path, tmp_path / "night"), (tmp_path / "night", "--watch")):
        result = command("restore", *arguments)
        assert (result.code, result.out) == (2, "")
        assert "night: no such file or folder; check the name" in result.err


def test_a_folder_without_pictures_is_told_from_one_without_pairs(command, frames, tmp_path):
    inner = tmp_path / "card" / "100"
    inner.mkdir(parents=True)
    save(inner / "1.png", frames[0])
    assert "Folders inside a folder are not looked into" in command("restore", inner.parent).out
    assert "A pair is a short and a long exposure" in command("restore", inner, "--plan").out


@pytest.fixture
def folder(tmp_path, frames, photo):
    """Two pairs under shuffled names, a stray and a broken file."""
    place = tmp_path / "night"
    save_pairs(place, frames, photo, "4", "1", "2", "5")
    save(place / "3.png", np.ascontiguousarray(photo[:160:-1, 419:195:-1][:160, :224][:, ::1]).copy())
    (place / "6.png").write_bytes(b"broken")
    return place


def test_a_plan(command, folder):
    before = names(folder)
    result = command("restore", folder, "--plan")
    assert result.code == 0, result.err
    assert f"2. 2.png + 5.png -> {folder / '2-restored.png'}" in result.out
    assert f"1. 4.png + 1.png -> {folder / '4-restored.png'}" in result.out
    assert f"{folder / '3.png'} has no partner here, so it is skipped." in result.out
    assert "6.png: not an image" in result.err
    assert names(folder) == before


def test_a_plan_tells_of_raw_files_beside_their_developed_versions(command, folder):
    (folder / "2.nef").write_bytes(b"raw")
    result = command("restore", folder, "--plan")
    assert f"Raw files beside developed versions were left out (1, such as {folder / '2.nef'})" in result.out
    (folder / "2.nef").unlink()
    assert "left out" not in command("restore", folder, "--plan").out


def test_a_folder(command, folder, tmp_path):
    result = command("restore", folder, "-o", tmp_path / "out", "--report", tmp_path / "report.json")
    assert result.code == 1  # one file is broken
    assert names(tmp_path / "out") == ["2-restored.png", "4-restored.png"]
    assert "2 restored, 0 existed, 1 skipped, 1 failed" in result.out
    rows = json.loads((tmp_path / "report.json").read_text())
    assert [row["error"] for row in rows] == [None, None]
    (folder / "6.png").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    again = command("restore", folder, "-o", tmp_path / "out")
    assert again.code == 0
    assert "0 restored, 2 existed, 1 skipped, 0 failed" in again.out
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_no_trust_map_of_a_folder(command, folder, tmp_path):
    result = command("restore", folder, "--trust-map", tmp_path / "trust.png")
    assert (result.code, "is for one picture" in result.err) == (2, True)


def test_a_list(command, files, tmp_path):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("short,long,output\nnoisy.png,blurry.png,a.png\nnoisy.png,none.png,b.png\n")
    result = command("restore", "--pairs", pairs)
    assert result.code == 1
    assert "failed: " in result.err
    assert "none.png: no such file" in result.err
    assert (tmp_path / "a.png").exists()
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize("more", ["noisy.png", ""])
def test_nothing_beside_a_list(command, files, tmp_path, more):
    """What is named beside a list would be left out without a word."""
    (tmp_path / "pairs.csv").write_text("short,long,output\nnoisy.png,blurry.png,a.png\n")
    result = command("restore", tmp_path / more, "--pairs", tmp_path / "pairs.csv")
    assert (result.code, "--pairs says by itself what to restore" in result.err) == (2, True)
    assert not (tmp_path / "a.png").exists()


def test_a_plan_names_the_option_that_helps(command, tmp_path, frames):
    path = save(tmp_path / "cut.jpg", frames[0])
    path.write_bytes(path.read_bytes()[:-2000])
    result = command("restore", tmp_path, "--plan")
    assert "cut.jpg: the file is damaged" in result.err
    assert "(--accept-damaged)" in result.err


def test_many_pictures_are_not_piped(command, folder):
    result = command("restore", folder, "-o", "-")
    assert result.code == 2
    assert "several pictures cannot go to standard output" in result.err


def test_a_report_of_many_on_standard_output_stands_alone(command, folder):
    (folder / "none.csv").write_text("short,long\n")
    result = command("restore", "--pairs", folder / "none.csv", "--report", "-")
    assert (result.code, json.loads(result.out)) == (0, [])
    assert "none.csv lists no pairs below its first line.\n0 restored" in result.err
    save(folder / "1-restored.png", io.read(folder / "1.png").pixels)
    (folder / "one.csv").write_text("short,long\n1.png,5.png\n")
    result = command("restore", "--pairs", folder / "one.csv", "--report", "-")
    assert json.loads(result.out)[0]["error"] is None
    assert "existed" in result.err


def test_many_pictures_do_not_get_the_name_of_one(command, folder):
    result = command("restore", folder, "-o", folder / "sharp.PNG")
    assert (result.code, result.out) == (2, "")
    assert "sharp.PNG: is the name of a picture; for folders and lists name a folder with -o FOLDER/" in result.err
    assert not (folder / "sharp.PNG").exists()
    assert command("restore", folder, "-o", f"{folder}/sharp.PNG/", "--plan").code == 0
