"""Triples from real pairs: the short file as it is, a truth that lies on it, and a blur that is simulated."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import save
from PIL import Image

from twinshot.files import io
from twinshot.picture.levels import eight_bit
from twinshot.picture.pair import TwinshotError
from twinshot.synth import brackets
from twinshot.synth.brackets import BracketPlan, RealPair, agreement_of, moved, pairs_in, registered, write_brackets

SHIFT = (3.3, -2.4)  # px, of the long frame


def exif(seconds):
    block = Image.Exif()
    block.get_ifd(0x8769).update({0x829A: seconds, 0x8827: 100})
    return block


def shot(photo, shift=(0.0, 0.0)):
    """A long and a short frame, the long one moved."""
    size = (photo.shape[1], photo.shape[0])
    long = cv2.warpAffine(
        photo,
        np.float64([[1, 0, shift[0]], [0, 1, shift[1]]]),
        size,
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    rng = np.random.default_rng(0)
    short = (photo / 255) ** 1.2 / 4
    return eight_bit((short + rng.normal(0, 0.004, short.shape)).clip(0, 1)), long


@pytest.fixture(scope="module")
def source(tmp_path_factory, photo) -> Path:
    """Two pairs in brackets' layout: one whose long frame is moved, and one of two scenes."""
    root = tmp_path_factory.mktemp("brackets")
    (root / "night").mkdir()
    short, long = shot(photo, SHIFT)
    save(root / "night" / "short.jpg", short, quality=98, exif=exif(0.01))
    save(root / "night" / "long.jpg", long, quality=98, exif=exif(0.25))
    save(root / "night" / "other.jpg", np.ascontiguousarray(photo[:, ::-1]), quality=98)
    save(root / "night" / "dark.jpg", shot(photo)[0])
    with (root / "pairs.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["folder", "camera", "short", "long"])
        table.writerows([["night", "x", "dark.jpg", "other.jpg"], ["night", "x", "short.jpg", "long.jpg"]])
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory, source) -> Path:
    output = tmp_path_factory.mktemp("made") / "set"
    assert write_brackets(source, output, BracketPlan(seed=7)) == 4
    return output


def lines(folder):
    return [json.loads(row) for row in (folder / "meta.jsonl").read_text().splitlines()]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_pair_of_two_scenes_is_left_out_and_said(made):
    rows = lines(made)
    assert [row["source"] for row in rows] == ["night/dark.jpg"] * 2 + ["night/short.jpg"] * 2
    assert all("correlate by" in row["left_out"] for row in rows[:2])
    assert not any("left_out" in row for row in rows[2:])
    assert {row["seed"] for row in rows} == {7}
    assert {row["shown"] for row in rows} == {False}
    for kind in ("noisy", "blurry", "sharp"):
        assert sorted(path.name for path in (made / kind).iterdir()) == ["000002.png", "000003.png"]


def test_the_short_file_is_as_it_was_and_the_truth_lies_on_it(made, source, photo):
    noisy, sharp = (io.read(made / kind / "000002.png") for kind in ("noisy", "sharp"))
    short = io.read(source / "night" / "short.jpg")
    border = (short.size[0] - noisy.size[0]) // 2
    assert 3 <= border <= 8
    view = np.s_[border:-border, border:-border]
    np.testing.assert_array_equal(noisy.pixels, short.pixels[view])
    assert noisy.metadata.exposure == pytest.approx(short.metadata.exposure)
    assert noisy.metadata.seconds == pytest.approx(0.01)
    off = np.abs(sharp.pixels.astype(float) - photo[view]).mean()
    moved_off = np.abs(io.read(source / "night" / "long.jpg").pixels[view].astype(float) - photo[view]).mean()
    assert off < 0.35 * moved_off


def test_blurs(made):
    first, second = lines(made)[2:]
    assert first["blur"] != second["blur"]
    assert first["residual"] < 0.4
    assert first["shift"] == pytest.approx(np.hypot(*SHIFT), abs=0.5)
    blurry = [io.read(made / "blurry" / f"00000{number}.png") for number in (2, 3)]
    assert not np.array_equal(*(frame.pixels for frame in blurry))
    assert {frame.metadata.seconds for frame in blurry} == {0.25}


def test_a_killed_run_goes_on_to_the_same_bytes(made, source, tmp_path, monkeypatch):
    output = tmp_path / "set"
    write, written = io.write, []

    def stop(path, pixels, metadata):
        if len(written) == 4:  # in the middle of the second triple
            raise KeyboardInterrupt
        written.append(path)
        write(path, pixels, metadata)

    monkeypatch.setattr(brackets.io, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        write_brackets(source, output, BracketPlan(seed=7))
    monkeypatch.undo()
    assert len(lines(output)) == 3
    assert write_brackets(source, output, BracketPlan(seed=7)) == 4
    assert contents(output) == contents(made)
    monkeypatch.setattr(brackets, "prepare", lambda *_, **__: pytest.fail("made again"))
    assert write_brackets(source, output, BracketPlan(seed=7)) == 4
    with pytest.raises(TwinshotError, match="was made with another source"):
        write_brackets(source, output, BracketPlan(seed=8))


def test_some_pairs_and_their_middle(source, tmp_path):
    assert write_brackets(source, tmp_path / "set", BracketPlan(blurs=1, count=1, side=160)) == 1
    [pair] = brackets.spread(pairs_in(source)[1:], 1)
    found = registered(pair)
    assert brackets.view_of(found, 160) == (slice(70, 230), slice(130, 290))
    assert brackets.view_of(found, 1000) == brackets.view_of(found, None)


def test_folders_of_one_name_each(tmp_path, photo):
    for folder in ("low", "high"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / "2.png", photo)
    assert pairs_in(tmp_path) == [RealPair(tmp_path / "low" / "2.png", tmp_path / "high" / "2.png")]
    assert pairs_in(tmp_path)[0].label == "low/2.png"
    (tmp_path / "high" / "2.png").unlink()
    with pytest.raises(TwinshotError, match=r"high/2\.png: missing"):
        pairs_in(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "holds no real pairs; it needs a pairs.csv"), ("folder,short\nx,y\n", "columns folder, short and long")],
)
def test_folders_that_hold_no_pairs(tmp_path, text, said):
    if text:
        (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(TwinshotError, match=said):
        pairs_in(tmp_path)


def test_agreement(photo):
    truth = photo / np.float32(255)
    assert agreement_of(truth, truth).doubt == ""
    assert agreement_of(truth, truth).residual < 0.02
    shifted = cv2.warpAffine(truth, np.float64([[1, 0, 0.8], [0, 1, 0]]), truth.shape[1::-1], flags=cv2.INTER_CUBIC)
    found = agreement_of(truth, shifted)
    assert found.residual == pytest.approx(0.8, abs=0.15)
    assert "px apart, more than 0.4" in found.doubt
    assert "correlate by" in agreement_of(truth, np.ascontiguousarray(truth[::-1])).doubt
    assert agreement_of(truth[:40, :50], truth[:40, :50]).tiles == 1


def test_a_fifth_is_hardly_blurred(photo):
    truth = photo[:64, :64] / np.float32(255)
    found = [moved(truth, np.random.default_rng([0, number])) for number in range(60)]
    extents = np.array([extent for _, extent in found])
    assert 0.08 < (extents < 1.5).mean() < 0.35
    assert extents.max() > 26
    sharpest, blurriest = (found[place][0] for place in (extents.argmin(), extents.argmax()))
    assert np.abs(np.diff(sharpest, axis=0)).mean() > 1.3 * np.abs(np.diff(blurriest, axis=0)).mean()
    assert sharpest.dtype == np.float32
    assert all(image.min() >= 0 and image.max() <= 1 for image, _ in found)
