"""The one rounding to 8 bits, and the error between two pictures."""

from __future__ import annotations

import numpy as np
import pytest

from twinshot.picture.levels import decibels, eight_bit, psnr


def test_floats_go_to_the_nearest_level_and_are_clipped():
    values = np.float32([-1, 0, 0.4999 / 255, 0.5001 / 255, 254.6 / 255, 1, 2])
    np.testing.assert_array_equal(eight_bit(values), [0, 0, 0, 1, 255, 255, 255])


def test_every_16_bit_value_goes_to_its_nearest_level():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(eight_bit(values), np.round(values / 257).astype(np.uint8))


@pytest.mark.parametrize("scale", [1, 1 / 255])
def test_levels_stay_what_they_are(scale):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(eight_bit(levels if scale == 1 else levels * np.float32(scale)), levels)


def test_a_picture_higher_than_one_strip():
    values = np.linspace(0, 1, 700, dtype=np.float32)[:, None, None].repeat(3, 2)
    np.testing.assert_array_equal(eight_bit(values), np.round(values * 255).astype(np.uint8))


def test_error_of_one_level_is_48_decibels():
    grey = np.full((20, 20, 3), 100 / 255, np.float32)
    assert (
        psnr(grey + np.float32(1 / 255), grey)
        == pytest.approx(decibels(1 / 255**2))
        == pytest.approx(48.1308, abs=1e-3)
    )
    assert psnr(grey + np.float32(0.4 / 255), grey) == float("inf")
