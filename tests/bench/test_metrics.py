"""Metrics against scikit-image's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from twinshot.bench.metrics import psnr, ssim


def spoilt(photo, kind):
    """A picture and a worse one, floats as systems give them."""
    truth = photo / np.float32(255)
    rng = np.random.default_rng(0)
    worse = {
        "noisy": lambda: truth + rng.normal(0, 0.1, truth.shape),
        "blurred": lambda: cv2.GaussianBlur(truth, (0, 0), 2),
        "dark": lambda: truth * 0.7,
        "one channel": lambda: truth * np.float32([1, 1, 0.6]),
        "slight": lambda: truth + rng.normal(0, 0.004, truth.shape),
        "out of range": lambda: truth * 1.5 - 0.2,
    }[kind]()
    return worse.astype(np.float32), truth


KINDS = ["noisy", "blurred", "dark", "one channel", "slight", "out of range"]


def bytes_of(image):
    return np.round(np.clip(image.astype(np.float64), 0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_psnr(photo, kind):
    worse, truth = spoilt(photo, kind)
    wanted = peak_signal_noise_ratio(bytes_of(truth), bytes_of(worse), data_range=255)
    assert psnr(worse, truth) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_ssim(photo, kind):
    worse, truth = spoilt(photo, kind)
    wanted = structural_similarity(
        bytes_of(truth) / 255,
        bytes_of(worse) / 255,
        data_range=1,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(worse, truth) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("size", [(16, 16), (17, 40)])
def test_small_pictures(photo, size):
    worse, truth = (image[: size[0], : size[1]] for image in spoilt(photo, "noisy"))
    assert psnr(worse, truth) == pytest.approx(peak_signal_noise_ratio(bytes_of(truth), bytes_of(worse)), abs=1e-6)
    assert 0 < ssim(worse, truth) < 1


def test_equal_pictures(photo):
    truth = photo / np.float32(255)
    assert psnr(truth, truth) == float("inf")
    assert ssim(truth, truth) == pytest.approx(1)
    assert psnr(truth + np.float32(0.3 / 255), truth) == float("inf")  # the same file


def test_known_value():
    truth = np.zeros((32, 32, 3), np.float32)
    assert psnr(truth + np.float32(0.2), truth) == pytest.approx(20 * np.log10(1 / 0.2), abs=1e-6)
