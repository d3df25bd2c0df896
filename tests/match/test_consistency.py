"""The long frame where it is sharp, the network's picture where it is not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twinshot.match.consistency import share_of_long
from twinshot.match.sharpness import sharp_share
from twinshot.picture.pair import as_float


@pytest.fixture(scope="module")
def truth(photo):
    return as_float(np.ascontiguousarray(photo[:288, :384]))


def _noisy(truth, sigma, seed):
    noise = np.random.default_rng(seed).normal(0, sigma, truth.shape).astype(np.float32)
    return np.clip(truth + noise, 0, 1)


def _sharp(short, long):
    """The share that is sharp, of colour frames."""
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (short, long)]
    return sharp_share(*greys, greys[1], noise=0.0, doubt=0.0)[0]


def _moved(truth, length, turned=False):
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    return cv2.filter2D(truth, -1, kernel.T if turned else kernel)


@pytest.mark.parametrize("sigma", [0.02, 0.15])
def test_a_sharp_long_frame_is_told_whatever_the_noise(truth, sigma):
    assert _sharp(_noisy(truth, sigma, 1), truth).min() > 0.95


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("sigma", [0.02, 0.15])
def test_a_move_in_one_direction_is_told_whatever_the_noise(truth, sigma, turned):
    assert _sharp(_noisy(truth, sigma, 1), _moved(truth, 9, turned)).max() < 0.05


def test_a_short_frame_that_shows_nothing_tells_nothing(truth):
    assert _sharp(_noisy(np.full_like(truth, 0.5), 0.1, 1), truth).max() < 0.05


def test_what_is_spoiled_gives_way_to_a_sharp_long_frame(truth):
    """The network believed the noise: its picture agrees with nothing."""
    short = _noisy(truth, 0.15, 1)
    spoiled = cv2.GaussianBlur(short, (0, 0), 1.0)
    assert share_of_long(short, truth, spoiled, noise=0.0, doubt=0.0).mean() > 0.9


def test_what_moved_is_left_to_the_network(truth):
    """A part of the long frame shows something else."""
    long, part = truth.copy(), np.s_[100:220, 200:340]
    long[part] = truth[part][::-1, ::-1]
    share = share_of_long(_noisy(truth, 0.03, 1), long, truth, noise=0.0, doubt=0.0)
    assert share[130:190, 240:300].max() < 0.2
    assert share[:, :80].mean() > 0.7


def test_something_even_that_moved_is_left_to_the_network(truth):
    """It has no texture that could disagree, but another light than what is behind it."""
    short_at, long_at = np.s_[100:220, 200:340], np.s_[100:220, 215:355]
    seen, long = truth.copy(), truth.copy()
    seen[short_at], long[long_at] = 0.02, 0.02
    share = share_of_long(_noisy(seen, 0.03, 1), long, seen, noise=0.0, doubt=0.0)
    assert share[np.abs(long - seen).mean(-1) > 0.2].mean() < 0.1
    assert share[:, :80].mean() > 0.7


def test_wrong_light_is_no_mover(truth):
    """The edges are where the long frame has them."""
    result = truth.copy()
    result[100:220, 200:340] *= 0.8
    share = share_of_long(_noisy(truth, 0.03, 1), truth, result, noise=0.0, doubt=0.0)
    assert share[130:190, 230:310].mean() > 0.7


def test_noise_of_the_long_frame_is_kept_out(truth):
    grainy = _noisy(truth, 0.03, 2)
    assert share_of_long(_noisy(truth, 0.1, 1), grainy, truth, noise=0.03, doubt=0.0).max() == 0


@pytest.mark.parametrize(("contrast", "taken"), [(1.0, False), (0.7, True)])
def test_noise_that_the_network_took_off_is_kept_out(truth, contrast, taken):
    """Though the long frame is sharp; where the short one has lost the scene, such a picture tells nothing."""
    short, grainy = _noisy(0.5 + contrast * (truth - 0.5), 0.05, 1), _noisy(truth, 0.05, 2)
    share = share_of_long(short, grainy, truth, noise=0.008, doubt=1.0)
    assert (share.mean() > 0.5) == taken


def test_a_picture_too_small_to_tell_is_left_to_the_network(truth):
    small = np.ascontiguousarray(truth[:20, :24])
    assert _sharp(_noisy(small, 0.02, 1), small).max() == 0


def test_a_doubled_picture_is_not_sharp(truth):
    """Shown twice, 6 px apart: where the two cancel, and beyond, its detail has the other sign."""
    doubled = (np.roll(truth, -3, axis=1) + np.roll(truth, 3, axis=1)) / 2
    assert _sharp(_noisy(truth, 0.02, 1), np.ascontiguousarray(doubled)).max() < 0.05


def test_mottle_on_a_wall_is_no_mover(truth):
    """The network made patches of noise where the long frame shows an even wall."""
    long = truth.copy()
    long[60:220, 180:380] = 0.5
    mottled = long + cv2.GaussianBlur(_noisy(np.full_like(long, 0.5), 0.1, 2) - 0.5, (0, 0), 3)
    share = share_of_long(_noisy(long, 0.1, 1), long, mottled.clip(0, 1), noise=0.0, doubt=0.0)
    assert share[100:180, 230:330].min() > 0.9


@pytest.mark.parametrize(("doubt", "taken"), [(0.0, False), (1.0, True)])
def test_a_slight_blur_is_better_than_a_spoiled_picture(truth, doubt, taken):
    """Where the tone is in doubt; what the network makes is far from the long frame then."""
    short, long = _noisy(truth, 0.03, 1), _moved(truth, 3)
    spoiled = np.clip(truth + cv2.GaussianBlur(_noisy(truth, 0.3, 2) - truth, (0, 0), 1.0), 0, 1)
    share = share_of_long(short, long, spoiled, noise=0.0, doubt=doubt)
    assert (share.mean() > 0.5) == taken


@pytest.mark.parametrize(("doubt", "taken"), [(0.0, False), (1.0, True)])
def test_a_picture_that_shows_more_is_kept(truth, doubt, taken):
    """Some blur passes for none; not beside a restored picture that the short frame agrees with more."""
    soft = cv2.GaussianBlur(truth, (0, 0), 0.45)
    share = share_of_long(_noisy(truth, 0.03, 1), soft, truth, noise=0.0, doubt=doubt)
    assert (share.mean() > 0.5) == taken


def test_where_both_show_as_much_the_long_frame_is_taken(truth):
    """The short frame has lost contrast, which says nothing of either."""
    faint = cv2.GaussianBlur(_noisy(truth, 0.03, 1), (0, 0), 0.45)
    assert share_of_long(faint, truth, truth, noise=0.0, doubt=0.0).mean() > 0.9
