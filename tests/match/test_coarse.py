"""The long frame's light is taken where its blur does not reach, and nowhere else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twinshot.match import coarse
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import as_float
from twinshot.synth.shards import sixteen_bit


@pytest.fixture(scope="module")
def truth(photo):
    return as_float(np.ascontiguousarray(photo[:384, :512]))


def _moved(truth, length):
    """Exposed while the camera moved so many px, in linear light."""
    kernel = np.full((1, length), 1 / length, np.float32)
    return to_srgb(cv2.filter2D(to_linear(truth), -1, kernel, borderType=cv2.BORDER_REFLECT)).clip(0, 1)


def _noisy(picture, sigma):
    noise = np.random.default_rng(1).normal(0, sigma, picture.shape).astype(np.float32)
    return np.clip(picture + noise, 0, 1)


def _tinted(truth, strength):
    """A wrong tone in patches: what a curve for the whole picture cannot mend."""
    patches = np.random.default_rng(2).normal(0, strength, (6, 8, 3)).astype(np.float32)
    smooth = cv2.resize(patches, truth.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(truth * (1 + smooth), 0, 1).astype(np.float32)


def _mended(short, long, restored):
    gathered = coarse.Gathered(restored.shape[:2])
    gathered.add(0, 0, short, long, restored)
    light, share = gathered.light(1.0)
    pixels = sixteen_bit(restored)
    coarse.added(pixels, light)
    return as_float(pixels), share


def _off(picture, truth):
    return float(np.sqrt(np.mean((picture - truth) ** 2)))


@pytest.mark.parametrize("blur", [1, 5])
def test_patches_of_wrong_light_are_mended(truth, blur):
    wrong = _tinted(truth, 0.25)
    mended, share = _mended(_noisy(wrong, 0.05), _moved(truth, blur), wrong)
    assert _off(mended, truth) < 0.5 * _off(wrong, truth)
    assert share > 0.2


def test_what_looks_elsewhere_has_moved_unless_the_tone_is_in_doubt(truth):
    """There a stain that a wrong tone left looks likewise: it has edges of its own."""
    scene = cv2.resize(truth, (128, 96), interpolation=cv2.INTER_AREA)
    disk = cv2.circle(np.zeros((96, 128, 3), np.float32), (64, 48), 14, (1.0, 1.0, 1.0), -1)
    stained = scene + disk * (0.4 * scene[::-1, ::-1] - scene)
    within, found = np.s_[41:55, 57:71], scene - stained
    taken = [coarse.light(scene, stained, 5.0, doubt)[0][within].mean() for doubt in (0.0, 0.5, 1.0)]
    assert taken[0] < 0.2 * found[within].mean()
    assert taken[1] == pytest.approx(taken[2] / 2, rel=0.3)
    assert taken[2] > 0.8 * found[within].mean()


def test_a_blur_that_reaches_far_is_kept_out(truth):
    """The result is right; the long frame has lost half of its light's contrast."""
    mended, share = _mended(_noisy(truth, 0.05), _moved(truth, 61), truth)
    assert _off(mended, truth) < 0.002
    assert share < 0.02


@pytest.mark.parametrize("blur", [9, 17, 31])
def test_a_right_picture_stays_as_it_is(truth, blur):
    mended, _ = _mended(_noisy(truth, 0.05), _moved(truth, blur), truth)
    assert _off(mended, truth) < 0.004


def test_the_reach_grows_with_the_blur_whatever_the_noise(truth):
    def reach(blur, sigma):
        gathered = coarse.Gathered(truth.shape[:2])
        gathered.add(0, 0, _noisy(truth, sigma), _moved(truth, blur), truth)
        return coarse.reach(gathered.powers)

    for sigma in (0.01, 0.1):
        reaches = [reach(blur, sigma) for blur in (3, 7, 15, 31)]
        assert reaches == sorted(reaches)
        assert reaches[-1] > 20 * reaches[0]
    assert reach(9, 0.1) == pytest.approx(reach(9, 0.01), rel=0.25)


@pytest.mark.parametrize("blur", [3, 10, 20])
def test_shadows_that_are_wrong_at_all_scales_do_not_lengthen_the_reach(blur):
    """As a dark room's, measured: the long frame has 1.6 times the power of what the short one shows there."""
    falls = 1 / (1 + (blur * coarse._FREQUENCIES) ** 2)
    scene = coarse._FREQUENCIES**-2.0
    wrong = np.array([1.6 * falls**2 * scene, scene, 1.05 * falls * scene])
    right = np.array([falls**2 * scene, scene, falls * scene])
    assert coarse.reach(wrong) < 3 * coarse.reach(right)


def test_tiles_tell_what_the_whole_tells(truth):
    """Two tiles that overlap, the second one hanging over the edge."""
    wrong, long = _tinted(truth, 0.25), _moved(truth, 5)
    gathered = coarse.Gathered((382, 510))
    padded = [np.pad(each[:382, :510], ((0, 2), (0, 2), (0, 0)), mode="reflect") for each in (wrong, long, wrong)]
    for left in (0, 192):
        gathered.add(0, left, *(each[:, left : left + 320] for each in padded))
    light, _ = gathered.light(1.0)
    assert light.shape == (96, 128, 3)
    pixels = sixteen_bit(wrong[:382, :510])
    coarse.added(pixels, light)
    assert _off(as_float(pixels), truth[:382, :510]) < 0.5 * _off(wrong[:382, :510], truth[:382, :510])


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_pictures_without_detail_are_left_alone(level):
    flat = np.full((80, 96, 3), level, np.float32)
    mended, _ = _mended(flat, flat, flat)
    assert np.array_equal(mended, flat)
