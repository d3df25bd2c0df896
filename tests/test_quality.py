"""What ships is as good as it was: a tenth of a decibel is what may get lost unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

import twinshot
from twinshot.files.io import read
from twinshot.picture.levels import psnr
from twinshot.picture.pair import as_float

DEMO = Path(__file__).parents[1] / "demo"
CLOSE = 0.1  # dB


def test_on_the_example_pair():
    truth = as_float(read(DEMO / "sharp.jpg").pixels)
    restored = twinshot.restore(DEMO / "noisy.jpg", DEMO / "blurry.jpg")
    assert psnr(restored.image, truth) == pytest.approx(36.65, abs=CLOSE)


@pytest.mark.parametrize(("model", "expected"), [("twin", 30.14), ("twin-large", 30.46), ("twin-noisy", 29.42)])
def test_on_a_simulated_pair(triple, frames, model, expected):
    restored = twinshot.restore(*frames, model=model)
    assert psnr(restored.image, triple.sharp) == pytest.approx(expected, abs=CLOSE)
