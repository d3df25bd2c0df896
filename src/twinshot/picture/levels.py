"""The 255 levels of an 8-bit file, and how far two pictures in them are apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .encoding import Image

_STRIP = 256  # rows that are rounded at once, for the sake of memory


def eight_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels as an 8-bit file holds them, each at its nearest level.

    Args:
        pixels: uint8, uint16, or floats, of which those outside [0, 1] are clipped; of any shape.
    """
    if pixels.dtype == np.uint8:
        return pixels
    levels = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), _STRIP):
        strip = pixels[top : top + _STRIP]
        if pixels.dtype == np.uint16:
            levels[top : top + _STRIP] = (strip.astype(np.uint32) + 128) // 257
        else:
            levels[top : top + _STRIP] = np.clip(strip, 0, 1) * np.float32(255) + np.float32(0.5)
    return levels


def psnr(restored: Image, truth: Image) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels of one picture, peak 1, of 8-bit files.

    Infinite where the two are the same file.
    """
    return decibels(float(np.mean((eight_bit(restored) / 255 - eight_bit(truth) / 255) ** 2)))


def decibels(error: float) -> float:
    """The PSNR of a mean square error of values in [0, 1]; infinite where there is none."""
    return -10 * math.log10(error) if error > 0 else math.inf
