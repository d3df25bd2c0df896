"""Which of two frames is the short one? Exposure time tells, then brightness, then noise. A black frame is neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import to_linear
from ..picture.pair import Pair, as_float
from . import remains
from .grain import fine_detail

_LIGHT_SIDE = 256  # px of the longer side that brightness is measured on
_LONGER = 1.2  # times the other's exposure time, from which on the times decide
_BLACK = 1.5  # levels of 8 bits, or of 16: a frame whose every value is less shows nothing
_DARKER = 1.6  # times darker in linear light: more than two frames differ by whose camera meant them to be alike
_LEAST_NOISE = 0.004
NOISIER = 1.5
"""Times the other's noise, from which on it decides."""


@dataclass(frozen=True)
class Ordered:
    """A pair, the short frame first.

    Attributes:
        pair: what to go on with.
        swapped: a sentence that says why the frames changed places; empty where they did not.
        doubt: a sentence that says what speaks against the order that was kept; empty where nothing does.
    """

    pair: Pair
    swapped: str = ""
    doubt: str = ""


def order(pair: Pair, keep: bool = False) -> Ordered:
    """The pair with the short frame first; `keep` leaves it as it is, and says what speaks against that."""
    why = _reason(pair)
    if not why:
        return Ordered(pair)
    if keep:
        return Ordered(pair, doubt=f"{why}, but the order was kept as given")
    return Ordered(Pair(pair.blurry, pair.noisy), f"{why}, so {pair.blurry.name} was taken as the short frame")


def _reason(pair: Pair) -> str:
    """What says that the second frame is the short one, as the beginning of a sentence; empty where nothing does."""
    first, second = pair.noisy, pair.blurry
    pixels = remains.common(pair)
    if _black(pixels[1]):
        return ""
    if _black(pixels[0]):
        return f"{first.name} is all black"
    times = first.metadata.seconds, second.metadata.seconds
    if times[0] and times[1] and max(times) > _LONGER * min(times):  # type: ignore[type-var, operator]
        longer = times[0] > times[1]
        return f"{first.name} was exposed longer ({times[0]:.3g} s against {times[1]:.3g} s)" if longer else ""
    brighter = _light(pixels[0]) / max(_light(pixels[1]), 1e-6)
    if max(brighter, 1 / max(brighter, 1e-6)) > _DARKER:
        times_darker = f"{brighter:.2g}" if brighter < 10 else f"{brighter:,.0f}"
        return f"{second.name} is {times_darker} times darker than {first.name}" if brighter > 1 else ""
    # A gain in linear light raises noise by about its square root in the mid-tones.
    one, other = fine_detail(pixels[0]), fine_detail(pixels[1]) * brighter**0.5
    noisier = other > _LEAST_NOISE and other > NOISIER * one
    return f"{second.name} has more noise and fine detail than {first.name}" if noisier else ""


def _black(pixels: NDArray[Any]) -> bool:
    """Whether it shows nothing at all: a lamp in the night is enough."""
    levels = 255 if pixels.dtype == np.uint8 else 65535
    return float(as_float(pixels.max(keepdims=True)).max()) * levels < _BLACK


def _light(pixels: NDArray[Any]) -> float:
    """Mean of a lattice of pixels in linear light, where noise does not change it."""
    step = max(1, max(pixels.shape[:2]) // _LIGHT_SIDE)
    return float(to_linear(as_float(np.ascontiguousarray(pixels[::step, ::step]))).mean())
