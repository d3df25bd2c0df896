"""Bands of flickering lamps are taken off the short frame; a scene without them is left bit for bit alone."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from twinshot.match import bands, tone
from twinshot.picture.encoding import to_linear, to_srgb

PICTURES = [data.astronaut, data.coffee, data.chelsea, data.rocket]


def frames(picture, depth, periods, down=True):
    """A short frame at an eighth of the light, whose lamps flicker, and the still long one."""
    light = to_linear(np.ascontiguousarray(picture[:300, :420]) / np.float32(255))
    at = np.linspace(0, 2 * np.pi * periods, light.shape[0 if down else 1])
    flicker = (1 + depth * np.sin(at + 1)).reshape((-1, 1, 1) if down else (1, -1, 1))
    short = light * flicker / 8 + np.random.default_rng(0).normal(0, 0.002, light.shape)
    return to_srgb(short.astype(np.float32)).clip(0, 1), to_srgb(light)


def matched(short, long):
    found = bands.found_in(short, long, None, tone.known((8.0,) * 3))
    return found, tone.apply(short, tone.known((8.0,) * 3))


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize(("depth", "periods"), [(0.2, 6), (0.5, 3.5), (0.7, 12)])
def test_bands_are_taken_off(depth, periods, down):
    short, long = frames(PICTURES[1](), depth, periods, down)
    found, bright = matched(short, long)
    axis = 1 if down else 0

    def off(image):
        """How far lines are off in the mean, those that are not clipped."""
        lines = (to_linear(image) - to_linear(long)).mean((axis, 2)) / to_linear(long).mean((axis, 2))
        return np.abs(lines).mean()

    assert off(found.taken_off(bright, 0, 0)) < 0.35 * off(bright)


@pytest.mark.parametrize("picture", PICTURES)
def test_a_scene_without_bands_is_left_alone(picture):
    found, bright = matched(*frames(picture(), 0.0, 1))
    assert found is bands.NONE
    assert found.taken_off(bright, 0, 0) is bright


def test_a_part_that_hangs_over_the_end_goes_with_the_whole():
    short, long = frames(PICTURES[1](), 0.5, 4)
    found, bright = matched(short, long)
    whole = found.taken_off(bright, 0, 0)
    part = found.taken_off(np.pad(bright[200:], [(0, 40), (0, 0), (0, 0)], mode="reflect"), 200, 0)
    np.testing.assert_array_equal(part[:100], whole[200:])


def test_nothing_to_see():
    flat = np.full((64, 64, 3), 0.5, np.float32)
    for short in (flat, 0 * flat):
        assert bands.found_in(short, flat, None, tone.known((1, 1, 1))) is bands.NONE
