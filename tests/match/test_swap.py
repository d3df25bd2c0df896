"""The wrong order is put right, the right one is left alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twinshot.match import grain, swap
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import Frame, Metadata, Pair


def ordered(first, second, seconds=(None, None), keep=False):
    """What is made of two arrays, with their exposure times where given."""
    pair = Pair(
        Frame(first, "first.jpg", Metadata(seconds=seconds[0])),
        Frame(second, "second.jpg", Metadata(seconds=seconds[1])),
    )
    return swap.order(pair, keep)


def swapped(*arguments):
    """Why two frames changed places; empty where they did not, and then nothing is doubted either."""
    result = ordered(*arguments)
    assert result.pair.noisy.name == ("second.jpg" if result.swapped else "first.jpg")
    assert result.doubt == ""
    return result.swapped


@pytest.fixture(scope="module")
def calm(photo):
    """Two frames between which the pixels see no order."""
    return photo, cv2.GaussianBlur(photo, (0, 0), 0.6)


def grainy(level, sigma, seed):
    """A grey frame with noise, 8 bit."""
    noise = np.random.default_rng(seed).normal(level, sigma, (160, 160, 3))
    return np.round(noise.clip(0, 1) * 255).astype(np.uint8)


def darker(level, factor):
    """The sRGB value of an n-th of a level's light."""
    return float(to_srgb(to_linear(np.float32(level)) / factor))


def test_the_right_order(frames):
    assert swapped(*frames) == ""
    assert swapped(*frames, (1 / 60, 1 / 4)) == ""


def test_swapped_by_noise():
    assert swapped(grainy(0.5, 0.02, 0), grainy(0.5, 0.1, 1)) == (
        "second.jpg has more noise and fine detail than first.jpg, so second.jpg was taken as the short frame"
    )


def test_swapped_by_brightness():
    assert "second.jpg is 8.2 times darker than first.jpg" in swapped(
        grainy(0.5, 0.0, 0), grainy(darker(0.5, 8), 0.0, 1)
    )
    assert swapped(grainy(darker(0.5, 8), 0.0, 0), grainy(0.5, 0.0, 1)) == ""


def test_keeping_the_order_leaves_a_doubt():
    result = ordered(grainy(0.5, 0.02, 0), grainy(0.5, 0.1, 1), keep=True)
    assert (result.pair.noisy.name, result.swapped) == ("first.jpg", "")
    assert result.doubt == "second.jpg has more noise and fine detail than first.jpg, but the order was kept as given"
    assert ordered(grainy(0.5, 0.1, 0), grainy(0.5, 0.02, 1), keep=True).doubt == ""


@pytest.mark.parametrize(("seconds", "said"), [((1 / 4, 1 / 60), "0.25 s against 0.0167 s"), ((0.02, 0.01), "0.02 s")])
def test_swapped_by_exposure_time(calm, seconds, said):
    assert said in swapped(*calm, seconds)


@pytest.mark.parametrize("seconds", [(1 / 60, 1 / 4), (0.11, 0.1), (None, 0.1), (0.1, None)])
def test_exposure_times_that_say_nothing_bad(calm, seconds):
    assert swapped(*calm, seconds) == ""


def test_exposure_times_go_before_pixels():
    assert swapped(grainy(0.5, 0.02, 0), grainy(0.5, 0.1, 1), (1 / 60, 1 / 4)) == ""


def test_equal_noise_is_no_reason():
    assert swapped(grainy(0.5, 0.05, 0), grainy(0.5, 0.05, 1)) == ""
    assert swapped(grainy(0.5, 0.05, 0), grainy(0.5, 0.06, 1)) == ""


def test_a_darker_frame_counts_with_its_gain():
    """Noise that a camera left a little dark is noise all the same."""
    dark, bright = grainy(darker(0.5, 1.4), 0.05, 0), grainy(0.5, 0.08, 1)
    assert grain.fine_detail(bright) > 1.5 * grain.fine_detail(dark)
    assert swapped(dark, bright) == ""


@pytest.mark.parametrize(("value", "reason"), [(0, "first.jpg is all black"), (255, "times darker than first.jpg")])
def test_a_black_or_white_frame_is_not_the_short_one(value, reason):
    """What is restored then is the other."""
    flat, other = np.full((32, 32, 3), value, np.uint8), grainy(0.5, 0.05, 0)[:32, :32]
    assert reason in swapped(flat, other)
    assert swapped(other, flat) == ""


@pytest.mark.parametrize(("dtype", "value"), [(np.uint8, 3), (np.uint16, 300), (np.float32, 0.005)])
def test_a_frame_with_one_light_is_not_black(dtype, value):
    """Wherever it is: a night's short frame may show a lamp and no more."""
    dark, bright = np.zeros((600, 700, 3), dtype), np.full((600, 700, 3), 128, np.uint8)
    dark[301, 503] = value
    assert swapped(dark, bright) == ""
    assert "is all black" in swapped(np.zeros_like(dark), bright)


def test_a_factor_is_a_number_that_one_can_read():
    dark = np.zeros((32, 32, 3), np.uint8)
    dark[10, 12] = 3
    assert "e+" not in swapped(grainy(0.5, 0.05, 0)[:32, :32], dark)


@pytest.mark.parametrize("size", [(16, 16), (17, 33)])
def test_small_frames(size):
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, 256, (*size, 3), np.uint8)
    assert swapped(noisy, cv2.blur(noisy, (3, 3))) == ""
