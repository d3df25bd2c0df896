"""What a homography leaves: parallax, a rolling shutter, lens distortion, as a smooth field of small shifts.

By least squares as Lucas and Kanade (1981) do it, on small grey copies of one light: over a neighbourhood, the shift is
sought that makes the long frame's gradient explain what the frames differ by. Noise makes that unsure, and so do movers
and a wrong tone; the less sure it is, the more the shift is drawn to none.

Whether there is anything to undo is asked of pixels that the field was not fitted to. The frame is parted like a
chessboard; a field that is fitted to its white squares has to raise the product of the two frames on the black ones,
and the other way round. The short frame's noise and the long one's blur raise no such product.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image
from ..picture.pair import as_float
from ..picture.window import Matrix, Pixels, Shifts, window
from . import tone as tone_match
from .align import detail, grey
from .sharpness import between
from .tone import Tone

_WORKING_SIDE = 720  # px of the longer side
_SMALLEST = 48  # px of the shorter one: less has no neighbourhoods
_HALVINGS = (4, 2, 1)  # of the working copy: large shifts first
_REPEATS = 2  # at each
_STEP = 2  # px from one that is looked at to the next
_BAND = (1.0, 8.0)  # px: sigmas of what is looked at; slow changes of light are the tone's
_CELL = 8  # px a side of what has one shift
_REACH = 1.75  # cells: sigma of a neighbourhood
_NEIGHBOURHOOD = 4 * np.pi * (_REACH * _CELL) ** 2  # px
_ALIKE = 6.0  # px of detail that speak with one voice
_KNOWN = 1 / 1.5**2  # 1 / variance of shifts, px, before anything is seen
_LARGEST_STEP = 2.0  # px: further than that the gradient says nothing
_SETTLED = 2.5  # cells: sigma of where a field has to prove itself
_RISES = (0.004, 0.012)  # of the product, on pixels not fitted to: from where on the field is right, and where it is
_WORSE = (-0.03, 0.0)  # the same of a neighbourhood: where the product falls, the field is left out
_BLOCK = 16  # px a side of a square of the chessboard
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class _Frames:
    """Detail of both at one size, (h, w), and the long one's slopes across and down.

    All are smooth, so that every second pixel tells enough.
    """

    short: Image
    long: Image
    across: Image
    down: Image

    @property
    def seen(self) -> Image:
        """The short frame's detail, every second pixel."""
        return self.short[::_STEP, ::_STEP]

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.short.shape
        return max(1, height // _CELL), max(1, width // _CELL)

    def moved(self, field: Image) -> tuple[Image, Image, Image]:
        """The long frame's detail and slopes, every second pixel, read where the field (rows, columns, 2) says."""
        height, width = self.seen.shape
        x, y = cv2.split(cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR))
        x += np.arange(0, _STEP * width, _STEP, dtype=np.float32)
        y += np.arange(0, _STEP * height, _STEP, dtype=np.float32)[:, None]
        detail, across, down = (
            np.asarray(cv2.remap(each, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.float32)
            for each in (self.long, self.across, self.down)
        )
        return detail, across, down


def found_in(noisy: Pixels, blurry: Pixels, matrix: Matrix | None, tone: Tone) -> Shifts | None:
    """The shifts that are left once `matrix` lays the frames on each other; None where nothing says that there are any.

    Args:
        noisy, blurry: pixels (H, W, 3) of two frames of one size.
        matrix: homography of noisy to blurry pixel coordinates; None: they are read as they are.
        tone: brings the noisy frame to the other's light.
    """
    height, width = noisy.shape[:2]
    scale = min(1.0, _WORKING_SIDE / max(height, width))
    size = round(height * scale), round(width * scale)
    if min(size) < _SMALLEST:
        return None
    short = tone_match.apply(_resized(noisy, size), tone)
    long = window(
        _resized(blurry, size), 0, 0, size, None if matrix is None else _shrunk(matrix, (height, width), size)
    )
    levels = _levels(grey(short), grey(long))
    black = (np.indices(size) // _BLOCK).sum(0) % 2 == 0
    fields = [_fitted(levels, fold.astype(np.float32)) for fold in (black, ~black)]
    share = _proven(levels[-1], fields, black)
    if not share.any():
        return None
    return Shifts(np.asarray(np.mean(fields, axis=0) * share[..., None] / scale, np.float32), (height, width))


def _shrunk(matrix: Matrix, size: tuple[int, int], small: tuple[int, int]) -> Matrix:
    """The same map in pixel coordinates of small copies."""
    (y, x) = (few / many for few, many in zip(small, size, strict=True))
    shrink = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    return np.asarray(shrink @ matrix @ np.linalg.inv(shrink))


def _resized(pixels: Pixels, size: tuple[int, int]) -> Image:
    return as_float(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA))


def _levels(short: Image, long: Image) -> list[_Frames]:
    """From the coarsest to the finest."""
    sizes = [(short.shape[0] // halving, short.shape[1] // halving) for halving in _HALVINGS]
    return [_frames(short, long, size) for size in sizes if min(size) >= _SMALLEST]


def _frames(short: Image, long: Image, size: tuple[int, int]) -> _Frames:
    first, second = (detail(_resized(frame, size), _BAND) for frame in (short, long))
    across, down = (cv2.Sobel(second, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    return _Frames(first, second, np.asarray(across, np.float32), np.asarray(down, np.float32))


def _fitted(levels: list[_Frames], counted: Image) -> Image:
    """The field of the finest level, px of it, by those of its pixels that count."""
    field = np.zeros((1, 1, 2), np.float32)
    before = levels[0].short.shape[1]
    for frames in levels:
        width = frames.short.shape[1]
        finer = cv2.resize(field, frames.cells[::-1], interpolation=cv2.INTER_LINEAR)
        field = np.asarray(finer * (width / before), np.float32).reshape(*frames.cells, 2)
        weights = np.asarray(cv2.resize(counted, frames.seen.shape[::-1], interpolation=cv2.INTER_NEAREST), np.float32)
        for _ in range(_REPEATS):
            field = _step(frames, field, weights)
        before = width
    return field


def _step(frames: _Frames, field: Image, weights: Image) -> Image:
    """The field, once more by least squares: what is unsure is drawn to none."""
    long, across, down = frames.moved(field)
    rest = frames.seen - long
    products = across * across, across * down, down * down, across * rest, down * rest, rest * rest
    *pooled, rr = (_pooled(weights * each, frames.cells) for each in products)
    sure = _NEIGHBOURHOOD / _ALIKE / (rr + _TINY)  # 1 / variance of what one voice says
    xx, xy, yy, xr, yr = (sure * each for each in pooled)
    xx, yy, xr, yr = xx + _KNOWN, yy + _KNOWN, xr - field[..., 0] * _KNOWN, yr - field[..., 1] * _KNOWN
    step = np.stack([yy * xr - xy * yr, xx * yr - xy * xr], -1) / (xx * yy - xy * xy)[..., None]
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    return np.asarray(field + step * np.minimum(1, _LARGEST_STEP / np.maximum(length, _TINY)), np.float32)


def _pooled(values: Image, cells: tuple[int, int], reach: float = _REACH) -> Image:
    """Means over cells and their neighbours."""
    means = cv2.resize(values, cells[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(means, (0, 0), reach, borderType=cv2.BORDER_REFLECT), np.float32)


def _proven(frames: _Frames, fields: list[Image], black: NDArray[np.bool_]) -> Image:
    """(rows, columns) in [0, 1]: how sure it is that the fields are right, by what neither was fitted to."""
    still, *moved = (frames.moved(field)[0] for field in (np.zeros_like(fields[0]), *fields))
    proof = np.where(black[::_STEP, ::_STEP], moved[1], moved[0])
    before, after = (_pooled(frames.seen * long, frames.cells, _SETTLED) for long in (still, proof))
    agreement = float(after.sum())
    rise = (agreement - float(before.sum())) / agreement if agreement > 0 else 0.0
    here = (after - before) / np.maximum(np.maximum(after, before), _TINY)
    return np.asarray(between(np.array(rise), _RISES) * between(here, _WORSE), np.float32)
