"""Registration: known moves are found on noisy and blurred frames, and frames that do not belong are left alone."""

from __future__ import annotations

from itertools import permutations

import cv2
import numpy as np
import pytest
from skimage import data

from twinshot.match import align, tone
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import as_float
from twinshot.picture.window import window

SIZE = (340, 380)
CORNERS = np.array([[0, 0, 1], [379, 0, 1], [0, 339, 1], [379, 339, 1]], np.float64).T


def shifted(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def turned(degrees: float, zoom: float, x: float, y: float, tilt: float = 0.0) -> np.ndarray:
    """Rotation and zoom about the middle, a shift, and some perspective."""
    middle = shifted((SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2)
    angle = np.deg2rad(degrees)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1 / zoom]])
    turn[2, :2] = tilt, -tilt
    return shifted(x, y) @ middle @ turn @ np.linalg.inv(middle)


def frames(matrix, gain=1.0, noise=0.06, blur=9, seed=0):
    """A noisy frame, and a blurry one whose pixel `matrix` @ x shows what the noisy one shows at x."""
    scene = np.ascontiguousarray(data.astronaut()) / np.float32(255)
    inside = shifted(60, 80)
    noisy = window(scene, 0, 0, SIZE, inside).clip(0, 1)
    blurry = window(scene, 0, 0, SIZE, inside @ np.linalg.inv(matrix)).clip(0, 1)
    blurry = cv2.filter2D(blurry, -1, np.eye(blur) / blur)  # a diagonal streak about its own middle
    noisy = to_srgb(to_linear(noisy) / gain).clip(0, 1)
    noisy = noisy + np.random.default_rng(seed).normal(0, noise, noisy.shape)
    return (np.round(image.clip(0, 1) * 255).astype(np.uint8) for image in (noisy, blurry))


def pictures():
    return [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]


def error(found, wanted) -> float:
    """Largest distance between where the two maps put a corner, px."""
    one, other = found @ CORNERS, wanted @ CORNERS
    return float(np.linalg.norm(one[:2] / one[2] - other[:2] / other[2], axis=0).max())


@pytest.mark.parametrize(("x", "y"), [(7.0, -5.0), (-18.5, 11.25), (3.4, 0.0)])
def test_shifts(x, y):
    found = align.estimate(*frames(shifted(x, y)))
    assert found.applied
    assert found.confidence > 0.95
    assert found.shift == pytest.approx((x, y), abs=0.5)
    assert error(found.matrix, shifted(x, y)) < 1.5


@pytest.mark.parametrize("matrix", [turned(1.5, 1.01, 4, -3), turned(-0.8, 0.99, -6, 2, 1.2e-5)], ids=["turn", "tilt"])
def test_homographies(matrix):
    found = align.estimate(*frames(matrix))
    assert found.applied
    assert error(found.matrix, matrix) < 1.2
    assert error(np.eye(3), matrix) > 6  # what is found is far from nothing


def test_a_dark_frame():
    found = align.estimate(*frames(shifted(9, 6), gain=8, noise=0.02))
    assert found.applied
    assert error(found.matrix, shifted(9, 6)) < 0.9


def test_frames_larger_than_the_working_size():
    noisy, blurry = (cv2.resize(frame, None, fx=4, fy=4) for frame in frames(shifted(5, -3)))
    found = align.estimate(noisy, blurry)
    # Centres of pixels: scaling by 4 moves the origin by 1.5.
    assert found.shift == pytest.approx((20, -12), abs=0.7)


def test_all_types_of_pixels_agree():
    noisy, blurry = frames(shifted(7, -5))
    eight = align.estimate(noisy, blurry)
    deep = align.estimate(noisy.astype(np.uint16) * 257, blurry.astype(np.uint16) * 257)
    real = align.estimate(noisy / np.float32(255), blurry / np.float32(255))
    assert error(eight.matrix, deep.matrix) < 1e-3
    assert error(eight.matrix, real.matrix) < 1e-3


def test_frames_in_place_are_not_moved():
    assert not align.estimate(*frames(np.eye(3))).applied


@pytest.mark.parametrize("other", ["coffee", "chelsea", "rocket"])
def test_unrelated_frames_are_left_alone(other):
    noisy, _ = frames(np.eye(3))
    picture = cv2.resize(getattr(data, other)(), SIZE[::-1])
    found = align.estimate(noisy, cv2.blur(picture, (7, 7)))
    assert not found.applied
    assert found.confidence < 0.5
    assert found.shift == (0.0, 0.0)
    np.testing.assert_array_equal(found.matrix, np.eye(3))


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("side", [192, 340])
def test_noise_alone_does_not_make_frames_unlike(side, noise):
    noisy, blurry = (np.ascontiguousarray(frame[:side, :side]) for frame in frames(np.eye(3), noise=noise, blur=21))
    assert align.estimate(noisy, blurry).same_scene
    for other in (*pictures()[1:], blurry[::-1]):
        unrelated = cv2.blur(cv2.resize(other, (side, side)), (7, 7))
        assert not align.estimate(noisy, unrelated).same_scene


def test_frames_in_strong_noise_are_registered_by_what_they_are_in_the_large():
    found = align.estimate(*frames(shifted(6, -4), noise=3.0, blur=15))
    assert found.confidence < 0.5
    assert found.applied
    assert found.shift == pytest.approx((6, -4), abs=1.2)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_unrelated_frames_of_full_size_are_left_alone(noise):
    """A search has much to choose from there, and finds places of these two that agree by 0.2."""
    size, rng = (720, 480), np.random.default_rng(0)
    scenes = [cv2.resize(np.ascontiguousarray(picture), size) for picture in pictures()[:2]]
    for first, second in permutations(scenes):
        noisy = (first / 255 + rng.normal(0, noise, first.shape)).clip(0, 1)
        found = align.estimate(np.round(noisy * 255).astype(np.uint8), cv2.blur(second, (15, 1)))
        assert not found.applied
        assert not found.same_scene


@pytest.mark.parametrize(("x", "y"), [(70, 0), (-60, 55)])
def test_far_shifts(x, y):
    """A hand moves far between two shots; phase correlation alone loses what leaves the frame."""
    found = align.estimate(*frames(shifted(x, y)))
    assert found.applied
    assert found.shift == pytest.approx((x, y), abs=1.5)


def test_a_move_too_large_to_be_one_is_left_alone():
    found = align.estimate(*frames(shifted(130, 0)))
    assert not found.applied


@pytest.mark.parametrize("level", [0, 90, 255])
def test_flat_frames_are_left_alone(level):
    flat = np.full((*SIZE, 3), level, np.uint8)
    found = align.estimate(flat, flat)
    assert not found.applied
    assert np.isfinite(found.confidence)


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (33, 17), (20, 1000), (16, 9000), (9000, 16), (16, 32000)])
def test_any_size(size, rng):
    noisy = rng.integers(0, 256, (*size, 3), np.uint8)
    found = align.estimate(noisy, cv2.blur(noisy, (5, 5)))
    assert found.matrix.shape == (3, 3)
    assert np.isfinite(found.matrix).all()
    assert found.shift == pytest.approx((0, 0), abs=0.5)


def test_the_registered_frame_lies_on_the_other():
    noisy, blurry = map(as_float, frames(shifted(6, -4)))
    found = align.registered(noisy, blurry)
    still, _ = map(as_float, frames(np.eye(3), noise=0.0))
    inside = (slice(20, -20), slice(20, -20))
    assert np.abs(found - still)[inside].mean() < 0.5 * np.abs(blurry - still)[inside].mean()
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.dtype == np.float32


def test_a_frame_that_cannot_be_registered_comes_back_as_it_is():
    flat = np.full((64, 64, 3), 0.5, np.float32)
    noisy, _ = map(as_float, frames(np.eye(3)))
    assert align.registered(noisy[:64, :64], flat) is flat


@pytest.mark.parametrize(("seed", "blur", "move"), [(4, 9, 1), (5, 9, 3), (7, 3, 1)])
def test_of_places_that_look_alike_the_nearest_is_taken(seed, blur, move):
    """A pattern: one period further on, the frames fit as well, and phase correlation finds them there."""
    rng = np.random.default_rng(seed)
    pattern = cv2.GaussianBlur(np.tile(rng.random((24, 24, 3), np.float32), (40, 50, 1)), (0, 0), 2.4)
    noisy, blurry = pattern[20:260, 16:336], cv2.blur(pattern, (blur, 1))[20:260, 16 - move : 336 - move]
    noisy = (noisy + rng.normal(0, 0.1, noisy.shape)).clip(0, 1).astype(np.float32)
    found = align.estimate(noisy, np.ascontiguousarray(blurry))
    assert np.hypot(*found.shift) < move + 0.5


# Once the tone is known


def refined(pair, gain=1.0):
    """What two frames are registered by in the end, where the gain between them is known."""
    noisy, blurry = pair
    return align.refined(noisy, blurry, align.estimate(noisy, blurry), tone.known((gain,) * 3))


@pytest.mark.parametrize(("x", "y"), [(0.75, -0.5), (3.3, 2.6), (-18.5, 11.25)])
@pytest.mark.parametrize("blur", [1, 5, 9])
def test_a_quarter_of_a_pixel(x, y, blur):
    found = refined(frames(shifted(x, y), noise=0.04, blur=blur))
    assert found.applied
    assert found.shift == pytest.approx((x, y), abs=0.25)


@pytest.mark.parametrize("matrix", [turned(1.5, 1.01, 4, -3), turned(-0.8, 0.99, -6, 2, 1.2e-5)], ids=["turn", "tilt"])
def test_a_turn_to_a_fraction_of_a_pixel(matrix):
    found = refined(frames(matrix, noise=0.04))
    assert error(found.matrix, matrix) < 0.7


def test_a_quarter_of_a_pixel_in_the_dark():
    found = refined(frames(shifted(2.5, -1.75), gain=8, noise=0.01), gain=8)
    assert found.shift == pytest.approx((2.5, -1.75), abs=0.25)


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("blur", [1, 9])
def test_frames_that_lie_on_each_other_are_left_as_they_are(blur, noise):
    """Every warp costs some sharpness."""
    found = refined(frames(np.eye(3), noise=noise, blur=blur))
    assert not found.applied
    np.testing.assert_array_equal(found.matrix, np.eye(3))


@pytest.mark.parametrize(("move", "applied"), [(0.08, False), (0.3, True)])
def test_a_move_of_less_than_resampling_costs_is_left(move, applied):
    assert refined(frames(shifted(move, 0))).applied == applied


def test_finer_detail_does_not_undo_what_was_found_in_strong_noise():
    pair = tuple(frames(shifted(6, -4), noise=1.0, blur=15))
    assert refined(pair).shift == pytest.approx((6, -4), abs=0.9)


def test_a_flat_frame_has_no_finer_detail():
    flat = np.full((64, 64, 3), 90, np.uint8)
    found = refined((flat, flat))
    assert not found.applied
