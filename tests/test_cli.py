"""The command: what it prints, what it writes, and what it exits with."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from helpers import MAIN, outcome, save, start

import twinshot
from twinshot.cli import app
from twinshot.engines.models import WEIGHTS, as_table, manifest, read_manifest
from twinshot.files import io


def test_restore(command, files, tmp_path):
    output = tmp_path / "out.png"
    result = command("restore", *files, "-o", output)
    assert (result.code, result.err) == (0, "")
    assert result.out.count("\n") == 1
    said = r"out\.png: 224x160, brightness x [\d./]+ \(gain\), frames shift .* px \(confidence 0\.\d\d\), model twin, "
    assert re.search(said + r"[\d.]+ s\n", result.out), result.out
    np.testing.assert_array_equal(
        io.read(output).pixels, np.round(twinshot.restore(*files).pixels / 257).astype(np.uint8)
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blurry.png", "noisy.png", "out.png"]


@pytest.mark.parametrize("suffix", ["jpg", "tif", "webp"])
def test_formats(command, files, tmp_path, suffix):
    assert command("restore", *files, "-o", tmp_path / f"out.{suffix}", "--quiet").code == 0
    assert io.read(tmp_path / f"out.{suffix}").size == (160, 224)


def test_report(command, files, tmp_path):
    report = tmp_path / "out.json"
    assert command("restore", *files, "-o", tmp_path / "out.png", "--report", report).code == 0
    found = json.loads(report.read_text())
    wanted = twinshot.restore(*files).report
    assert found.keys() == wanted.keys()
    for key in ("tone", "gain", "shift", "confidence", "model", "size", "noisy"):
        assert found[key] == wanted[key]
    result = command("restore", *files, "-o", tmp_path / "out.png", "--report", report, "--force")
    assert result.code == 0


def test_quiet(command, files, tmp_path):
    result = command("restore", *files, "-o", tmp_path / "out.png", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_quiet_still_warns(command, files, tmp_path):
    result = command("restore", *files[::-1], "-o", tmp_path / "out.png", "--quiet", "--keep-order")
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("warning: ")
    assert result.err.count("\n") == 1
    assert (tmp_path / "out.png").exists()


def test_names_with_brackets_are_printed_as_they_are(command, files, tmp_path):
    noisy = files[0].rename(tmp_path / "[red]noisy.png")
    result = command("restore", noisy, files[1], "-o", tmp_path / "[b]out.png")
    assert result.code == 0
    assert "[b]out.png: 224x160" in result.out
    result = command("restore", noisy, tmp_path / "[i]none.png", "-o", tmp_path / "out.png")
    assert "[i]none.png: no such file" in result.err


def test_the_bar_shows_where_somebody_watches(monkeypatch, files, tmp_path, command):
    from rich.console import Console

    monkeypatch.setattr(app, "err", Console(stderr=True, force_terminal=True, width=80))
    monkeypatch.setattr(app, "time", type("Clock", (), {"monotonic": iter(range(0, 1000, 10)).__next__}))
    watched = command("restore", *files, "-o", tmp_path / "out.png")
    assert "restoring" in watched.err
    assert watched.code == 0
    quiet = command("restore", *files, "-o", tmp_path / "out.png", "--quiet", "--force")
    assert quiet.err == ""


def test_models_fit_a_terminal(command, monkeypatch):
    monkeypatch.setattr(app, "out", type(app.out)(width=80))
    lines = command("models").out.splitlines()
    assert max(len(line) for line in lines if line.startswith(" ")) <= 80
    assert len(lines) < 12 * len(manifest())


def test_models(command, monkeypatch):
    monkeypatch.setattr(app, "out", type(app.out)(width=600))
    result = command("models")
    assert (result.code, result.err) == (0, "")
    for word in ("twin", " MB", "photographs", "Apache-2.0"):
        assert word in result.out
    for name, card in manifest().items():
        assert name in result.out
        for figure in card.quality.values():
            assert str(figure) in result.out


def test_a_models_name_is_never_cut(command, monkeypatch, tmp_path):
    name = "a-name-that-is-as-long-as-a-table-is-ever-going-to-give-it"
    card = as_table(read_manifest(WEIGHTS)["twin"])
    (tmp_path / "manifest.json").write_text(json.dumps({name: {**card, "trained_on": "pictures " * 20}}))
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(tmp_path))
    assert name in command("models").out


def test_models_of_others_are_listed_as_they_are_named(command, monkeypatch, tmp_path):
    card = {**as_table(read_manifest(WEIGHTS)["twin"]), "trained_on": "my [/x] photos"}
    (tmp_path / "manifest.json").write_text(json.dumps({"mine": card}))
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(app, "out", type(app.out)(width=600))
    assert "my [/x] photos" in command("models").out
    (tmp_path / "manifest.json").write_text(json.dumps({"mine": {**card, "quality": None}}))
    result = command("models")
    assert (result.code, result.out) == (2, "")
    assert "$[...].quality" in result.err


def test_synth(command, photos, tmp_path):
    arguments = ("synth", photos, "-o", tmp_path / "set", "--profile", "camera", "--count", 2, "--seed", 5)
    result = command(*arguments)
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith("set: 2 triples\n")
    for kind in ("noisy", "blurry", "sharp"):
        assert sorted(path.name for path in (tmp_path / "set" / kind).iterdir()) == ["000000.png", "000001.png"]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("set/*/*.png")}
    assert command(*arguments).code == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("set/*/*.png")} == before
    other = command(*arguments[:-1], 6)
    assert other.code == 2
    assert "another source, profile, seed, side or burst" in other.err


def test_version(command):
    assert command("--version").out == f"{twinshot.__version__}\n"


def test_usage_errors(command, files):
    result = command("restore", files[0])
    assert result.code == 2
    assert "give a short and a long photograph of the same scene" in result.err
    assert command("sharpen").code == 2
    assert command("synth", ".", "-o", "x", "--count", 0).code == 2


def test_training_needs_a_data_root(command, tmp_path, monkeypatch):
    monkeypatch.delenv("TWINSHOT_DATA", raising=False)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('name = "x"\n')
    result = command("train", recipe, "--data", tmp_path / "none")
    assert result.code == 2
    assert result.err.count("\n") == 1


def test_training_without_torch_says_what_to_install(command, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = command("train", tmp_path / "recipe.toml")
    assert result.code == 2
    assert "pip install 'twinshot[train]'" in result.err


def test_the_real_command_from_another_folder(files, tmp_path, frames):
    save(tmp_path / "b.webp", frames[1], lossless=True)
    result = outcome(start(MAIN, "restore", "noisy.png", "b.webp", "-o", "out.tif", cwd=tmp_path))
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("out.tif: 224x160")
    assert io.read(tmp_path / "out.tif").pixels.dtype == np.uint8


def test_debug_shows_where_an_error_came_from(command, files, tmp_path):
    arguments = ("restore", tmp_path / "none.jpg", files[1], "-o", tmp_path / "out.png")
    plain, debugged = command(*arguments), command("--debug", *arguments)
    assert (plain.code, debugged.code) == (2, 2)
    assert plain.err.count("\n") == 1
    assert "Traceback" in debugged.err
    assert debugged.err.endswith(plain.err)
    assert "Traceback" not in command(*arguments).err


def test_debug_shows_where_the_error_of_one_of_many_came_from(command, files, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise IndexError("a bug")

    monkeypatch.setattr("twinshot.batch._restored", broken)
    plain, debugged = command("restore", tmp_path), command("--debug", "restore", tmp_path)
    assert (plain.code, debugged.code) == (1, 1)
    assert "failed: twinshot met a bug (IndexError: a bug)" in plain.err
    assert (plain.err.count("Traceback"), debugged.err.count("Traceback")) == (0, 1)


def test_a_warning_is_said_once(command, files, tmp_path, rng):
    save(tmp_path / "other.png", rng.integers(0, 256, (160, 224, 3), np.uint8))
    result = outcome(start(MAIN, "restore", files[0], tmp_path / "other.png", "-o", tmp_path / "out.png"))
    assert result.err.count("Check that both show the same scene") == 1
