"""What is finest in a frame: its noise, and what is sharp in it.

Both measures are the robust estimate by the median of the Haar wavelet's diagonal coefficients (Donoho and Johnstone
1994), in the middle of the frame.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..picture.encoding import Image
from ..picture.pair import as_float
from ..picture.window import Pixels

_SAMPLE_SIDE = 1536  # px of the middle that is measured
_CELL = 16  # coefficients a side of what one median is for
_FLAT = 0.1  # share of the cells, the flattest, that tell the noise
_SIGMA = 0.6745  # median of a normal variable's absolute value, in sigmas


def fine_detail(pixels: Pixels) -> float:
    """Sigma of the finest diagonal detail of a frame's green channel, encoded values: noise, and what is sharp."""
    return float(np.median(_diagonal(_middle(pixels[..., 1:2])[..., 0])) / _SIGMA)


def flat_noise(pixels: Pixels) -> float:
    """Sigma of a frame's noise in grey, encoded values, by its flattest cells, where hardly anything is sharp."""
    diagonal = _diagonal(np.asarray(cv2.cvtColor(_middle(pixels), cv2.COLOR_RGB2GRAY), np.float32))
    side = min(_CELL, *diagonal.shape)
    rows, columns = (length // side for length in diagonal.shape)
    cells = diagonal[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return float(np.quantile(np.median(cells, axis=(1, 3)), _FLAT)) / _SIGMA


def _middle(pixels: Pixels) -> Image:
    """The middle of a frame (H, W, channels), of even sides, float32 in [0, 1]."""
    height, width = (min(side, _SAMPLE_SIDE) & ~1 for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return as_float(pixels[top : top + height, left : left + width])


def _diagonal(plane: Image) -> Image:
    """Absolute diagonal coefficients, (H / 2, W / 2)."""
    return np.asarray(np.abs(plane[::2, ::2] - plane[::2, 1::2] - plane[1::2, ::2] + plane[1::2, 1::2]) / 2, np.float32)
