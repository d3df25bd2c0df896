"""Knobs: shares of grain are exact, and nothing changes where nothing is asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import twinshot
from twinshot.engines import knobs
from twinshot.picture.settings import AS_FOUND, Settings


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return rng.random((1, 3, 32, 48), np.float32), rng.random((1, 3, 32, 48), np.float32)


def long(noisy, blurry):
    """A network that gives the long frame."""
    return blurry


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_both_strengths(pair, share):
    found = knobs.blended(long, share, share)(*pair)
    np.testing.assert_allclose(found, pair[0] + share * (pair[1] - pair[0]), atol=1e-6)


def test_grain_without_its_colour(pair):
    found = knobs.blended(long, 0.0, 1.0)(*pair)
    weights = np.array([0.2126, 0.7152, 0.0722])[:, None, None]
    np.testing.assert_allclose((found * weights).sum(1), (pair[0] * weights).sum(1), atol=1e-5)
    np.testing.assert_allclose(found[:, 0] - found[:, 1], pair[1][:, 0] - pair[1][:, 1], atol=1e-5)


def test_nothing_asked_for_is_nothing_changed():
    model = twinshot.load_model()
    assert knobs.tuned(model, AS_FOUND) is model
    tuned = knobs.tuned(model, Settings(strength=0.5))
    assert (tuned.fallback.name, tuned.fallback.settings.strength) == ("twin-noisy", 0.5)


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
