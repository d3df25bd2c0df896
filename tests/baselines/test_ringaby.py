"""Stacking: the homography is found, the mean is over what was seen, and failure is said."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twinshot.baselines.ringaby import registrations, stack
from twinshot.picture.levels import psnr

SIZE = (160, 192)
CORNERS = np.array([[0, 0], [191, 0], [191, 159], [0, 159]], np.float64)[:, None]
ORIGIN = np.array([100.0, 60.0])
SIGMA = 0.08


def noisy(frames):
    rng = np.random.default_rng(0)
    return [np.clip(f + np.float32(SIGMA) * rng.standard_normal(f.shape, np.float32), 0, 1) for f in frames]


def shaken(rng):
    """Where a frame's corners see the scene: shifted by up to 9 px and bent by up to 1.5."""
    moved = CORNERS + ORIGIN + rng.uniform(-9, 9, 2) + rng.uniform(-1.5, 1.5, CORNERS.shape)
    return cv2.getPerspectiveTransform(CORNERS.astype(np.float32), moved.astype(np.float32))


def seen(scene, matrix):
    return cv2.warpPerspective(scene, matrix, SIZE[::-1], flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)


@pytest.fixture(scope="module")
def scene(photo):
    return photo.astype(np.float32) / 255


@pytest.fixture(scope="module")
def views():
    rng = np.random.default_rng(5)
    still = np.array([[1, 0, ORIGIN[0]], [0, 1, ORIGIN[1]], [0, 0, 1]])
    return [still, *(shaken(rng) for _ in range(7))]


@pytest.fixture(scope="module")
def burst(scene, views):
    return noisy([seen(scene, view) for view in views])


@pytest.fixture(scope="module")
def stacked(burst):
    return stack(burst)


def test_beats_the_unaligned_mean_and_the_single_frame(scene, views, burst, stacked):
    truth = seen(scene, views[0])
    assert psnr(stacked, truth) > psnr(np.mean(burst, 0), truth) + 6
    assert psnr(stacked, truth) > psnr(burst[0], truth) + 7  # of 10 log 8 = 9 dB


def test_finds_the_homography(views, burst):
    points = np.stack(np.meshgrid(np.arange(192.0), np.arange(160.0)), -1).reshape(-1, 1, 2)
    errors = []
    for view, found in zip(views[1:], registrations(burst), strict=True):
        truth = cv2.perspectiveTransform(points + ORIGIN, np.linalg.inv(view))
        errors.append(np.linalg.norm(cv2.perspectiveTransform(points, found.matrix) - truth, axis=-1).mean())
        assert found.method == "tracks"
    assert max(errors) < 0.6
    assert np.mean(errors) < 0.3


def test_same_burst_same_picture(burst, stacked):
    before = [frame.copy() for frame in burst]
    np.testing.assert_array_equal(stack(burst), stacked)
    np.testing.assert_array_equal(burst, before)


def test_pixels_that_one_frame_saw_are_that_frame(scene):
    first, moved = scene[60:220, 100:292], scene[60:220, 130:322]
    result = stack([first, moved])
    np.testing.assert_allclose(result[:, :25], first[:, :25], atol=1e-6)
    assert psnr(result, first) > 35


def test_sift_helps_where_tracking_fails(scene):
    turned = cv2.getRotationMatrix2D((96, 80), 50, 1.0)
    first = scene[60:220, 100:292]
    frame = cv2.warpAffine(scene[60:220, 100:292], turned, SIZE[::-1], flags=cv2.INTER_CUBIC)
    (found,) = registrations([first, frame])
    assert found.method == "sift"
    np.testing.assert_allclose(found.matrix[:2], turned, atol=0.5)


@pytest.mark.parametrize("kind", ["noise", "flat"])
def test_no_registration_is_said_and_leaves_the_frame(scene, kind):
    first = scene[60:220, 100:292]
    rng = np.random.default_rng(1)
    other = rng.random(first.shape, np.float32) if kind == "noise" else np.full_like(first, 0.4)
    (found,) = registrations([first, other])
    assert found.method == "none"
    np.testing.assert_array_equal(found.matrix, np.eye(3))
    np.testing.assert_allclose(stack([first, other]), (first + other) / 2, atol=1e-5)


def test_first_frame_without_corners(scene):
    (found,) = registrations([np.full((32, 32, 3), 0.4, np.float32), scene[:32, :32]])
    assert found.method == "none"


@pytest.mark.parametrize("size", [(16, 16), (37, 53)])
def test_any_size(scene, size):
    burst = noisy([scene[60 : 60 + size[0], 100 : 100 + size[1]]] * 3)
    result = stack(burst)
    assert result.shape == (*size, 3)
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1
