"""Tiles: they cover everything, their weights add up to one, and no tile's own edge shows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from twinshot.engines import tile

SETTINGS = [
    (64, 24, 8, 8),
    (96, 40, 12, 16),
    (128, 64, 20, 16),
    (100, 30, 10, 8),
    (320, 160, 64, 16),
    (1280, 160, 64, 16),
]


def sides(largest: int) -> list[int]:
    """Many lengths of a side: all small ones, those about the tile's size, and some long ones."""
    rng = np.random.default_rng(largest)
    near = range(max(16, largest - 20), largest + 20)
    return [*range(16, 80), *near, *rng.integers(largest, 12 * largest, 60), 12_345, 32_000]


@pytest.mark.parametrize(("largest", "overlap", "margin", "multiple"), SETTINGS)
def test_tiles_cover_a_side_and_fade_into_one_another(largest, overlap, margin, multiple):
    for full in map(int, sides(largest)):
        axis = tile.plan(full, largest, overlap, multiple)
        assert axis.length <= largest
        assert axis.length % multiple == 0
        assert all(start % multiple == 0 for start in axis.starts)
        assert axis.starts[0] == 0
        assert full <= axis.starts[-1] + axis.length < full + multiple
        assert all(after - before <= axis.length - overlap for before, after in pairwise(axis.starts))
        for index, (before, start) in enumerate(pairwise(axis.starts), 1):
            weights = axis.fade(index, margin)
            assert weights.shape == (before + axis.length - start,)
            # No context there: no tile's own edge is ever seen, but at the picture's edge.
            assert not weights[:margin].any()
            assert (weights[-margin:] == 1).all()
            # At most two tiles weigh in a place.
            assert index < 2 or axis.starts[index - 2] + axis.length - margin <= start + margin
        assert axis.fade(0, margin).size == 0


def test_weights_fade_over_the_whole_overlap():
    axis = tile.plan(200, 128, 64, 16)
    weights = axis.fade(1, 16)
    assert np.unique(weights[(weights > 0) & (weights < 1)]).size >= 32 - 1
    assert np.all(np.diff(weights) >= 0)


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (20, 1000), (1000, 20), (301, 422), (96, 97)])
def test_bands_put_the_picture_together(size, rng):
    picture = rng.random((*size, 3), np.float32)
    padded = np.pad(picture, ((0, 96), (0, 96), (0, 0)))
    rows, columns = (tile.plan(side, 96, 40, 16) for side in size)
    seen = []

    def restore(top, left, shape):
        seen.append(shape)
        return padded[top : top + shape[0], left : left + shape[1]]

    end = 0
    parts = []
    for top, band in tile.bands(rows, columns, restore, 12):
        assert top == end
        end += len(band)
        parts.append(band)
    np.testing.assert_allclose(np.concatenate(parts), picture, atol=1e-6)
    assert set(seen) == {(rows.length, columns.length)}  # one shape: the engine plans its memory once
    assert len(seen) == len(rows.starts) * len(columns.starts)


def test_bands_come_before_the_last_tile_is_made():
    rows, columns = tile.plan(1000, 96, 40, 16), tile.plan(40, 96, 40, 16)
    made = []

    def restore(top, left, shape):
        made.append(top)
        return np.zeros((*shape, 3), np.float32)

    next(iter(tile.bands(rows, columns, restore, 12)))
    assert made == [0]


def test_margins_hide_what_a_tile_gets_wrong_at_its_edge():
    rows, columns = tile.plan(300, 96, 40, 16), tile.plan(300, 96, 40, 16)

    def restore(top, left, shape):
        out = np.full((*shape, 3), 0.5, np.float32)
        inner = np.zeros(shape, bool)
        inner[12 if top else 0 : -12 if top < rows.starts[-1] else None] = True
        inner[:, : 12 if left else 0] = False
        if left < columns.starts[-1]:
            inner[:, -12:] = False
        out[~inner] = 1
        return out

    whole = np.concatenate([band for _, band in tile.bands(rows, columns, restore, 12)])
    np.testing.assert_allclose(whole, 0.5, atol=1e-5)
