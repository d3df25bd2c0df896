"""HDR+: tiles find their shifts, the merge gains what its filter allows and refuses what moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twinshot.baselines.hdrplus import PUBLISHED, Noise, align, merge
from twinshot.picture.levels import psnr

SIGMA = 0.05


def noisy(frames, seed=0):
    rng = np.random.default_rng(seed)
    return [frame + np.float32(SIGMA) * rng.standard_normal(frame.shape, np.float32) for frame in frames]


@pytest.fixture(scope="module")
def scene(photo):
    """Float values far enough from black and white that no noise is clipped."""
    return photo.astype(np.float32) / 255 * 0.6 + 0.2


def view(scene, y=0, x=0, size=(160, 176)):
    return scene[60 + y : 60 + y + size[0], 100 + x : 100 + x + size[1]]


def test_static_burst_gains_little_less_than_a_mean(scene):
    truth = view(scene)
    burst = noisy([truth] * 11)
    gained = psnr(merge(burst, Noise(SIGMA)), truth) - psnr(burst[0], truth)
    assert 7 < gained < 10.4  # c = 8 pays for its caution with some of 10 log 11


def test_a_trusting_filter_gains_the_whole_root_of_eleven(scene):
    truth = view(scene)
    burst = noisy([truth] * 11)
    trusting = replace(PUBLISHED, temporal=1e5, spatial=0.0)
    gained = psnr(merge(burst, Noise(SIGMA), trusting), truth) - psnr(burst[0], truth)
    assert gained == pytest.approx(10 * np.log10(11), abs=0.7)


def test_something_that_moves_does_not_ghost(scene):
    frames = []
    for step in range(11):
        frame = view(scene).copy()
        frame[50:90, 9 * step : 9 * step + 40] = scene[200:240, 300:340, ::-1]
        frames.append(frame)
    burst = noisy(frames)
    merged = merge(burst, Noise(SIGMA))
    assert psnr(merged, frames[0]) > psnr(np.mean(burst, 0), frames[0]) + 3
    assert psnr(merged, frames[0]) > psnr(burst[0], frames[0]) + 4


def test_a_moving_camera_costs_little(scene):
    shifts = [(0, 0), *np.random.default_rng(1).integers(-12, 13, (10, 2))]
    burst = noisy([view(scene, *shift) for shift in shifts])
    truth = view(scene)
    assert psnr(merge(burst, Noise(SIGMA)), truth) > psnr(burst[0], truth) + 6.5


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-11, 7), (24, 18)])
def test_tiles_find_a_whole_shift(scene, shift):
    first, moved = (view(scene, *at).mean(-1) for at in ((0, 0), shift))
    vectors = align(first, moved)
    inner = vectors[4:-4, 4:-4]  # a shift takes what is further out from the frame
    assert inner.size
    assert np.mean((inner == -np.array(shift)).all(-1)) > 0.94


def test_shot_noise_is_merged_by_its_own_level(scene):
    truth, rng = view(scene), np.random.default_rng(2)
    noise = Noise(read=0.01, shot=0.006)
    burst = [rng.normal(truth, np.sqrt(noise.variance(truth))).astype(np.float32) for _ in range(8)]
    told = psnr(merge(burst, noise), truth)
    assert told > psnr(merge(burst, replace(noise, shot=0.0)), truth) + 2
    assert told > psnr(burst[0], truth) + 6


def test_noiseless_frame_comes_back_as_it_is(scene):
    truth = view(scene, size=(37, 53))
    np.testing.assert_allclose(merge([truth] * 3, Noise(0.0)), truth, atol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (37, 53), (53, 37), (16, 130)])
def test_any_size(scene, size):
    burst = noisy([view(scene, size=size)] * 4)
    before = [frame.copy() for frame in burst]
    merged = merge(burst, Noise(SIGMA))
    assert merged.shape == (*size, 3)
    assert merged.dtype == np.float32
    assert merged.min() >= 0
    assert merged.max() <= 1
    assert psnr(merged, view(scene, size=size)) > psnr(burst[0], view(scene, size=size)) + 2
    np.testing.assert_array_equal(burst, before)
    np.testing.assert_array_equal(merged, merge(burst, Noise(SIGMA)))


def test_empty_pictures_merge_to_themselves():
    black = np.zeros((32, 40, 3), np.float32)
    np.testing.assert_array_equal(merge([black] * 3, Noise(0.0)), black)
