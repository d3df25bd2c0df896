"""The benchmark's table: every system gets a row, also one that fails."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from helpers import save
from msgspec.json import encode

from twinshot.bench import datasets, systems
from twinshot.bench.datasets import triples_in
from twinshot.bench.metrics import CONVENTIONS, colour, detail
from twinshot.bench.run import Bench, run
from twinshot.bench.systems import Plain
from twinshot.files.io import read
from twinshot.match.align import Alignment
from twinshot.picture.levels import eight_bit, psnr
from twinshot.picture.pair import TwinshotError


@pytest.fixture
def bench(folder, tmp_path):
    """Runs systems on the small set; returns its part of results.json."""

    def call(*names):
        return json.loads(encode(run(Bench({"night": folder}, names, 0, tmp_path / "out")).sets["night"]))

    return call


@pytest.fixture
def add(monkeypatch):
    """Adds a system that is one function."""

    def call(name, method, takes="pair"):
        monkeypatch.setitem(systems.CLASSICAL, name, Plain(name, takes, method))

    return call


def test_figures(bench, triple, frames):
    found = bench("blurry", "noisy")
    assert found["pictures"] == 2
    assert list(found["systems"]) == ["blurry", "noisy"]
    assert found["cases"]["a.png"]["blur"] == 9
    row = found["systems"]["blurry"]
    blurry = frames[1] / np.float32(255)
    pairs = [(blurry, triple.sharp), (blurry[:80], triple.sharp[:80])]
    metrics = {
        "psnr": psnr,
        "detail": detail,
        "colour": colour,
        **{f"ssim_{name}": convention.ssim for name, convention in CONVENTIONS.items()},
    }
    for key, metric in metrics.items():
        wanted = [metric(*pair) for pair in pairs]
        assert [case[key] for case in row["cases"]] == pytest.approx(wanted, abs=1e-3)
        assert row[key] == pytest.approx(np.mean(wanted), abs=1e-3)
    assert row["psnr_p5"] == pytest.approx(np.percentile([case["psnr"] for case in row["cases"]], 5), abs=1e-4)
    assert abs(row["checkerboard"]) < 3
    assert [case["name"] for case in row["cases"]] == ["a.png", "b.png"]
    assert row["takes"] == "blurry"


def test_harm_is_against_the_better_of_the_inputs(bench, add, triple):
    add("perfect", lambda shot: triple.sharp[: len(shot.noisy)])
    add("black", lambda shot: np.zeros_like(shot.noisy))
    found = bench("noisy", "blurry", "registered", "perfect", "black")
    rows, inputs = found["systems"], ("noisy", "blurry", "registered")
    for place, (name, case) in enumerate(found["cases"].items()):
        scores = [rows[system]["cases"][place] for system in inputs]
        assert scores[0]["name"] == name
        assert case["best_psnr"] == max(score["psnr"] for score in scores)
        assert case["best_ssim"] == max(score["ssim_paper"] for score in scores)
    assert (rows["perfect"]["harm_psnr"], rows["perfect"]["worst_ssim"]) == (0, 0)
    assert (rows["black"]["harm_psnr"], rows["black"]["harm_ssim"]) == (1, 1)
    losses = [
        case["best_psnr"] - row["psnr"]
        for case, row in zip(found["cases"].values(), rows["black"]["cases"], strict=True)
    ]
    assert rows["black"]["worst_psnr"] == pytest.approx(max(losses), abs=1e-4)


def test_what_is_not_to_be_shown_is_measured_alone(bench, folder, tmp_path):
    rows = [{"name": "a.png", "shown": False}, {"name": "b.png", "shown": False}]
    rows.append({"name": "c.png", "source": "night/7.jpg", "left_out": "too far apart"})
    (folder / "meta.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = bench("blurry")
    assert len(found["systems"]["blurry"]["cases"]) == 2
    assert found["left_out"] == {"night/7.jpg": "too far apart"}
    assert bench("blurry") == found  # where the rows are kept, nothing is drawn either
    assert not (tmp_path / "out" / "pictures").exists()


def test_results_are_on_disk_with_the_first_pictures(bench, tmp_path, triple):
    found = bench("blurry")
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert stored["sets"]["night"] == found
    assert stored["seed"] == 0
    shown = tmp_path / "out" / "pictures" / "night" / "a"
    assert sorted(path.name for path in shown.iterdir()) == ["blurry.png", "sharp.png"]
    np.testing.assert_array_equal(read(shown / "sharp.png").pixels, eight_bit(triple.sharp))


def test_pictures_that_are_missing_are_drawn_again(bench, add, tmp_path):
    first = bench("blurry")
    pictures = tmp_path / "out" / "pictures" / "night"
    kept = {path: path.read_bytes() for path in pictures.rglob("*.png")}
    shutil.rmtree(pictures)
    assert bench("blurry") == first
    assert {path: path.read_bytes() for path in pictures.rglob("*.png")} == kept
    shutil.rmtree(pictures)
    add("blurry", lambda shot: 1 / 0)
    assert bench("blurry") == first


def test_the_same_but_for_timings(bench, tmp_path):
    def stripped(value):
        if isinstance(value, dict):
            return {key: stripped(item) for key, item in value.items() if key != "seconds"}
        return [stripped(item) for item in value] if isinstance(value, list) else value

    first = stripped(bench("noisy", "nlm", "twin"))
    (tmp_path / "out" / "results.json").unlink()
    assert stripped(bench("noisy", "nlm", "twin")) == first


def test_a_perfect_picture_is_a_number_that_json_has(bench, add, triple):
    add("perfect", lambda shot: triple.sharp[: len(shot.noisy)])
    assert bench("perfect")["systems"]["perfect"]["psnr"] == 100


def test_a_set_is_looked_at_once(bench, folder, monkeypatch):
    first = bench("blurry")
    monkeypatch.setattr("twinshot.bench.run.prepared", lambda _: pytest.fail("looked at again"))
    assert bench("blurry") == first
    monkeypatch.undo()
    monkeypatch.setattr("twinshot.bench.datasets.processor", lambda: "another")
    again = bench("blurry")
    assert again["files"] != first["files"]
    assert again["systems"] == first["systems"]


@pytest.mark.parametrize(
    ("what", "by", "kept"), [("registered", 0.0005, True), ("sigma", 0.001, False), ("doubt", 0.5, False)]
)
def test_rows_are_kept_where_another_processor_rounds_the_set_otherwise(bench, tmp_path, what, by, kept):
    bench("blurry")
    path = tmp_path / "out" / "results.json"
    results = json.loads(path.read_text())
    night = results["sets"]["night"]
    night["systems"]["blurry"]["psnr"], night["files"] = -1.0, "of another processor"
    night["sha256"] = f"other {night['sha256'].partition(' ')[2]}"
    night["cases"]["a.png"][what] += by
    path.write_text(json.dumps(results))
    assert (bench("blurry")["systems"]["blurry"]["psnr"] == -1.0) == kept


def test_a_killed_benchmark_goes_on(bench, add):
    first = bench("blurry")

    def stop(shot):
        raise KeyboardInterrupt

    add("noisy", stop)
    with pytest.raises(KeyboardInterrupt):
        bench("blurry", "noisy")
    add("blurry", lambda shot: pytest.fail("run again"))
    add("noisy", lambda shot: shot.noisy)
    both = bench("blurry", "noisy")
    assert both["systems"]["blurry"] == first["systems"]["blurry"]
    assert "error" not in both["systems"]["noisy"]


MOVED = Alignment(np.array([[1.0, 0, 4], [0, 1, 0], [0, 0, 1]]), (4.0, 0.0), 0.9, 0.5, True)


def unlike(ready):
    return replace(ready, alignment=replace(ready.alignment, same_scene=False))


@pytest.mark.parametrize("change", ["set", "shown", "decided", "measured", "system", "failed"])
def test_rows_of_another_set_or_system_are_made_again(bench, folder, tmp_path, monkeypatch, change):
    truth = bench("blurry")["systems"]["blurry"]["psnr"]
    path = tmp_path / "out" / "results.json"
    results = json.loads(path.read_text())
    row = results["sets"]["night"]["systems"]["blurry"]
    row["psnr"], kept = -1.0, datasets.prepare
    if change == "set":
        save(folder / "noisy" / "a.png", np.zeros((160, 224, 3), np.uint8) + 9)
    elif change == "shown":  # the same files, registered in another way by other code
        monkeypatch.setattr("twinshot.bench.run.fingerprint", lambda _: "newer")
        monkeypatch.setattr(datasets, "prepare", lambda *pair, **how: replace(kept(*pair, **how), alignment=MOVED))
    elif change == "decided":  # the same frames, now left to the fallback
        monkeypatch.setattr("twinshot.bench.run.fingerprint", lambda _: "newer")
        monkeypatch.setattr(datasets, "prepare", lambda *pair, **how: unlike(kept(*pair, **how)))
    elif change == "measured":
        monkeypatch.setattr("twinshot.bench.run.measures", lambda: "newer")
    elif change == "system":
        row["version"] = "older"
    else:
        results["sets"]["night"]["systems"]["blurry"] = {"error": "out of luck"}
    path.write_text(json.dumps(results))
    assert bench("blurry")["systems"]["blurry"]["psnr"] == pytest.approx(truth)


def test_ours_is_ahead_of_what_it_was_given(bench):
    rows = bench("noisy", "blurry", "nlm", "wavelet", "twin")["systems"]
    assert rows["twin"]["psnr"] > max(rows[name]["psnr"] for name in ("noisy", "blurry", "nlm", "wavelet")) + 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TwinshotError("needs its package"), "needs its package"),
        (RuntimeError("out of luck"), "out of luck"),
        (MemoryError(), "MemoryError"),
        (ValueError("shapes (1,) and (2,)\nmore"), "ValueError"),
    ],
)
def test_a_failing_system_becomes_a_row(bench, add, error, said):
    def broken(shot):
        raise error

    add("broken", broken)
    found = bench("blurry", "broken", "noisy")["systems"]
    assert said in found["broken"]["error"]
    assert "\n" not in found["broken"]["error"]
    assert "psnr" not in found["broken"]
    assert found["noisy"]["psnr"] > 10


def test_a_system_that_fails_on_one_picture_has_no_mean(bench, add):
    def sometimes(shot):
        if len(shot.noisy) == 80:
            raise RuntimeError("no more")
        return shot.noisy

    add("sometimes", sometimes)
    row = bench("sometimes")["systems"]["sometimes"]
    assert "psnr" not in row
    assert "b.png" in row["error"]


def test_a_picture_of_no_numbers_is_a_failure_not_a_score(bench, add):
    add("lost", lambda shot: np.full_like(shot.noisy, np.nan))
    assert "a.png: the result has values that are not finite" in bench("lost")["systems"]["lost"]["error"]


def test_a_set_without_bursts(bench):
    """The first triple has one, the second has none."""
    for name in ("mean", "hdrplus", "ringaby"):
        assert "needs a burst, and this set has none" in bench(name)["systems"][name]["error"]


def test_a_picture_of_another_size_is_a_failure_not_a_score(bench, add):
    add("cropped", lambda shot: shot.noisy[:1])
    assert "error" in bench("cropped")["systems"]["cropped"]


def test_missing_packages_are_rows(bench, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    monkeypatch.setitem(sys.modules, "skimage.restoration", None)
    found = bench("bm3d", "wavelet", "magic")["systems"]
    assert "pip install 'twinshot[bench]'" in found["bm3d"]["error"]
    assert "pip install 'twinshot[bench]'" in found["wavelet"]["error"]
    assert "'magic'" in found["magic"]["error"]


def test_sets_that_are_incomplete(bench, folder):
    (folder / "noisy" / "b.png").unlink()
    with pytest.raises(TwinshotError, match=r"noisy/b\.png: missing"):
        bench("noisy")
    (folder / "sharp" / ".b.png.tmp").touch()
    (folder / "sharp" / "b.png").unlink()
    found = triples_in(folder)
    assert [triple.name for triple in found] == ["a.png"]
    assert found[0].meta == {"name": "a.png", "blur": 9.0}
    assert len(found[0].burst) == 3


def test_several_truths_are_scored_by_their_own_protocol(bench, folder):
    """The restored picture fits the second truth, shifted: the best of them counts."""
    sharp = read(folder / "sharp" / "b.png").pixels
    others = [save(folder / f"{number}.png", np.roll(sharp, number, 1)[:, ::-1].copy()) for number in range(2)]
    own = save(folder / "own.png", np.roll(sharp, 3, 1))
    truths = {name: [str(path) for path in (*others, own)] for name in ("b.png",)}
    (folder / "truths.json").write_text(json.dumps(truths))
    found = {triple.name: triple for triple in triples_in(folder)}
    assert [path.name for path in found["b.png"].truths] == ["0.png", "1.png", "own.png"]
    assert found["a.png"].truths == ()
    cases = {case["name"]: case for case in bench("blurry")["systems"]["blurry"]["cases"]}
    assert set(cases["b.png"]) == {"name", "psnr", "ssim_matlab", "seconds"}
    assert cases["b.png"]["psnr"] > 15
