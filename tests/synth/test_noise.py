"""Noise against its theory."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.util import random_noise

from twinshot.picture.levels import eight_bit
from twinshot.picture.pair import as_float
from twinshot.synth import noise


def steps(levels: int, side: int = 256) -> np.ndarray:
    """Bands of equal height, of `levels` grey values from 0.1 to 0.7."""
    rows = np.repeat(np.linspace(0.1, 0.7, levels, dtype=np.float32), side * 8 // levels)
    return np.tile(rows[:, None, None], (1, side, 3))


def band_statistics(noisy, clean, levels):
    """(mean, variance, clean value) of every band of `steps`."""
    rows = len(clean) // levels
    parts = [(noisy[i * rows : (i + 1) * rows], clean[i * rows, 0, 0]) for i in range(levels)]
    return [(float(part.mean()), float(part.var()), float(value)) for part, value in parts]


@pytest.mark.parametrize(("levels", "photons"), [(2, 2), (3, 4), (8, 8), (16, 16), (100, 128)])
def test_poisson_noise(levels, photons):
    clean = steps(levels)
    assert noise.shot_values(clean) == photons
    noisy = noise.poisson(clean, photons, np.random.default_rng(0))
    assert noisy.dtype == np.float32
    assert noisy.min() >= 0
    assert noisy.max() <= 1
    np.testing.assert_allclose(noisy * photons, np.round(noisy * photons), atol=1e-4)  # whole photons
    if photons >= 100:  # no clipping to speak of
        for mean, variance, value in band_statistics(noisy, clean, levels)[:60:10]:
            assert mean == pytest.approx(value, rel=0.02)
            assert variance == pytest.approx(value / photons, rel=0.1)


def test_poisson_noise_is_scikit_images():
    clean = as_float(eight_bit(steps(100)))
    ours = noise.poisson(clean, noise.shot_values(clean), np.random.default_rng(0))
    theirs = random_noise(clean.astype(np.float64), mode="poisson", rng=1)
    for (_, one, _), (_, other, _) in zip(
        band_statistics(ours, clean, 100)[::10], band_statistics(theirs, clean, 100)[::10], strict=True
    ):
        assert one == pytest.approx(other, rel=0.12)


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_gaussian_noise(sigma):
    clean = np.full((300, 300, 3), 0.5, np.float32)
    noisy = noise.gaussian(clean, sigma, np.random.default_rng(0))
    assert noisy.dtype == np.float32
    assert noisy.mean() == pytest.approx(0.5, abs=0.001)
    assert noisy.std() == pytest.approx(sigma, rel=0.01)
    residue = (noisy - 0.5) / sigma
    assert np.abs(residue).max() > 4
    assert abs((residue[1:] * residue[:-1]).mean()) < 0.01  # independent of its neighbours
    assert noise.gaussian(clean * 0, sigma, np.random.default_rng(0)).min() == 0


@pytest.mark.parametrize("value", [0.0, 0.2, 0.8])
def test_sensor_noise(value):
    shot, read = 0.01, 0.03
    noisy = noise.sensor(np.full((300, 300, 3), value, np.float32), shot, read, np.random.default_rng(0))
    assert noisy.dtype == np.float32
    assert noisy.mean() == pytest.approx(value, abs=0.002)
    assert noisy.var() == pytest.approx(shot * value + read**2, rel=0.02)


@pytest.mark.parametrize("colour", [(0.8, 0.4, 0.1), (0.05, 0.3, 0.9), (0.0, 0.0, 0.6), (1.9, 1.0, 0.5)])
@pytest.mark.parametrize("black", [0.0, 0.25])
def test_the_mosaic_keeps_colours(colour, black, rng):
    flat = np.empty((40, 60, 3), np.float32)
    flat[...] = colour
    developed = noise.through_mosaic(flat, 0, 0, black, rng)
    np.testing.assert_allclose(developed, flat, atol=2e-4)
    assert developed.dtype == np.float32


def test_the_mosaic_keeps_a_photographs_colours_and_place(photo, rng):
    clean = photo[:200, :200] / np.float32(255)
    developed = noise.through_mosaic(clean, 0, 0, 0.0, rng)
    loss = np.abs(developed - clean).mean()
    assert loss < 0.015
    for shift in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        assert np.abs(np.roll(developed, shift, (0, 1)) - clean)[2:-2, 2:-2].mean() > loss
    assert np.abs(developed[..., ::-1] - clean).mean() > 3 * loss


def test_mosaic_noise_is_correlated():
    flat = np.full((200, 200, 3), 0.5, np.float32)
    noisy = noise.through_mosaic(flat, 0, 0.05, 0.0, np.random.default_rng(0)) - flat
    alone = noise.sensor(flat, 0, 0.05, np.random.default_rng(0)) - flat
    for channel in range(3):
        along = noisy[..., channel]
        assert (along[:, 1:] * along[:, :-1]).mean() / along.var() > 0.25
        along = alone[..., channel]
        assert abs((along[:, 1:] * along[:, :-1]).mean() / along.var()) < 0.02
    assert 0.02 < noisy.std() < 0.05  # interpolation averages


def test_black_level():
    dark = np.zeros((100, 100, 3), np.float32)
    assert noise.through_mosaic(dark, 0, 0.05, 0.0, np.random.default_rng(0)).min() == 0
    below = noise.through_mosaic(dark, 0, 0.05, 0.25, np.random.default_rng(0))
    assert -0.25 <= below.min() < -0.05
    assert below.mean() == pytest.approx(0, abs=0.002)


def test_jpeg(photo):
    image = photo[:96, :96] / np.float32(255)
    errors = [np.abs(noise.jpeg(image, quality) - image).mean() for quality in (50, 80, 98)]
    assert errors[0] > errors[1] > errors[2] > 0
    assert errors[2] < 0.02
    assert noise.jpeg(image, 90).dtype == np.float32


def test_noise_is_a_function_of_its_generator(photo):
    image = photo[:64, :64] / np.float32(255)
    for make in (
        lambda rng: noise.poisson(image, 128, rng),
        lambda rng: noise.gaussian(image, 0.1, rng),
        lambda rng: noise.through_mosaic(image, 0.01, 0.02, 0.25, rng),
    ):
        one, same, other = (make(np.random.default_rng(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, same)
        assert (one != other).mean() > 0.3


def test_a_camera_hides_grain_and_leaves_stains():
    """Brightness loses most of its noise, colour noise grows coarse, an edge stays where it is."""
    rng = np.random.default_rng(0)
    clean = np.full((128, 128, 3), 0.3, np.float32)
    clean[:, 64:] = 0.7
    noisy = (clean + rng.normal(0, 0.08, clean.shape)).astype(np.float32)
    found = noise.developed(noisy, noise.Development(chroma=3.0, luma=3.0, sharpening=0.0))

    def colour(image):
        return (image[..., 0] - image[..., 1])[:, :60]

    def coarseness(image):
        return np.corrcoef(image[:, 2:].ravel(), image[:, :-2].ravel())[0, 1]

    left = np.s_[:, :60]
    assert found[left].mean(-1).std() < 0.6 * noisy[left].mean(-1).std()
    assert coarseness(colour(noisy)) < 0.1
    assert coarseness(colour(found)) > 0.6
    step = found.mean((0, 2))
    assert step[60] == pytest.approx(0.3, abs=0.02)
    assert step[67] == pytest.approx(0.7, abs=0.02)


def test_sharpening_brings_noise_back():
    image = np.random.default_rng(1).normal(0.5, 0.05, (64, 64, 3)).astype(np.float32)
    soft, sharp = (noise.developed(image, noise.Development(2.0, 0.5, amount)).std() for amount in (0.0, 0.8))
    assert sharp > 1.2 * soft


def test_a_clean_flat_picture_is_developed_as_it_is():
    flat = np.full((32, 48, 3), 0.4, np.float32)
    np.testing.assert_allclose(noise.developed(flat, noise.Development(4.0, 4.0, 0.8)), flat, atol=2e-3)


def test_hot_pixels_are_of_one_colour_each():
    dark = np.zeros((64, 64, 3), np.float32)
    lit = noise.with_hot_pixels(dark, 0.002, np.random.default_rng(4))
    peaks = np.argwhere(lit.max(-1) == lit.max())
    y, x = peaks[0]
    assert np.count_nonzero(lit[y, x]) == 1
    colour = int(lit[y, x].argmax())
    assert lit[y, x + 1, colour] == pytest.approx(lit[y, x, colour] / 2, rel=1e-5)
    assert 2 <= np.count_nonzero(lit.max(-1) > 0) / 9 <= 20  # some eight spots of nine pixels


def test_no_share_of_hot_pixels_changes_nothing():
    image = np.full((16, 16, 3), 0.3, np.float32)
    assert np.array_equal(noise.with_hot_pixels(image, 0.0, np.random.default_rng(0)), image)
