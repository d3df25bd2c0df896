"""What every compared system promises, checked alike for all; the networks of a checkout included."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from twinshot.bench.classical import CLASSICAL
from twinshot.bench.datasets import shot_of
from twinshot.bench.systems import known_systems, system
from twinshot.engines.loading import load_model
from twinshot.engines.models import manifest
from twinshot.files.pairs import read_pair
from twinshot.picture.levels import eight_bit, psnr
from twinshot.picture.pair import Frame, Pair, TwinshotError

BM3D = "bm3d"  # seconds for the smallest picture
NAMES = [name for name in known_systems() if name != BM3D]


@pytest.fixture(scope="module")
def shot(triple, frames):
    """A night shot of 80 x 128 px, with a burst that was taken without moving."""
    view = np.s_[:80, :128]
    truth = triple.sharp[view]
    rng = np.random.default_rng(0)
    burst = [(truth + rng.normal(0, 0.08, truth.shape)).clip(0, 1).astype(np.float32) for _ in range(10)]
    shot = shot_of(read_pair(*(np.ascontiguousarray(frame[view]) for frame in frames)), (), truth)
    return replace(shot, burst=(shot.noisy, *burst))


@pytest.fixture(scope="module")
def picture_of(shot):
    """What a system makes of the shot; some take seconds."""
    return cache(lambda name: system(name).restore(shot))


@pytest.mark.parametrize("name", NAMES)
def test_contract(name, shot, picture_of):
    found = system(name)
    assert found.name == name
    assert found.takes in ("pair", "noisy", "blurry", "burst")
    before = [image.copy() for image in (shot.noisy, shot.blurry, *shot.burst)]
    picture = picture_of(name)
    assert picture.shape == shot.noisy.shape
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    for image, kept in zip((shot.noisy, shot.blurry, *shot.burst), before, strict=True):
        np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("name", [name for name in CLASSICAL if name != BM3D])
def test_nothing_is_seen_but_what_a_system_takes(name, shot, picture_of):
    """Changing the frames that a system does not take leaves its picture as it is, to the last bit."""
    found, other = system(name), np.float32(1) - shot.noisy
    unseen = {
        "pair": {"burst": ()},
        "noisy": {"blurry": other, "registered": other, "burst": ()},
        "blurry": {"noisy": other, "registered": other, "burst": ()},
        "burst": {"noisy": other, "blurry": other, "registered": other},
    }[found.takes]
    turned = Pair(*(Frame(255 - frame.pixels, frame.name) for frame in (shot.pair.noisy, shot.pair.blurry)))
    np.testing.assert_array_equal(found.restore(replace(shot, pair=turned, **unseen)), picture_of(name))


@pytest.mark.parametrize("name", manifest())
def test_a_network_sees_what_its_card_says(name, rng):
    """All the frames that it takes, and no others; the same frames give the same picture."""
    model = load_model(name, "onnx")
    side = max(32, model.multiple)
    first, second, third = rng.random((3, 1, 3, side, side), np.float32)
    picture = model.run(first, second)
    np.testing.assert_array_equal(model.run(first, second), picture)
    takes = model.card.takes
    assert np.array_equal(model.run(third, second), picture) == (takes == "blurry")
    assert np.array_equal(model.run(first, third), picture) == (takes == "noisy")


def test_bm3d_takes_noise_away_from_a_small_picture(triple):
    pytest.importorskip("bm3d")
    truth = triple.sharp[40:72, 40:72]
    noisy = (truth + np.random.default_rng(0).normal(0, 0.1, truth.shape)).clip(0, 1).astype(np.float32)
    pair = read_pair(*(eight_bit(image) for image in (noisy, truth)))
    shot = replace(shot_of(pair, (), truth), noisy=noisy, sigma=0.1)
    assert psnr(system(BM3D).restore(shot), truth) > psnr(noisy, truth) + 3


@pytest.mark.parametrize("name", ["nlm", "wavelet", "mean", "hdrplus", "ringaby", "twin"])
def test_better_than_the_noisy_frame(name, shot, picture_of, triple):
    truth = triple.sharp[:80, :128]
    assert psnr(picture_of(name), truth) > psnr(shot.noisy, truth) + 1


def test_unknown_and_missing(monkeypatch, shot):
    with pytest.raises(TwinshotError, match="no system is called 'magic'; choose from noisy, blurry"):
        system("magic")
    with pytest.raises(TwinshotError, match="needs a burst"):
        system("mean").restore(replace(shot, burst=()))
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(TwinshotError, match="twinshot\\[bench\\]"):
        system("bm3d").restore(shot)
