"""The wrong order is noticed, the right one is not doubted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twinshot.match import swap, tone
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import Frame, Metadata, Pair


def doubt(noisy, blurry, seconds=(None, None)):
    """The doubt about two arrays, with their exposure times where given."""
    pair = Pair(
        Frame(noisy, "first.jpg", Metadata(seconds=seconds[0])),
        Frame(blurry, "second.jpg", Metadata(seconds=seconds[1])),
    )
    return swap.doubt(pair, tone.estimate(noisy, blurry))


@pytest.fixture(scope="module")
def calm(photo):
    """Two frames between which the pixels see no order."""
    return photo, cv2.GaussianBlur(photo, (0, 0), 0.6)


def test_the_right_order(frames):
    assert doubt(*frames) is None
    assert doubt(*frames, (1 / 60, 1 / 4)) is None


def test_swapped_by_noise(frames):
    said = doubt(frames[1], frames[0])
    assert said is not None
    assert "more noise" in said
    assert "first.jpg" in said
    assert "second.jpg" in said


@pytest.mark.parametrize(("seconds", "said"), [((1 / 4, 1 / 60), "0.25 s against 0.0167 s"), ((0.02, 0.01), "0.02 s")])
def test_swapped_by_exposure_time(calm, seconds, said):
    assert said in str(doubt(*calm, seconds))


@pytest.mark.parametrize("seconds", [(1 / 60, 1 / 4), (0.11, 0.1), (None, 0.1), (0.1, None)])
def test_exposure_times_that_say_nothing_bad(calm, seconds):
    assert doubt(*calm, seconds) is None


def grainy(level, sigma, seed):
    """A grey frame with noise, 8 bit."""
    noise = np.random.default_rng(seed).normal(level, sigma, (160, 160, 3))
    return np.round(noise.clip(0, 1) * 255).astype(np.uint8)


def test_equal_noise_is_no_reason_to_doubt():
    assert doubt(grainy(0.5, 0.05, 0), grainy(0.5, 0.05, 1)) is None
    assert doubt(grainy(0.5, 0.05, 0), grainy(0.5, 0.06, 1)) is None
    assert doubt(grainy(0.5, 0.05, 0), grainy(0.5, 0.1, 1)) is not None


def test_a_dark_frame_counts_with_its_gain():
    """Noise that a camera left dark is noise all the same."""
    dark, bright = grainy(float(to_srgb(to_linear(np.float32(0.5)) / 8)), 0.01, 0), grainy(0.5, 0.022, 1)
    assert swap.fine_detail(bright) > 1.5 * swap.fine_detail(dark)
    assert doubt(dark, bright) is None


@pytest.mark.parametrize("sigma", [0.01, 0.05, 0.1])
def test_fine_detail_of_pure_noise_is_its_sigma(sigma):
    rng = np.random.default_rng(0)
    noise = (0.5 + sigma * rng.standard_normal((301, 401, 3))).astype(np.float32)
    assert swap.fine_detail(noise) == pytest.approx(sigma, rel=0.05)


def test_fine_detail_looks_at_the_middle():
    rng = np.random.default_rng(0)
    frame = np.full((1600, 1700, 3), 128, np.uint8)
    frame[:20], frame[-20:], frame[:, :60], frame[:, -60:] = (
        rng.integers(0, 256, part.shape) for part in (frame[:20], frame[-20:], frame[:, :60], frame[:, -60:])
    )
    assert swap.fine_detail(frame) == 0
    frame[700:900] = rng.integers(0, 256, frame[700:900].shape)
    assert swap.fine_detail(frame[650:950]) > 0.1


@pytest.mark.parametrize("size", [(16, 16), (17, 33)])
def test_small_frames(size):
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, 256, (*size, 3), np.uint8)
    assert doubt(noisy, cv2.blur(noisy, (3, 3))) is None
