"""Drawing, measured on networks whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from twinshot.bench.drawing import PERIODS, both_true, contrast, on_grid
from twinshot.engines.engine import Batch


def blurred(noisy: Batch, blurry: Batch) -> Batch:
    kernel = np.array([0.25, 0.5, 0.25], np.float32)
    picture = cv2.sepFilter2D(noisy[0].transpose(1, 2, 0), -1, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)
    return picture.transpose(2, 0, 1)[None]


@pytest.mark.parametrize("period", PERIODS)
def test_all_of_a_wave_is_left_where_nothing_is_done(period: int) -> None:
    assert contrast(lambda noisy, blurry: blurry, period) == pytest.approx(1, abs=1e-4)


def test_a_filter_leaves_what_its_response_says() -> None:
    shares = [contrast(blurred, period) for period in PERIODS]
    expected = [(1 + np.cos(2 * np.pi / period)) / 2 for period in PERIODS]
    np.testing.assert_allclose(shares, expected, atol=0.01)


def test_a_wave_that_comes_out_shifted_or_darker_counts_by_its_height() -> None:
    assert contrast(lambda noisy, blurry: 0.5 * np.roll(noisy, (1, 1), (2, 3)) + 0.1, 4) == pytest.approx(0.5, abs=1e-4)


def test_one_direction_counts_as_much_as_the_other() -> None:
    assert contrast(
        lambda noisy, blurry: np.broadcast_to(noisy.mean(2, keepdims=True), noisy.shape), 3
    ) == pytest.approx(0.5, abs=1e-4)


def test_the_truth_handed_on_is_compared_on_the_grid(rng: np.random.Generator) -> None:
    truth = rng.random((70, 100, 3), np.float32)
    sizes = []

    def darker(noisy: Batch, blurry: Batch) -> Batch:
        sizes.append(noisy.shape)
        np.testing.assert_array_equal(noisy, blurry)
        return np.maximum(noisy - np.float32(51 / 255), -1)

    grey = np.clip(truth, 0.3, 0.9)
    assert both_true(darker, 32, [grey, grey]) == pytest.approx(20 * np.log10(5), abs=0.05)
    assert sizes == [(1, 3, 64, 96)] * 2
    assert on_grid(truth, 16).shape == (64, 96, 3)
