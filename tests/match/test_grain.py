"""Noise and fine detail of a frame, each told by what is finest in it."""

from __future__ import annotations

import numpy as np
import pytest

from twinshot.match import grain


@pytest.mark.parametrize("sigma", [0.01, 0.05, 0.1])
def test_fine_detail_of_pure_noise_is_its_sigma(sigma):
    rng = np.random.default_rng(0)
    noise = (0.5 + sigma * rng.standard_normal((301, 401, 3))).astype(np.float32)
    assert grain.fine_detail(noise) == pytest.approx(sigma, rel=0.05)


def test_fine_detail_looks_at_the_middle(rng):
    frame = np.full((1600, 1700, 3), 128, np.uint8)
    frame[:20], frame[-20:], frame[:, :60], frame[:, -60:] = (
        rng.integers(0, 256, part.shape) for part in (frame[:20], frame[-20:], frame[:, :60], frame[:, -60:])
    )
    assert grain.fine_detail(frame) == 0
    frame[700:900] = rng.integers(0, 256, frame[700:900].shape)
    assert grain.fine_detail(frame[650:950]) > 0.1


@pytest.mark.parametrize("sigma", [0.01, 0.05])
def test_flat_noise_is_that_of_the_flat_half(sigma):
    """However much is sharp beside it."""
    rng = np.random.default_rng(0)
    frame = np.full((320, 320, 3), 0.5, np.float32)
    frame[:160] = rng.random((160, 320, 1), np.float32)
    noisy = frame + (sigma * rng.standard_normal((320, 320, 1))).astype(np.float32)
    assert grain.flat_noise(noisy) == pytest.approx(sigma, rel=0.15)
