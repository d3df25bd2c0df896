"""What damaged files still show."""

from __future__ import annotations

import numpy as np
import pytest

from twinshot.match import remains
from twinshot.picture.pair import Frame, Metadata, Pair


@pytest.fixture
def pair_of(rng):
    """Two frames of (60, 40), of which files hold these areas."""
    whole = [rng.integers(0, 256, (60, 40, 3), np.uint8) for _ in range(2)]

    def make(*areas):
        parts = [area or (0, 0, 60, 40) for area in areas]
        pixels = [each[top:bottom, left:right] for each, (top, left, bottom, right) in zip(whole, parts, strict=True)]
        frames = [Frame(each, "a", Metadata(remains=area or None)) for each, area in zip(pixels, areas, strict=True)]
        return whole, Pair(*frames)

    return make


@pytest.mark.parametrize(
    ("areas", "place", "common"),
    [
        (((), ()), None, np.s_[:, :]),
        (((), (0, 0, 30, 40)), (0, 0), np.s_[:30, :]),
        (((20, 0, 60, 40), (0, 0, 50, 40)), (-20, 0), np.s_[20:50, :]),
        (((0, 0, 60, 30), (0, 10, 60, 40)), (0, 10), np.s_[:, 10:30]),
    ],
)
def test_what_both_show(pair_of, areas, place, common):
    whole, pair = pair_of(*areas)
    assert remains.place(pair) == place
    for pixels, wanted in zip(remains.common(pair), whole, strict=True):
        np.testing.assert_array_equal(pixels, wanted[common])


def test_nothing_is_common(pair_of):
    _, pair = pair_of((0, 0, 30, 40), (20, 0, 60, 40))
    assert remains.place(pair) is None
    assert remains.common(pair)[0].shape == (30, 40, 3)
