"""Line noise of the short frame is found and taken off; lines of the scene are left."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twinshot.match import lines, tone
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import as_float

GAIN, SIGMA = 8.0, 0.0025  # of linear light: the short frame's noise


@pytest.fixture(scope="module")
def scene(photo):
    return to_linear(as_float(np.ascontiguousarray(photo[:448, :512])))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _long(scene, length=9):
    """Moved down while exposed: level edges are lost."""
    return to_srgb(cv2.filter2D(scene, -1, np.full((length, 1), 1 / length, np.float32))).clip(0, 1)


def _short(scene, errors, rng):
    noisy = scene / GAIN + rng.normal(0, SIGMA, scene.shape) + errors
    return (to_srgb(noisy.clip(0, 1).astype(np.float32)) * 65535 + 0.5).astype(np.uint16)


def _found(short, long):
    return lines.found_in(short, long, None, tone.known((GAIN,) * 3))


@pytest.mark.parametrize("turned", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize(("share", "stays"), [(0.25, 0.8), (0.5, 0.65)])
def test_line_noise_is_taken_off(scene, rng, share, stays, turned):
    """Most of it where it is strong; a level edge that the long frame has lost looks like it."""
    errors = rng.normal(0, share * SIGMA, (scene.shape[1 if turned else 0], 1, 1))
    found = _found(_short(scene, errors.transpose(1, 0, 2) if turned else errors, rng), _long(scene))
    told = found.columns if turned else found.rows
    assert told.shape == (len(errors), 3)
    assert not len(found.rows if turned else found.columns)
    left = GAIN * errors[:, 0] - told
    assert np.std(left - cv2.GaussianBlur(left, (1, 0), sigmaX=0.01, sigmaY=6)) < stays * GAIN * share * SIGMA


def test_what_is_found_comes_off_any_window(scene, rng):
    errors = rng.normal(0, 0.5 * SIGMA, (len(scene), 1, 1))
    found = _found(_short(scene, errors, rng), _long(scene))
    even = np.full((64, 48, 3), 0.5, np.float32)
    inside = found.taken_off(even, 100, 7)
    np.testing.assert_allclose(to_linear(inside), to_linear(even) - found.rows[100:164, None], atol=1e-5)
    assert found.taken_off(even, len(scene) - 20, 0).shape == even.shape


@pytest.mark.parametrize("sigma", [0.0, 1.0, 4.0])
def test_pixel_noise_is_no_line_noise(scene, rng, sigma):
    short = _short(scene, rng.normal(0, sigma * SIGMA, scene.shape), rng)
    assert _found(short, _long(scene)) is lines.NONE


@pytest.mark.parametrize("period", [6, 13])
def test_a_scene_of_level_lines_is_left_alone(scene, rng, period):
    """A blind: the long frame has lost all of it, and every strip agrees."""
    height = len(scene)
    blind = 1 + 0.5 * np.sin(np.arange(height) * 2 * np.pi / period)[:, None, None]
    scene = (scene * blind.astype(np.float32)).clip(0, 1)
    assert _found(_short(scene, 0.0, rng), _long(scene, 2 * period + 1)) is lines.NONE


def test_frames_too_small_to_tell(rng):
    tiny = np.full((2, 7, 3), 100, np.uint8)
    assert _found(tiny, tiny) is lines.NONE
