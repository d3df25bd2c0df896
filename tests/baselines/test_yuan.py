"""Yuan's pair method: the kernel is found, the picture is better than its denoised start."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twinshot.baselines.yuan import PUBLISHED, Yuan, deblur, deconvolve, estimate_kernel
from twinshot.picture.levels import eight_bit, psnr

SIGMA = 0.1
SIDE = 21
SMALL = Yuan(kernel=SIDE)


def likeness(kernel, truth) -> float:
    """Correlation at about a pixel's resolution: the strokes are one pixel wide, the estimates' a little more."""
    soft, true = (cv2.GaussianBlur(k, (0, 0), 0.7) for k in (kernel, truth))
    return float(np.corrcoef(soft.ravel(), true.ravel())[0, 1])


def hook(side=SIDE):
    """A hand's path: a slanted stroke, then a bend back, lopsided so that a mirrored or shifted kernel is caught."""
    kernel = np.zeros((side, side), np.float32)
    middle = side // 2
    path = np.array([[-7, -4], [-1, -2], [3, 3], [6, 1], [7, -3]]) + middle
    cv2.polylines(kernel, [path.astype(np.int32)], False, 1.0, 1, cv2.LINE_AA)
    kernel[middle - 2 : middle + 1, middle - 4 : middle - 1] += 0.5
    return (kernel / kernel.sum()).astype(np.float64)


def pair(photo, kernel, size=(160, 192)):
    """Truth, denoised short frame, long frame."""
    rng = np.random.default_rng(0)
    scene = photo.astype(np.float32) / 255
    crop = np.s_[40 : 40 + size[0], 90 : 90 + size[1]]
    truth = scene[crop]
    blurred = cv2.filter2D(scene, -1, kernel[::-1, ::-1])[crop]
    blurry = np.clip(blurred + rng.normal(0, 0.004, truth.shape), 0, 1).astype(np.float32)
    noisy = np.clip(truth + rng.normal(0, SIGMA, truth.shape), 0, 1)
    clean = cv2.fastNlMeansDenoisingColored(eight_bit(noisy), None, 255 * SIGMA, 255 * SIGMA, 7, 21)
    return truth, clean.astype(np.float32) / 255, blurry


@pytest.fixture(scope="module")
def shot(photo):
    return pair(photo, hook())


def test_kernel_of_a_sharp_picture(shot):
    truth, _, blurry = shot
    kernel = estimate_kernel(truth, blurry, SMALL)
    assert likeness(kernel, hook()) > 0.98
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1)


def test_kernel_of_a_denoised_picture(shot):
    _, denoised, blurry = shot
    kernel = estimate_kernel(denoised, blurry, SMALL)
    assert likeness(kernel, hook()) > 0.87
    assert likeness(kernel, hook()) > likeness(kernel[::-1, ::-1], hook()) + 0.2


def test_no_blur_gives_nearly_an_impulse(shot):
    truth = shot[0]
    kernel = estimate_kernel(truth, truth, SMALL)
    middle = slice(SIDE // 2 - 1, SIDE // 2 + 2)
    assert kernel.argmax() == SIDE**2 // 2
    assert kernel[middle, middle].sum() > 0.8  # thirty steps of Landweber's do not get to the end


def test_masks_leave_no_specks(shot):
    kernel = estimate_kernel(shot[1], shot[2], SMALL)
    specked = estimate_kernel(shot[1], shot[2], Yuan(kernel=SIDE, low=0.0, high=0.0))
    away = hook() < 1e-6
    assert kernel[away].sum() < specked[away].sum()


def test_known_kernel_gives_much(shot):
    truth, denoised, blurry = shot
    assert psnr(deconvolve(denoised, blurry, hook(), SMALL), truth) > psnr(denoised, truth) + 2


def test_the_truth_stays(shot):
    """Where the start explains the long frame, nothing but the detail layer's weak sharpening is added."""
    truth = shot[0]
    impulse = np.zeros((3, 3))
    impulse[1, 1] = 1
    unsharpened = Yuan(near=0.1)
    np.testing.assert_allclose(deconvolve(truth, truth, impulse, unsharpened), truth, atol=1e-4)


def test_beats_its_denoised_start_and_the_blurry_frame(shot):
    truth, denoised, blurry = shot
    before = denoised.copy(), blurry.copy()
    result = deblur(denoised, blurry, SMALL)
    assert psnr(result, truth) > psnr(denoised, truth) + 1
    assert psnr(result, truth) > psnr(blurry, truth) + 3
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1
    np.testing.assert_array_equal(denoised, before[0])
    np.testing.assert_array_equal(blurry, before[1])


def test_a_second_round_betters_the_kernel(shot):
    _, denoised, blurry = shot
    once = deblur(denoised, blurry, Yuan(kernel=SIDE, rounds=1))
    first, second = (estimate_kernel(picture, blurry, SMALL) for picture in (denoised, once))
    assert likeness(second, hook()) > max(0.95, likeness(first, hook()) + 0.02)


def test_default_kernel_is_the_largest_that_was_asked_for(photo):
    _, denoised, blurry = pair(photo, hook(), (96, 96))
    assert estimate_kernel(denoised, blurry).shape == (PUBLISHED.kernel, PUBLISHED.kernel)


@pytest.mark.parametrize("size", [(16, 16), (37, 53), (17, 90)])
def test_any_size(photo, size):
    _, denoised, blurry = pair(photo, hook(), size)
    result = deblur(denoised, blurry)
    assert result.shape == (*size, 3)
    assert np.isfinite(result).all()


def test_flat_frames_stay_flat():
    grey = np.full((32, 32, 3), 0.5, np.float32)
    np.testing.assert_allclose(deblur(grey, grey), grey, atol=1e-5)
