"""Where a result leans on the long frame, asked of networks whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import twinshot
from twinshot.engines.lean import leaning
from twinshot.match.tone import Tone, apply, undone
from twinshot.picture.settings import Settings


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_fixed_blend(share, rng):
    noisy, blurry = (rng.random((1, 3, 64, 96), np.float32) for _ in range(2))

    def run(noisy, blurry):
        return (1 - share) * noisy + share * blurry

    found = leaning(run, noisy, blurry, run(noisy, blurry)[0].transpose(1, 2, 0))
    np.testing.assert_allclose(found, share, atol=1e-3)


def test_the_map_says_what_a_changed_long_frame_changes(frames):
    noisy, blurry = frames
    asked = Settings(gain=1.0, keep_order=True, trust_map=True)
    found = twinshot.restore(noisy, blurry, settings=asked)
    brighter = twinshot.restore(noisy, np.minimum(blurry, 249) + np.uint8(6), settings=replace(asked, trust_map=False))
    moved = (brighter.image - found.image)[20:-20, 20:-20].mean() * 255 / 6
    assert found.trust[20:-20, 20:-20].mean() / 255 == pytest.approx(moved, abs=0.15)


def test_a_short_frame_alone_leans_on_nothing(frames):
    alone = twinshot.restore([frames[0]], settings=Settings(trust_map=True))
    assert alone.trust.shape == (160, 224)
    assert not alone.trust.any()


def test_without_asking_there_is_no_map(frames, tmp_path):
    with pytest.raises(twinshot.OutputError, match="there is no trust map"):
        twinshot.restore(*frames).save_trust_map(tmp_path / "trust.png")


@pytest.mark.parametrize("tone", [Tone("gain", (6.0, 5.0, 7.0)), Tone("offset", (6.0, 5.0, 7.0), (-0.01, 0.0, 0.01))])
def test_a_tone_is_undone(tone, rng):
    short = rng.random((32, 32, 3), np.float32) * 0.6 + 0.1
    np.testing.assert_allclose(undone(apply(short, tone), tone, short), short, atol=2e-3)
