"""The known-motion reference: its linear model is the camera's, and knowing it helps."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from helpers import save
from skimage import data

from twinshot.bench.analysis import by_blur
from twinshot.bench.reference import forward, known_motion, solve, table
from twinshot.bench.results import KnownMotionMeans, KnownMotionSample, Origin
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.levels import psnr
from twinshot.synth.frames import StillWindow
from twinshot.synth.motion import MotionRange


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    save(folder / "astronaut.png", data.astronaut())
    return folder


@pytest.fixture(scope="module")
def opened(photos):
    """Scene, long exposure, and the two frames in sRGB; 96 x 96 px, 9 px of blur."""
    window = StillWindow(photos / "astronaut.png", (), (96, 96), MotionRange(blur=(9.0, 9.0), movers=0.0))
    scene, _, long = window.opened("linear", np.random.default_rng(4))
    return scene, long, *window.expose("linear", np.random.default_rng(4))


def test_the_linear_model_is_the_exposure(opened):
    scene, long, sharp, blurry = opened
    matrix, inside = forward(scene, long)
    modelled = to_srgb((matrix @ to_linear(sharp).reshape(-1, 3).astype(np.float64)).astype(np.float32))
    unclipped = inside & (blurry.reshape(-1, 3).max(1) < 0.98)
    assert 0.3 < unclipped.mean() < 1
    assert np.abs(modelled - blurry.reshape(-1, 3))[unclipped].mean() < 1 / 255
    assert np.abs(sharp - blurry).mean() > 0.02


def test_knowing_the_motion_helps(opened):
    scene, long, sharp, blurry = opened
    denoised = cv2.GaussianBlur(sharp, (0, 0), 2.5)  # what a denoiser takes for noise
    noise = np.random.default_rng(0).normal(0, 0.002, blurry.shape)
    measured = (blurry + noise).clip(0, 1).astype(np.float32)
    found = solve(denoised, measured, sharp, forward(scene, long))
    assert found.shape == sharp.shape
    inner = np.s_[12:-12, 12:-12]
    assert psnr(found[inner], sharp[inner]) > psnr(denoised[inner], sharp[inner]) + 2
    assert psnr(found[inner], sharp[inner]) > psnr(blurry[inner], sharp[inner]) + 2


def test_samples(photos):
    [found] = known_motion(photos, "twin", "nlm", 1, 0)
    assert found.name == "astronaut.png"
    assert found.reference > found.alone
    assert found.pair > found.alone
    assert known_motion(photos, "twin", "nlm", 1, 0) == [found]


def test_table_and_groups():
    rows = [
        KnownMotionSample("a", 1.0, 30, 33, 35),
        KnownMotionSample("b", 4.0, 28, 30, 31),
        KnownMotionSample("c", 9.0, 27, 29, 28),
    ]
    kept = table(rows, "twin", "twin-noisy", Origin(0, "", ""))
    assert kept.means == KnownMotionMeans(alone=28.333, pair=30.667, reference=31.333)
    groups = {row.blur: row for row in by_blur(kept)}
    assert list(groups) == ["under 2 px", "2 to 6 px", "6 px and more", "all"]
    assert (groups["6 px and more"].cases, groups["6 px and more"].reference) == (1, 28)
    assert groups["all"].cases == 3
