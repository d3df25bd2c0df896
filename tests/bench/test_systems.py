"""What every compared system promises, checked alike for all; the networks of a checkout included."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from twinshot.bench.datasets import triples_in
from twinshot.bench.systems import known_systems, system
from twinshot.engines.models import manifest
from twinshot.picture.levels import psnr
from twinshot.picture.pair import TwinshotError

FRAMES = ("noisy", "blurry")
SLOW = {"bm3d"}  # ten seconds a picture
NAMES = [name for name in known_systems() if name not in SLOW]


@pytest.fixture
def shot(folder):
    """A night shot of 80 x 224 px, with a burst that was taken without moving."""
    first, second = triples_in(folder)
    shot = second.shot()
    rng = np.random.default_rng(0)
    truth = first.truth()[:80]
    burst = [(truth + rng.normal(0, 0.08, truth.shape)).clip(0, 1).astype(np.float32) for _ in range(10)]
    return replace(shot, burst=(shot.noisy, *burst))


@pytest.mark.parametrize("name", NAMES)
def test_contract(name, shot):
    found = system(name)
    assert found.name == name
    assert found.takes in ("pair", "noisy", "blurry", "burst")
    before = [image.copy() for image in (shot.noisy, shot.blurry, *shot.burst)]
    picture = found.restore(shot)
    assert picture.shape == shot.noisy.shape
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    for image, kept in zip((shot.noisy, shot.blurry, *shot.burst), before, strict=True):
        np.testing.assert_array_equal(image, kept)
    np.testing.assert_array_equal(found.restore(shot), picture)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_seen_but_what_a_system_takes(name, shot):
    """Swapping the frames that a system does not take for others leaves its picture as it is."""
    found = system(name)
    if name in manifest() and found.takes == "noisy":
        pytest.skip("the blurry frame sets the exposure of all networks")
    other = np.float32(1) - shot.noisy
    # Networks read the pair.
    unseen = {
        kind: replace(
            shot.pair, **{kind: replace(getattr(shot.pair, kind), pixels=255 - getattr(shot.pair, kind).pixels)}
        )
        for kind in FRAMES
    }
    changed = {
        "pair": {"burst": ()} if name in manifest() else {"burst": (), "pair": unseen["noisy"]},
        "noisy": {"blurry": other, "burst": (), "pair": unseen["blurry"]},
        "blurry": {"noisy": other, "burst": (), "pair": unseen["noisy"]},
        "burst": {"noisy": other, "blurry": other, "pair": unseen["noisy"]},
    }[found.takes]
    np.testing.assert_array_equal(found.restore(replace(shot, **changed)), found.restore(shot))


@pytest.mark.parametrize("name", ["nlm", "wavelet", "mean", "hdrplus", "ringaby", "twin"])
def test_better_than_the_noisy_frame(name, shot, folder):
    truth = triples_in(folder)[1].truth()
    assert psnr(system(name).restore(shot), truth) > psnr(shot.noisy, truth) + 1


def test_unknown_and_missing(monkeypatch, shot):
    with pytest.raises(TwinshotError, match="no system is called 'magic'; choose from noisy, blurry"):
        system("magic")
    with pytest.raises(TwinshotError, match="needs a burst"):
        system("mean").restore(replace(shot, burst=()))
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(TwinshotError, match="twinshot\\[bench\\]"):
        system("bm3d").restore(shot)
