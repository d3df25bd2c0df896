"""The two lights a picture can be in: sRGB-encoded (files, networks) and linear (sensors, averages)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""float32 (H, W, 3), RGB, sRGB-encoded in [0, 1] unless a name says otherwise."""


def to_linear(encoded: Image) -> Image:
    """Decode sRGB values in [0, 1] to linear light in [0, 1] (IEC 61966-2-1)."""
    encoded = np.asarray(encoded, np.float32)
    toe = encoded * np.float32(1 / 12.92)
    power = ((np.maximum(encoded, 0) + np.float32(0.055)) * np.float32(1 / 1.055)) ** np.float32(2.4)
    return np.where(encoded <= np.float32(0.04045), toe, power)


def to_srgb(linear: Image) -> Image:
    """Encode linear light as sRGB values (IEC 61966-2-1); values below 0 are taken as 0."""
    linear = np.maximum(np.asarray(linear, np.float32), 0)
    toe = linear * np.float32(12.92)
    # The floor is below the toe's end, so that it changes nothing but the time: NumPy is slow at powers of zero.
    power = np.float32(1.055) * np.maximum(linear, np.float32(0.003)) ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(linear <= np.float32(0.0031308), toe, power)
