"""Simulated pairs under given conditions, one difficulty at a time."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers import save
from skimage import data

from twinshot.bench.robustness import AXES, Conditions, curve, large_enough, pairs_along, simulated
from twinshot.bench.systems import system
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.levels import psnr
from twinshot.picture.pair import TwinshotError, as_float

EASY = Conditions(blur=0, noise=0)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Two photographs with room for a view and its margin."""
    folder = tmp_path_factory.mktemp("large")
    save(folder / "astronaut.png", data.astronaut())
    save(folder / "coffee.png", data.coffee())
    return folder


@pytest.fixture(scope="module")
def picture(large):
    return large / "astronaut.png"


def test_the_usual_pair(picture):
    shot, truth = simulated(picture, Conditions(), [0, 0])
    assert shot.noisy.shape == shot.blurry.shape == truth.shape == (192, 192, 3)
    again, _ = simulated(picture, Conditions(), [0, 0])
    np.testing.assert_array_equal(shot.noisy, again.noisy)
    np.testing.assert_array_equal(shot.blurry, again.blurry)
    assert shot.burst == ()


def test_nothing_difficult(picture):
    shot, truth = simulated(picture, EASY, [0, 0])
    assert np.abs(shot.blurry - truth).mean() < 0.02  # what the mosaic costs
    assert shot.sigma < 0.05


@pytest.mark.parametrize("field", ["ratio", "noise"])
def test_noise_grows(picture, field):
    axis = next(axis for axis in AXES if axis.field == field)
    sigmas = [simulated(picture, replace(Conditions(), **{field: value}), [0, 0])[0].sigma for value in axis.values]
    assert sigmas == sorted(sigmas)
    assert sigmas[-1] > 1.5 * sigmas[0]


def test_blur_grows(picture):
    sharpness = []
    for blur in (0, 5, 20, 60):
        shot, _ = simulated(picture, replace(EASY, blur=blur), [0, 0])
        sharpness.append(np.abs(np.diff(shot.blurry, axis=0)).mean() + np.abs(np.diff(shot.blurry, axis=1)).mean())
    assert sharpness == sorted(sharpness, reverse=True)


@pytest.mark.parametrize("shift", [5, 20])
def test_the_long_frame_is_moved_as_far_as_asked(picture, shift):
    shot, truth = simulated(picture, replace(EASY, shift=shift), [0, 0])
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (truth, shot.blurry)]
    found, _ = cv2.phaseCorrelate(*greys, cv2.createHanningWindow(greys[0].shape[::-1], cv2.CV_32F))
    assert np.hypot(*found) == pytest.approx(shift, abs=0.5)


def test_the_long_frame_is_turned(picture):
    shot, truth = simulated(picture, replace(EASY, turn=3), [0, 0])
    back = cv2.getRotationMatrix2D((95.5, 95.5), -3, 1)
    undone = cv2.warpAffine(shot.blurry, back, (192, 192), flags=cv2.INTER_CUBIC)
    inner = np.s_[30:-30, 30:-30]
    assert np.abs(undone - truth)[inner].mean() < 0.4 * np.abs(shot.blurry - truth)[inner].mean()


def test_parallax_moves_parts_as_far_as_asked(picture):
    """The field, as it is found from noiseless frames."""
    shot, truth = simulated(picture, replace(EASY, parallax=4), [0, 0])
    greys = [(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) * 255).astype(np.uint8) for frame in (truth, shot.blurry)]
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*greys, None)
    lengths = np.linalg.norm(flow, axis=-1)[16:-16, 16:-16]
    assert 3 < np.quantile(lengths, 0.98) < 5
    assert np.quantile(lengths, 0.1) < 1


@pytest.mark.parametrize("share", [0, 0.1, 0.4])
def test_as_much_is_clipped_as_asked(picture, share):
    shot, truth = simulated(picture, replace(EASY, clipped=share), [0, 0])
    assert (shot.blurry.max(-1) > 0.99).mean() == pytest.approx(share, abs=0.05 if share else 0)
    assert truth.max() <= 1


def filed(picture, **conditions):
    """The short frame's file, linear light."""
    shot, _ = simulated(picture, replace(EASY, **conditions), [0, 0])
    return to_linear(as_float(shot.pair.noisy.pixels))


@pytest.mark.parametrize("gain", [2, 50])
def test_a_darker_file_of_the_same_noise(picture, gain):
    darkness = filed(picture).mean() / filed(picture, gain=gain).mean()
    assert darkness == pytest.approx(gain / 8, rel=0.1)
    usual, other = (simulated(picture, Conditions(gain=each), [0, 0])[0] for each in (8, gain))
    assert other.sigma == pytest.approx(usual.sigma, rel=0.35)
    np.testing.assert_array_equal(other.blurry, usual.blurry)


def test_a_lifted_black(picture):
    assert (filed(picture, black=0.02) - filed(picture)).mean() == pytest.approx(0.02, abs=0.001)


def test_a_tone_curve_between_the_frames(picture):
    plain, bent = (to_srgb(filed(picture, gamma=gamma)) for gamma in (1.0, 0.8))
    np.testing.assert_allclose(bent, plain**0.8, atol=1 / 255)


@pytest.mark.parametrize("factor", [0.25, 1, 4])
def test_exif_says_a_ratio(picture, factor):
    pair = simulated(picture, replace(EASY, exif=factor, ratio=4), [0, 0])[0].pair
    assert pair.blurry.metadata.exposure / pair.noisy.metadata.exposure == pytest.approx(4 * factor)
    assert simulated(picture, EASY, [0, 0])[0].pair.noisy.metadata.exposure is None


def test_hot_pixels(picture):
    difference = filed(picture, hot=0.002) - filed(picture)
    spots = (difference > 0.01).any(-1)
    count, _ = cv2.connectedComponents(spots.astype(np.uint8))
    assert 0.5 < (count - 1) / (0.002 * spots.size) < 1.3
    assert (difference[spots] > 0.01).sum(-1).max() <= 2  # of one colour each, where two do not touch


def test_more_short_frames_are_less_noise(picture):
    usual = Conditions(noise=1.0)
    one, four = (simulated(picture, replace(usual, frames=count), [0, 0]) for count in (1, 4))
    assert one[0].pair.noisy.count is None
    assert four[0].pair.noisy.count.mean() > 2.5  # a hand's move apart, and found again
    np.testing.assert_array_equal(one[0].pair.blurry.pixels, four[0].pair.blurry.pixels)
    errors = [psnr(shot.noisy, truth) for shot, truth in (one, four)]
    assert errors[1] > errors[0] + 2  # dB; 6 but for what a file clips at black, which does not average out


def test_an_axis_under_other_conditions(picture):
    axis = next(axis for axis in AXES if axis.key == "blur-at-night")
    assert (axis.field, axis.usual.noise, axis.values[-1]) == ("blur", 1, 2)
    [[(shot, _)]] = pairs_along(replace(axis, values=(2,)), [picture], 0)
    usual, _ = simulated(picture, Conditions(blur=2), [0, 0])
    assert shot.sigma > 1.5 * usual.sigma


def test_a_scene_is_as_bright_whatever_its_blur(picture):
    truths = [simulated(picture, replace(EASY, blur=blur), [0, 0])[1] for blur in (0.0, 60.0)]
    np.testing.assert_allclose(*truths, atol=1e-6)
    assert truths[0].max() < 0.99


def test_curve(large, photos):
    axis = replace(next(axis for axis in AXES if axis.field == "noise"), values=(0, 1))
    pairs = pairs_along(axis, large_enough(large), 0)
    assert [len(point) for point in pairs] == [2, 2]
    clean, night = curve(system("noisy"), pairs)
    assert clean > night + 5
    assert clean == pytest.approx(np.mean([psnr(shot.noisy, truth) for shot, truth in pairs[0]]), abs=1e-3)
    assert curve(system("hdrplus"), pairs) is None


def test_photographs_must_hold_the_view(large, photos):
    assert [path.name for path in large_enough(large)] == ["astronaut.png", "coffee.png"]
    with pytest.raises(TwinshotError, match="no photograph there is at least 288x288 px"):
        large_enough(photos)


def test_every_axis_is_a_condition():
    assert {axis.field for axis in AXES} <= set(Conditions.__dataclass_fields__)
    for axis in AXES:
        assert getattr(axis.usual, axis.field) in axis.values or axis.field == "blur"
    assert len({axis.key for axis in AXES}) == len(AXES)
