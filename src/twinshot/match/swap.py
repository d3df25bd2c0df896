"""Were the two frames given in the wrong order? Exposure time and noise tell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image
from ..picture.pair import Pair, as_float
from .tone import Exposure

_SAMPLE_SIDE = 1536  # px of the middle that noise is measured on


def doubt(pair: Pair, exposure: Exposure) -> str | None:
    """A sentence that says why the order looks wrong, or None."""
    noisy, blurry = pair.noisy, pair.blurry
    swap = f"is {noisy.name} really the short, noisy frame and {blurry.name} the long one?"
    if noisy.metadata.seconds and blurry.metadata.seconds and noisy.metadata.seconds > 1.2 * blurry.metadata.seconds:
        times = f"{noisy.metadata.seconds:.3g} s against {blurry.metadata.seconds:.3g} s"
        return f"the first frame was exposed longer ({times}): {swap}"
    if exposure.source == "none":
        return None  # noise compares only at one exposure
    # A gain in sRGB raises noise by as much; one in linear light by about its square root in the mid-tones.
    gain = float(np.mean(exposure.gain)) ** (1.0 if exposure.light == "srgb" else 0.5)
    first, second = fine_detail(noisy.pixels) * gain, fine_detail(blurry.pixels)
    if second > 0.004 and second > 1.5 * first:
        return f"the second frame has more noise and fine detail than the first: {swap}"
    return None


def fine_detail(pixels: NDArray[Any]) -> float:
    """Sigma of the finest diagonal detail in the middle of a frame's green channel: noise, and what is sharp.

    The robust estimate by the median of the Haar wavelet's diagonal coefficients (Donoho and Johnstone 1994).
    """
    height, width = (min(side, _SAMPLE_SIDE) & ~1 for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    green: Image = as_float(pixels[top : top + height, left : left + width, 1:2])[..., 0]
    diagonal = (green[::2, ::2] - green[::2, 1::2] - green[1::2, ::2] + green[1::2, 1::2]) / 2
    return float(np.median(np.abs(diagonal)) / 0.6745)
