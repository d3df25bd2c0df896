"""Several short frames become one: less noise, no ghosts, and what does not belong is left out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import twinshot
from twinshot import burst
from twinshot.picture.levels import psnr
from twinshot.picture.pair import Frame, as_float

SIGMA = 0.08


def noisy(pixels, seed, name=None):
    """A frame with noise of its own, 8 bit."""
    values = as_float(pixels) + np.random.default_rng(seed).normal(0, SIGMA, pixels.shape)
    return Frame(np.round(values.clip(0, 1) * 255).astype(np.uint8), name or f"{seed}.png")


def moved(pixels, x, y):
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
    return cv2.warpAffine(pixels, matrix, pixels.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


@pytest.fixture(scope="module")
def still(photo):
    """Eight frames of one scene from a tripod."""
    return [noisy(photo, seed) for seed in range(8)]


def test_noise_averages_away(photo, still):
    truth = as_float(photo)
    merged = {count: burst.merge(still[:count]) for count in (2, 4, 8)}
    gains = [psnr(as_float(frame.pixels), truth) - psnr(as_float(still[0].pixels), truth) for frame in merged.values()]
    assert gains == pytest.approx([3.0, 5.8, 8.3], abs=0.6)
    for count, frame in merged.items():
        assert frame.pixels.dtype == np.uint16
        assert frame.count.shape == photo.shape[:2]
        assert 0.8 * count < frame.count.mean() <= count
        assert frame.count.max() <= count + 1e-4


def test_one_frame_stays_as_it_is(still):
    assert burst.merge(still[:1]) is still[0]
    assert still[0].count is None


def test_frames_are_registered(photo):
    frames = [noisy(moved(photo, 5 * k, -3 * k), k) for k in range(4)]
    merged = burst.merge(frames)
    base = int(merged.name.removesuffix(".png"))
    inner = np.s_[24:-24, 24:-24]
    truth = as_float(moved(photo, 5 * base, -3 * base))[inner]
    assert psnr(as_float(merged.pixels)[inner], truth) > psnr(as_float(frames[base].pixels)[inner], truth) + 4


def test_the_sharpest_is_the_reference(photo):
    frames = [noisy(cv2.GaussianBlur(photo, (0, 0), sigma), seed) for seed, sigma in enumerate((2.0, 0.5, 3.0))]
    assert burst.merge(frames).name == "1.png"


def test_a_mover_leaves_no_ghost(photo, monkeypatch):
    """A bright square that is elsewhere in every frame is where the reference has it, and nowhere else."""
    frames = []
    for seed in range(4):
        scene = photo.copy()
        scene[40 + 50 * seed : 80 + 50 * seed, 100:140] = 250
        frames.append(noisy(scene, seed))
    monkeypatch.setattr(burst, "sharpness", lambda pixels: float(pixels is frames[0].pixels))
    merged = burst.merge(frames)
    for seed in range(1, 4):
        place = np.s_[46 + 50 * seed : 74 + 50 * seed, 106:134]
        ghost = (as_float(merged.pixels)[place] - as_float(frames[0].pixels)[place]).mean()
        assert abs(ghost) < 0.01
        assert merged.count[place].mean() < 3.2
    assert as_float(merged.pixels)[46:74, 106:134].mean() == pytest.approx(250 / 255, abs=0.03)


def test_another_scene_is_left_out(photo, still):
    other = noisy(np.ascontiguousarray(photo[::-1, ::-1]), 9, "other.png")
    merged = burst.merge([*still[:2], other])
    assert merged.metadata.notes == ("was merged without other.png, which shows something else",)
    np.testing.assert_array_equal(merged.pixels, burst.merge(still[:2]).pixels)


def test_frames_of_two_sizes(still):
    with pytest.raises(twinshot.MismatchError, match=r"0.png is 420x300 but x is 40x40: give frames of the same size"):
        burst.merge([still[0], Frame(np.zeros((40, 40, 3), np.uint8), "x")])
    with pytest.raises(twinshot.InputError, match="there is no short frame"):
        burst.merge([])


def test_tall_frames_are_merged_without_seams(photo):
    """They are merged in strips of 512 rows; what is cut from around a seam has none."""
    frames = [noisy(np.tile(photo, (3, 1, 1)), seed) for seed in range(2)]
    around = np.s_[300:800]
    whole, cut = burst.merge(frames), burst.merge([Frame(frame.pixels[around], frame.name) for frame in frames])
    apart = np.abs(as_float(whole.pixels)[around] - as_float(cut.pixels)).mean((1, 2))
    assert apart[200:224].max() < 8e-5  # rows about 512


def test_a_burst_with_its_long_frame(frames, triple):
    rng = np.random.default_rng(0)
    more = [np.clip(frames[0] + rng.normal(0, 2, frames[0].shape), 0, 255).astype(np.uint8) for _ in range(2)]
    result = twinshot.restore([frames[0], *more], frames[1])
    assert result.report["frames"] > 1.5
    assert result.report["warnings"] == []
    assert psnr(result.image, triple.sharp) > psnr(triple.blurry, triple.sharp)


def test_a_burst_alone(photo, still):
    result = twinshot.restore([frame.pixels for frame in still[:3]])
    assert (result.report["model"], result.report["blurry"]) == ("twin-noisy", None)
    assert psnr(result.image, as_float(photo)) > psnr(as_float(burst.merge(still[:3]).pixels), as_float(photo))
    with pytest.raises(twinshot.InputError, match="the blurry frame is missing"):
        twinshot.restore(still[0].pixels)


def test_what_was_left_out_is_noted(photo, still):
    other = np.ascontiguousarray(photo[::-1, ::-1])
    (note,) = twinshot.restore([still[0].pixels, still[1].pixels, other]).report["notes"]
    assert "was merged without array 3 of the list" in note
