"""How well a network draws, apart from noise and blur: what it makes of pairs that hold the truth already.

Two measures. Both frames are the truth: a network that could draw would hand it on. And both frames are a pattern of
waves of a few pixels: what is left of their contrast tells up to which fineness it draws at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from ..engines.engine import Batch, Run
from ..picture.encoding import Image
from ..picture.levels import psnr

PERIODS = (2, 3, 4, 8)  # px
_SIDE = 192  # of the pattern: a multiple of the periods and of all compact networks' grids
_HEIGHT = 0.2  # of the waves, about a middle grey


def both_true(run: Run, multiple: int, truths: Sequence[Image]) -> float:
    """Mean PSNR in dB where both frames are the truth, of the parts of the pictures that the network's grid holds.

    Args:
        run: a network that takes a pair.
        multiple: of its grid.
        truths: (H, W, 3) in [0, 1], each side at least that.
    """
    parts = [on_grid(truth, multiple) for truth in truths]
    return fmean(psnr(restored(run, part, part), part) for part in parts)


def contrast(run: Run, period: int) -> float:
    """The share of a grey wave's height that is left, 1 for all; waves across and down, both frames alike, no noise.

    A wave of 2 px is dark and bright pixels in turn. What came out is projected on what went in, whatever its phase.

    Args:
        run: a network that takes a pair.
        period: of the waves, px, a divisor of 192.
    """
    return fmean(_share(run, period, down) for down in (False, True))


def _share(run: Run, period: int, down: bool) -> float:
    wave = np.exp(2j * np.pi * np.arange(_SIDE) / period)
    pattern = np.broadcast_to(0.5 + _HEIGHT * wave.real[None, :, None], (_SIDE, _SIDE, 3)).astype(np.float32)
    turned = np.ascontiguousarray(pattern.transpose(1, 0, 2)) if down else pattern
    drawn = restored(run, turned, turned).mean(2).mean(1 if down else 0)
    return float(abs(_along(drawn, wave)) / abs(_along(pattern[0, :, 0], wave)))


def _along(values: NDArray[np.floating], wave: NDArray[np.complexfloating]) -> complex:
    return complex(np.vdot(wave, values - values.mean()))


def restored(run: Run, noisy: Image, blurry: Image) -> Image:
    """What the network makes of frames whose sides are multiples of its grid, in one piece."""
    picture: Image = run(_batch(noisy), _batch(blurry))[0].transpose(1, 2, 0)
    return picture


def on_grid(image: Image, multiple: int) -> Image:
    """The top left part whose sides are multiples of a network's grid."""
    height, width = (side // multiple * multiple for side in image.shape[:2])
    return image[:height, :width]


def _batch(image: Image) -> Batch:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])
