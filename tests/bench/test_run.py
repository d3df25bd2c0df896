"""The benchmark: every system gets a row, also one that fails."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from helpers import save

from twinshot.bench import systems
from twinshot.bench.datasets import triples_in
from twinshot.bench.metrics import psnr, ssim
from twinshot.bench.report import markdown
from twinshot.bench.run import run
from twinshot.pair import TwinshotError


@pytest.fixture
def folder(tmp_path, triple, frames):
    """A set of two small triples, the second of them half as large."""
    pictures = {"noisy": frames[0], "blurry": frames[1], "sharp": np.round(triple.sharp * 255).astype(np.uint8)}
    for kind, pixels in pictures.items():
        (tmp_path / kind).mkdir()
        save(tmp_path / kind / "a.png", pixels)
        save(tmp_path / kind / "b.png", pixels[:80])
    rows = [{"name": "a.png", "sigma": 1}, {"name": "b.png", "sigma": 2}]
    (tmp_path / "meta.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"name": "c.png", "si')
    return tmp_path


def test_figures(folder, triple, frames):
    found = run(folder, ["blurry", "noisy"])
    assert (found["set"], found["pictures"], found["convention"]) == (folder.name, 2, "paper")
    assert list(found["systems"]) == ["blurry", "noisy"]
    row = found["systems"]["blurry"]
    blurry = frames[1] / np.float32(255)
    wanted = [(score(blurry, triple.sharp), score(blurry[:80], triple.sharp[:80])) for score in (psnr, ssim)]
    for key, figures in zip(("psnr", "ssim"), wanted, strict=True):
        assert [case[key] for case in row["cases"]] == pytest.approx(figures)
        assert row[key] == pytest.approx(np.mean(figures))
    assert [case["name"] for case in row["cases"]] == ["a.png", "b.png"]
    assert row["seconds"] >= 0
    assert json.loads(json.dumps(found)) == found


def test_a_killed_benchmark_goes_on(folder, monkeypatch):
    kept = []
    first = run(folder, ["blurry"], keep=lambda results: kept.append(json.loads(json.dumps(results))))
    assert kept == [first]
    monkeypatch.setitem(systems._CLASSICAL, "blurry", lambda pair, meta, truth: pytest.fail("run again"))
    both = run(folder, ["blurry", "noisy"], before=first)
    assert both["systems"]["blurry"] == first["systems"]["blurry"]
    assert both["systems"]["noisy"] == run(folder, ["noisy"])["systems"]["noisy"] | {
        key: both["systems"]["noisy"][key] for key in ("seconds", "cases")
    }


@pytest.mark.parametrize("change", ["set", "system", "failed"])
def test_rows_of_another_set_or_system_are_made_again(folder, monkeypatch, change):
    before = run(folder, ["blurry"])
    row = before["systems"]["blurry"]
    truth = row["psnr"]
    row["psnr"] = -1.0
    if change == "set":
        save(folder / "noisy" / "a.png", np.zeros((160, 224, 3), np.uint8) + 9)
    elif change == "system":
        row["version"] = "older"
    else:
        row["error"] = "out of luck"
    assert run(folder, ["blurry"], before)["systems"]["blurry"]["psnr"] == pytest.approx(truth)


def test_ours_is_ahead_of_what_it_was_given(folder):
    rows = run(folder, ["noisy", "blurry", "nlm", "twin"])["systems"]
    assert rows["twin"]["psnr"] > max(rows[name]["psnr"] for name in ("noisy", "blurry", "nlm")) + 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TwinshotError("needs its package"), "needs its package"),
        (RuntimeError("out of luck"), "out of luck"),
        (MemoryError(), "MemoryError"),
        (ValueError("shapes (1,) and (2,)\nmore"), "ValueError"),
    ],
)
def test_a_failing_system_becomes_a_row(folder, monkeypatch, error, said):
    def broken(pair, meta, truth):
        raise error

    monkeypatch.setitem(systems._CLASSICAL, "broken", broken)
    found = run(folder, ["blurry", "broken", "noisy"])
    assert said in found["systems"]["broken"]["error"]
    assert "\n" not in found["systems"]["broken"]["error"]
    assert "psnr" not in found["systems"]["broken"]
    assert found["systems"]["noisy"]["psnr"] > 10
    table = markdown(found)
    assert said in table
    assert f"| noisy | {found['systems']['noisy']['psnr']:.2f} |" in table


def test_a_system_that_fails_on_one_picture_has_no_mean(folder, monkeypatch):
    def sometimes(pair, meta, truth):
        if meta["sigma"] == 2:
            raise RuntimeError("no more")
        return truth * 0

    monkeypatch.setitem(systems._CLASSICAL, "sometimes", sometimes)
    row = run(folder, ["sometimes"])["systems"]["sometimes"]
    assert "psnr" not in row
    assert "b.png" in row["error"]


def test_a_picture_of_another_size_is_a_failure_not_a_score(folder, monkeypatch):
    monkeypatch.setitem(systems._CLASSICAL, "cropped", lambda pair, meta, truth: truth[:1])
    assert "error" in run(folder, ["cropped"])["systems"]["cropped"]


def test_ctrl_c_stops_the_benchmark(folder, monkeypatch):
    def stopped(pair, meta, truth):
        raise KeyboardInterrupt

    monkeypatch.setitem(systems._CLASSICAL, "stopped", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(folder, ["stopped", "noisy"])


def test_unknown_systems_and_missing_packages_are_rows(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    found = run(folder, ["bm3d", "magic"])["systems"]
    assert "pip install 'twinshot[bench]'" in found["bm3d"]["error"]
    assert "'magic'" in found["magic"]["error"]


def test_sets_that_are_incomplete(folder):
    (folder / "noisy" / "b.png").unlink()
    with pytest.raises(TwinshotError, match=r"noisy/b\.png: missing"):
        run(folder, ["noisy"])
    (folder / "sharp" / ".b.png.tmp").touch()
    (folder / "sharp" / "b.png").unlink()
    assert [triple.name for triple in triples_in(folder)] == ["a.png"]
    assert triples_in(folder)[0].meta == {"name": "a.png", "sigma": 1}
