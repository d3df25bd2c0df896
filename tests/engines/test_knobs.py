"""Knobs: shares of grain are exact, and nothing changes where nothing is asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import twinshot
from twinshot.engines import knobs
from twinshot.match.prepare import prepare
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.levels import eight_bit
from twinshot.picture.pair import Frame, Pair, as_float
from twinshot.picture.settings import AS_FOUND, Settings


@pytest.fixture
def pair(rng):
    """A short frame, and what was made of it."""
    return rng.random((32, 48, 3), np.float32), rng.random((32, 48, 3), np.float32)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_both_strengths(pair, share):
    found = knobs.with_grain(*pair, Settings(strength=share, colour_strength=share))
    np.testing.assert_allclose(found, pair[0] + share * (pair[1] - pair[0]), atol=1e-6)


def test_grain_without_its_colour(pair):
    found = knobs.with_grain(*pair, Settings(strength=0.0))
    weights = np.array([0.2126, 0.7152, 0.0722])
    np.testing.assert_allclose(found @ weights, pair[0] @ weights, atol=1e-5)
    np.testing.assert_allclose(found[..., 0] - found[..., 1], pair[1][..., 0] - pair[1][..., 1], atol=1e-5)


def test_nothing_asked_for_is_nothing_changed(pair):
    assert knobs.with_grain(*pair, AS_FOUND) is pair[1]


def test_grain_comes_back_where_the_long_frame_is_used_too(photo):
    """A sharp long frame takes the network's place; the grain of the short one is asked for all the same."""
    noise = np.random.default_rng(0).normal(0, 0.04, photo.shape)
    short = eight_bit(to_srgb(to_linear(as_float(photo)) / 8) + noise)
    assert twinshot.restore(short, photo).report["from_long_frame"] > 0.5
    none = twinshot.restore(short, photo, settings=Settings(strength=0.0, colour_strength=0.0))
    matched = prepare(Pair(Frame(short), Frame(photo))).short
    assert np.abs(none.image - matched).max() < 2 / 255


def test_a_burst_alone_keeps_its_grain(frames):
    none = twinshot.restore([frames[0]], settings=Settings(strength=0.0, colour_strength=0.0))
    np.testing.assert_allclose(none.image, frames[0] / 255, atol=1e-4)


def test_on_a_pair(frames):
    plain = twinshot.restore(*frames)
    half = twinshot.restore(*frames, settings=Settings(strength=0.5))
    none = twinshot.restore(*frames, settings=Settings(strength=0.0, colour_strength=0.0))
    grain = [np.std(np.diff(one.image, axis=0)) for one in (plain, half, none)]
    assert grain[0] < grain[1] < grain[2]


@pytest.mark.parametrize("wrong", [{"strength": 1.5}, {"colour_strength": -0.1}])
def test_shares_run_from_0_to_1(wrong):
    with pytest.raises(twinshot.InputError, match="give a number from 0 to 1"):
        replace(AS_FOUND, **wrong)
