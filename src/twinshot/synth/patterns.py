"""Fine patterns, as of cloth, meshes and print: a network that has seen none takes them for noise."""

from __future__ import annotations

import cv2
import numpy as np

from ..picture.encoding import Image

_FINER = 2  # times: a pattern is drawn so much larger, lest its edges alias
_PERIOD = (2.3, 9.0)  # px
_CONTRAST = (0.05, 0.6)  # of its logarithm
_LASTING = (4.0, 30.0)  # px that a moving hand draws it out over
_BEND = 24.0  # px: sigma of how its lines wander


def patterned(sharp: Image, blurry: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Both frames (H, W, 3) with a fine pattern on some of the scene.

    The long one's is drawn out along a line of its own: whatever way a hand takes, it leaves little of a few pixels.
    """
    pattern = fine_pattern(sharp.shape[:2], rng) * _somewhere(sharp.shape[:2], rng)
    tint = (1 + rng.normal(size=3) * rng.uniform(0, 0.3)).astype(np.float32)
    lasting = _drawn_out(pattern, rng.uniform(*_LASTING), rng.uniform(0, 2 * np.pi))
    first, second = (
        np.clip(frame * np.exp(each[..., None] * tint), 0, 1) for frame, each in ((sharp, pattern), (blurry, lasting))
    )
    return first, second


def fine_pattern(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """One or two waves across each other, bent a little, each between a cosine and stripes; (H, W), of mean 0."""
    x, y = _bent(size, rng)
    period, angle = np.exp(rng.uniform(*np.log(_PERIOD))), rng.uniform(0, np.pi)
    angles = [angle, angle + np.pi / 2 * rng.uniform(0.8, 1.2)] if rng.random() < 0.7 else [angle]
    waves = [_wave(x * np.cos(a) + y * np.sin(a), period * rng.uniform(0.8, 1.25), rng) for a in angles]
    joined = np.prod(waves, axis=0) if rng.random() < 0.5 else np.mean(waves, axis=0)
    fine = cv2.resize(joined.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    contrast = np.exp(rng.uniform(*np.log(_CONTRAST)))
    return np.asarray((fine - fine.mean()) * contrast, np.float32)


def _bent(size: tuple[int, int], rng: np.random.Generator) -> tuple[Image, Image]:
    """Coordinates (x, y) of a finer grid, px, that wander by up to some pixels."""
    finer, strength = (size[1] * _FINER, size[0] * _FINER), np.float32(rng.uniform(0, 3))
    y, x = np.indices(finer[::-1], np.float32) / np.float32(_FINER)
    across, down = (cv2.resize(_smooth(size, _BEND, rng), finer) * strength for _ in range(2))
    return x + across, y + down


def _wave(at: Image, period: float, rng: np.random.Generator) -> Image:
    """A cosine whose swings are cut, from hardly at all to stripes of unlike widths."""
    wave = np.cos(2 * np.pi / period * at + rng.uniform(0, 2 * np.pi))
    return np.asarray(np.tanh(wave * rng.uniform(0.5, 4) + rng.uniform(-1, 1)), np.float32)


def _somewhere(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """Where the pattern is, in [0, 1]: from a few patches to everywhere."""
    patches = _smooth(size, rng.uniform(8, 40), rng)
    return np.asarray(np.clip(patches * 6 + rng.uniform(-6, 9), 0, 1), np.float32)


def _smooth(size: tuple[int, int], sigma: float, rng: np.random.Generator) -> Image:
    """Smooth noise of deviation 1."""
    field = cv2.GaussianBlur(rng.normal(size=size).astype(np.float32), (0, 0), sigma)
    return np.asarray(field / (field.std() + np.float32(1e-9)), np.float32)


def _drawn_out(pattern: Image, length: float, angle: float) -> Image:
    """The mean over a line of `length` px."""
    steps = np.linspace(0, length, int(length) + 2)
    places = (np.array([[1, 0, step * np.cos(angle)], [0, 1, step * np.sin(angle)]]) for step in steps)
    border = cv2.BORDER_REFLECT_101
    moved = [cv2.warpAffine(pattern, place, pattern.shape[::-1], borderMode=border) for place in places]
    return np.asarray(np.mean(moved, axis=0), np.float32)
