"""Metrics against scikit-image's, and grids that are put in and found."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from twinshot.bench.metrics import CONVENTIONS, checkerboard, colour, detail, ssim, ssim_matlab, ssim_skimage
from twinshot.picture.levels import psnr
from twinshot.picture.pair import TwinshotError


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
    return np.floor(np.clip(image, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


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


def test_colour_is_no_matter_of_detail(photo):
    truth = photo / np.float32(255)
    grain = np.where(np.indices(truth.shape[:2]).sum(0) % 2, 0.02, -0.02)[..., None] * (truth > 0.1) * (truth < 0.9)
    assert colour(truth, truth) == 0
    assert colour(np.float32(truth + grain), truth) < 0.3
    assert colour(truth * np.float32([1, 1, 0.6]), truth) > 3
    assert colour(truth[:16, :20] * np.float32(0.7), truth[:16, :20]) > 3  # smaller than the Gaussian


def test_colour_of_a_known_difference():
    """Two greys, L* 50 and 60: CIEDE2000 weighs their difference by 1 + 0.015 (L - 50)^2 / sqrt(20 + (L - 50)^2)."""
    greys = [np.full((32, 32, 3), level / 255, np.float32) for level in (119, 145)]
    assert colour(*greys) == pytest.approx(9.5, abs=0.4)


def test_detail_is_no_matter_of_light(photo):
    truth = photo / np.float32(255)
    assert detail(truth, truth) == float("inf")
    faint, lifted = truth * np.float32(0.8), truth * np.float32(0.8) + np.float32(0.1)
    assert detail(truth * np.float32(0.9), truth) > psnr(truth * np.float32(0.9), truth) + 8
    assert detail(lifted, faint) > 50
    assert psnr(lifted, faint) < 21
    blurred = cv2.GaussianBlur(truth, (0, 0), 2)
    assert detail(blurred, truth) == pytest.approx(psnr(blurred, truth), abs=1.5)


@pytest.mark.parametrize("kind", KINDS)
def test_ssim_skimage(photo, kind):
    worse, truth = (image[:120, :128] for image in spoilt(photo, kind))
    wanted = structural_similarity(bytes_of(truth) / 255, bytes_of(worse) / 255, data_range=1, channel_axis=-1)
    assert ssim_skimage(worse, truth) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_ssim_matlab(photo, kind):
    """Edge pixels repeated by the window's radius turn scikit-image's cropped mean into MATLAB's uncropped one."""
    pair = (bytes_of(image[:120, :128]) for image in spoilt(photo, kind))
    greys = [np.round(image @ np.array([0.2989360213, 0.5870430745, 0.1140209043])) for image in pair]
    wanted = structural_similarity(
        *(np.pad(grey, 5, mode="edge") for grey in greys),
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim_matlab(*(image[:120, :128] for image in spoilt(photo, kind))) == pytest.approx(wanted, abs=1e-6)


def test_conventions(photo):
    worse, truth = spoilt(photo, "noisy")
    assert list(CONVENTIONS) == ["paper", "matlab", "skimage"]
    assert all(CONVENTIONS[name].name == name for name in CONVENTIONS)
    assert {row.psnr(worse, truth) for row in CONVENTIONS.values()} == {psnr(worse, truth)}
    assert CONVENTIONS["paper"].ssim(worse, truth) == ssim(worse, truth)
    assert len({round(row.ssim(worse, truth), 3) for row in CONVENTIONS.values()}) == 3
    for row in CONVENTIONS.values():
        assert row.ssim(truth, truth) == pytest.approx(1)


# Grids


def grid(period, shape):
    """A random grid of unit strength: each of the period's pixels has its own offset."""
    tile = np.random.default_rng(period).normal(0, 1, (period, period))
    tile = (tile - tile.mean()) / tile.std()
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.float32(tile[rows % period, columns % period][..., None])


@pytest.fixture
def truth(photo):
    return np.float32(photo[100:228, 100:228] / 255)


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_grid_shows_and_a_stronger_one_more(truth, period):
    strengths = np.array([0, 1, 2, 4, 8, 16]) / 255
    found = [checkerboard(truth + strength * grid(period, truth.shape), truth) for strength in strengths]
    assert found[0] == 0
    assert all(np.diff(found) > 0.3)
    assert found[-1] > 10


def test_along_one_axis_as_along_both(truth):
    rows, columns = np.ogrid[:128, :128]
    for sign in ((-1.0) ** rows, (-1.0) ** columns, (-1.0) ** (rows + columns)):
        offset = np.broadcast_to(sign, (128, 128))[..., None]
        assert checkerboard(np.float32(truth + 4 / 255 * offset), truth) > 5


def test_a_grid_that_comes_and_goes_with_the_content(truth):
    for period in (2, 4, 8):
        assert checkerboard(truth * (1 + 0.05 * grid(period, truth.shape)), truth) > 5


def test_a_grid_in_the_colours_alone(truth):
    offset = 8 / 255 * grid(2, truth.shape) * np.float32([0.587, -0.299, 0])  # none in the luma
    assert checkerboard(truth + offset, truth) > 3


def test_grids_of_other_periods_are_not_meant(truth):
    for period in (3, 5, 7):
        assert abs(checkerboard(truth + 8 / 255 * grid(period, truth.shape), truth)) < 3


@pytest.mark.parametrize("strength", [0.5, 1, 2, 4])
def test_blur_is_no_grid(truth, strength):
    assert abs(checkerboard(cv2.GaussianBlur(truth, (0, 0), strength), truth)) < 1


@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.1, 0.3])
def test_noise_is_no_grid(truth, sigma):
    noise = np.random.default_rng(0).normal(0, sigma, truth.shape)
    assert abs(checkerboard(np.float32(truth + noise), truth)) < 1


def test_smoothing_that_keeps_edges_is_no_grid(truth):
    noisy = bytes_of(truth + np.random.default_rng(0).normal(0, 0.1, truth.shape))
    assert abs(checkerboard(cv2.medianBlur(noisy, 5) / np.float32(255), truth)) < 1
    assert abs(checkerboard(np.full_like(truth, 0.5), truth)) < 1


def test_a_grid_of_the_scene_itself_is_none(truth):
    fence = truth + 0.1 * grid(8, truth.shape)
    assert abs(checkerboard(cv2.GaussianBlur(fence, (0, 0), 0.5), fence)) < 1
    assert checkerboard(fence, truth) > 10


def deconvolved(image, channels, rng):
    """A transposed 5x5 convolution of stride 2 with random weights, and LeakyReLU(0.2)."""
    spread = np.zeros((2 * image.shape[0], 2 * image.shape[1], image.shape[2]), np.float32)
    spread[::2, ::2] = image
    weights = rng.normal(0, 0.2, (channels, image.shape[2], 5, 5))
    layers = [sum(cv2.filter2D(spread[..., i], -1, w) for i, w in enumerate(row)) for row in weights]
    found = np.stack(layers, -1)
    return np.maximum(found, 0.2 * found)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_untrained_transposed_convolutions_show(truth, depth):
    rng = np.random.default_rng(depth)
    image = cv2.resize(truth, None, fx=0.5**depth, fy=0.5**depth, interpolation=cv2.INTER_AREA)
    for channels in [4] * (depth - 1) + [3]:
        image = deconvolved(image, channels, rng)
    image -= image.min()
    assert checkerboard(image / image.max(), truth) > 5


def test_the_whole_of_a_picture_of_any_size_is_looked_at(photo):
    truth = np.float32(photo[:90, :75] / 255)
    spoilt_end = truth.copy()
    spoilt_end[70:] += 0.1 * grid(2, (20, 75))  # beyond the first window of 64 rows
    assert checkerboard(truth, truth) == 0
    assert checkerboard(spoilt_end, truth) > 1
    with pytest.raises(TwinshotError, match="75x63 is too small"):
        checkerboard(truth[:63], truth[:63])
