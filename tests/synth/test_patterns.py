"""Fine patterns."""

from __future__ import annotations

import numpy as np

from twinshot.synth.patterns import fine_pattern, patterned

SIZE = (96, 128)


def strongest_period(pattern: np.ndarray) -> float:
    """Px of the strongest wave."""
    power = np.abs(np.fft.fft2(pattern * np.hanning(SIZE[0])[:, None] * np.hanning(SIZE[1]))) ** 2
    power[0, 0] = 0
    row, column = np.unravel_index(power.argmax(), power.shape)
    return float(1 / np.hypot(np.fft.fftfreq(SIZE[0])[row], np.fft.fftfreq(SIZE[1])[column]))


def test_patterns_are_fine_and_neither_brighten_nor_darken():
    patterns = [fine_pattern(SIZE, np.random.default_rng(seed)) for seed in range(24)]
    assert all(pattern.shape == SIZE and abs(float(pattern.mean())) < 1e-4 for pattern in patterns)
    periods = [strongest_period(pattern) for pattern in patterns]
    assert min(periods) > 2
    assert np.median(periods) < 10


def test_the_same_seed_gives_the_same_pattern():
    first, again, other = (fine_pattern(SIZE, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_long_frame_has_less_of_it():
    even = np.full((*SIZE, 3), 0.4, np.float32)
    pairs = [patterned(even, even, np.random.default_rng(seed)) for seed in range(12)]
    sharp, blurry = (np.stack(frames) for frames in zip(*pairs, strict=True))
    assert sharp.dtype == blurry.dtype == np.float32
    assert sharp.min() >= 0
    assert sharp.max() <= 1
    assert sharp.std() > 0.02
    assert blurry.std() < 0.5 * sharp.std()
