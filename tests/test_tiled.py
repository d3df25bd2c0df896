"""The network's picture in tiles: any size, and no seam."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import twinshot
from twinshot import tiled


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
    monkeypatch.setattr(tiled, "LARGEST_TILE", 256)
    parted = twinshot.restore(noisy, blurry, model=model, progress=lambda *said: tiles.append(said))
    assert tiles[2:] == [("restore", done, 6) for done in range(7)]
    assert (
        np.abs(parted.image - whole.image).max() < 3 / 255
    )  # tiles a fifth of the usual size hide some of the context
    assert np.abs(parted.image - whole.image).mean() < 0.04 / 255


@pytest.mark.parametrize("name", ["rnn", "merger"])
def test_tiles_of_networks_that_see_far_lie_on_their_grid(photo, monkeypatch, name):
    noisy, blurry = noisy_and_blurry(photo)
    whole = twinshot.restore(noisy, blurry, model=name)
    monkeypatch.setattr(tiled, "LARGEST_TILE", 320)
    parted = twinshot.restore(noisy, blurry, model=name)
    assert 0 < np.square(parted.image - whole.image).mean() ** 0.5 < 0.05 / 255


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
