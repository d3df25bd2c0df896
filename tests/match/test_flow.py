"""Small shifts that a homography leaves are found where there are any, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from twinshot.match import flow, tone
from twinshot.match.prepare import prepare
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import Frame, Pair, as_float
from twinshot.picture.window import shifted_window

GAIN = 8.0


@pytest.fixture(scope="module")
def scene(photo):
    return as_float(np.ascontiguousarray(photo[:384, :480]))


def _short(scene, sigma, seed=0):
    """Darker, with noise of `sigma` once it is brightened."""
    light = to_linear(scene) / GAIN
    noise = np.random.default_rng(seed).normal(0, sigma / GAIN, scene.shape)
    return to_srgb((light + noise).clip(0, 1).astype(np.float32))


def _wavy(size, most=2.5):
    """A field of shifts that no homography makes, px."""
    y, x = np.indices(size, np.float32)
    return np.stack([np.sin(y / 25), np.cos(x / 30)], -1) * np.float32(most)


def _moved(image, field):
    height, width = field.shape[:2]
    x, y = (
        field[..., 0] + np.arange(width, dtype=np.float32),
        field[..., 1] + np.arange(height, dtype=np.float32)[:, None],
    )
    return cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101).clip(0, 1)


def _blurred(image, length):
    return cv2.filter2D(image, -1, np.full((1, length), 1 / length, np.float32))


def _found(short, long, matrix=None):
    return flow.found_in(short, long, matrix, tone.known((GAIN,) * 3))


def _error(first, second):
    return float(np.sqrt(np.mean((first - second)[16:-16, 16:-16] ** 2)))


@pytest.mark.parametrize(("sigma", "length"), [(0.02, 1), (0.1, 1), (0.05, 7)])
def test_parallax_is_undone(scene, sigma, length):
    still = _blurred(scene, length)
    long = _moved(still, _wavy(scene.shape[:2]))
    shifts = _found(_short(scene, sigma), long)
    undone = shifted_window(long, 0, 0, scene.shape[:2], None, shifts)
    assert _error(undone, still) < 0.4 * _error(long, still)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("sigma", "length"), [(0.005, 1), (0.1, 1), (0.1, 15), (0.4, 5)])
def test_frames_that_lie_on_each_other_are_left_alone(scene, sigma, length, seed):
    assert _found(_short(scene, sigma, seed), _blurred(scene, length)) is None


def test_shifts_come_before_the_homography(scene):
    """The long frame is turned a little, too; the shifts are those of the short frame's pixels."""
    matrix = np.array([[1.0, -0.02, 5.0], [0.02, 1.0, -3.0], [0, 0, 1]])
    size = scene.shape[1::-1]
    turned = cv2.warpPerspective(scene, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101).clip(
        0, 1
    )
    long = _moved(turned, _wavy(scene.shape[:2]))
    shifts = _found(_short(scene, 0.02), long, matrix)
    before = cv2.warpPerspective(long, matrix, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    after = shifted_window(long, 0, 0, scene.shape[:2], matrix, shifts)
    assert _error(after, scene) < 0.5 * _error(before, scene)


def test_frames_without_room_for_neighbours_are_left_alone(scene):
    long = _moved(scene, _wavy(scene.shape[:2]))
    assert _found(_short(scene, 0.02)[:40, :40], long[:40, :40]) is None


def test_a_pair_is_prepared_with_its_shifts(scene):
    """Parts of the long frame are those of the whole, and nearer to the scene than the homography alone lays it."""
    long = _moved(scene, _wavy(scene.shape[:2]))
    ready = prepare(Pair(Frame(_short(scene, 0.02)), Frame(long)))
    assert ready.shifts is not None
    np.testing.assert_allclose(ready.long_part(100, 60, (128, 96)), ready.long[100:228, 60:156], atol=5e-3)
    without = prepare(Pair(Frame(_short(scene, 0.02)), Frame(scene)))
    assert without.shifts is None
    assert _error(ready.long, scene) < 0.6 * _error(replace(ready, shifts=None).long, scene)
