"""Tiles: they cover everything, their weights add up to one, and the network's picture shows no seam."""

from __future__ import annotations

import importlib
from itertools import pairwise

import cv2
import numpy as np
import pytest

import twinshot
from twinshot.engines import tile

# The module by its name: `twinshot.restoration` is what holds the sizes that `restore` uses.
restoration = importlib.import_module("twinshot.restoration")

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


# With the model that ships


@pytest.fixture(scope="module")
def model():
    return twinshot.load_model()


def noisy_and_blurry(photo, seed=0):
    """Float frames of one geometry, moderately noisy and blurred."""
    scene = photo / np.float32(255)
    noise = np.random.default_rng(seed).normal(0, 0.06, scene.shape)
    return (scene + noise).clip(0, 1).astype(np.float32), cv2.GaussianBlur(scene, (0, 0), 3).clip(0, 1)


@pytest.mark.parametrize("registered", [False, True])
def test_no_seam(model, photo, monkeypatch, registered):
    noisy, blurry = noisy_and_blurry(photo)
    assert noisy.shape == (300, 420, 3)
    if registered:
        blurry = np.roll(blurry, (3, -5), (0, 1))
    whole = twinshot.restore(noisy, blurry, model=model)
    assert whole.report["registered"] == registered
    tiles = []
    monkeypatch.setattr(restoration, "LARGEST_TILE", 256)
    tiled = twinshot.restore(noisy, blurry, model=model, progress=lambda *said: tiles.append(said))
    assert tiles[2:] == [("restore", done, 6) for done in range(7)]
    assert np.abs(tiled.image - whole.image).max() < 3 / 255  # tiles a fifth of the usual size hide some of the context
    assert np.abs(tiled.image - whole.image).mean() < 0.04 / 255


@pytest.mark.parametrize("name", ["rnn", "merger"])
def test_tiles_of_networks_that_see_far_lie_on_their_grid(photo, monkeypatch, name):
    noisy, blurry = noisy_and_blurry(photo)
    whole = twinshot.restore(noisy, blurry, model=name)
    monkeypatch.setattr(restoration, "LARGEST_TILE", 320)
    tiled = twinshot.restore(noisy, blurry, model=name)
    assert 0 < np.square(tiled.image - whole.image).mean() ** 0.5 < 0.05 / 255


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (20, 1000), (1000, 20), (31, 2000)])
def test_any_size(model, photo, size, rng):
    scene = np.tile(photo / np.float32(255), (4, 5, 1))[: size[0], : size[1]]
    noisy = (scene + rng.normal(0, 0.04, scene.shape)).clip(0, 1).astype(np.float32)
    blurry = cv2.blur(scene, (9, 9))
    restored = twinshot.restore(noisy, blurry, model=model)
    assert restored.image.shape == scene.shape
    assert restored.report["size"] == [size[1], size[0]]
    off = np.abs(restored.image - scene)
    assert off.mean() < 0.7 * np.abs(blurry - scene).mean()
    assert max(edge.mean() for edge in (off[0], off[-1], off[:, 0], off[:, -1])) < 0.04
