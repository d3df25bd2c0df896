"""A changed byte in a JPEG that no decoder warns of, by what it leaves: all that follows is lighter, darker or tinted.

Each block's mean is stored as a difference from the one before, so one wrong difference moves all later blocks. In the
order of the file those below an untouched block are one row's worth; a real edge does not begin in the middle of a row
of blocks, go round the picture's side, and end one row on where it began, with the same step all along.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

_STEP = 1.5  # levels
_SHARE = 0.8  # of the blocks that must agree
_ROWS = 64  # of units at once, which stay in the processor's cache
_MARGIN = 2  # blocks from the picture's side: frames and horizons begin there


def shifted_from(pixels: NDArray[np.uint8], width: int, height: int) -> int | None:
    """The row from which a decoded JPEG is shifted in lightness or colour; None where nothing says so.

    Args:
        pixels: (H, W, 1 or 3), as decoded, not turned.
        width, height: of the units in which blocks are stored, in px (8 or 16, rarely 32).
    """
    columns = -(-pixels.shape[1] // width)
    if columns <= 2 * _MARGIN or len(pixels) < 4 * height:
        return None
    for channel, steps in enumerate(_steps(pixels, width, height, columns)):
        for sign in (1, -1):
            start = _likeliest(sign * steps, columns)
            if start is None or not _is_shift(sign * steps, start, columns):
                continue
            row, left = 1 + start // columns, start % columns
            levels = sign * _levels(pixels[(row - 1) * height :][: 3 * height], channel, width, columns)
            if _fills_units(levels, left, float(np.median(sign * steps[start:][:columns]))):
                return int(row) * height
    return None


def _steps(pixels: NDArray[np.uint8], width: int, height: int, columns: int) -> Iterator[NDArray[np.float32]]:
    """By how many levels each unit stands above the one over it, in file order: of lightness, then of two colours.

    Slopes within the units go on across their border, and are no step.
    """
    count = (len(pixels) - 2) // height
    lines = [pixels[height + offset :: height][:count] for offset in (-2, -1, 0, 1)]
    parts = [
        _means([line[top : top + _ROWS] for line in lines], width * columns, width) for top in range(0, count, _ROWS)
    ]
    means = np.concatenate(parts).reshape(count, columns, -1)
    for channel in range(pixels.shape[2]):
        grey = channel == 1 or pixels.shape[2] == 1
        yield (means[..., channel] if grey else means[..., channel] - means[..., 1]).ravel()


def _means(lines: Sequence[NDArray[np.uint8]], size: int, width: int) -> NDArray[np.float32]:
    """The step between lines of pixels that lie above and over, under and below a border of units, by unit."""
    above, over, under, below = lines
    near, far = (cv2.subtract(*two, dtype=cv2.CV_16S) for two in ((under, over), (above, below)))
    sixteenths = cv2.addWeighted(near, 24, far, 8, 0)
    padded = cv2.copyMakeBorder(sixteenths, 0, 0, 0, size - near.shape[1], cv2.BORDER_REPLICATE)
    means = cv2.resize(padded, (size // width, len(near)), interpolation=cv2.INTER_AREA)
    return np.asarray(means / np.float32(16), np.float32)


def _likeliest(steps: NDArray[np.float32], columns: int) -> int | None:
    """Where the row's worth of units begins in which the most are steps up and around which the fewest are."""
    counts = np.concatenate([np.zeros(columns + 1), np.cumsum(steps > _STEP / 2), np.zeros(columns)])
    counts[-columns:] = counts[-columns - 1]
    sums = counts[columns:] - counts[:-columns]  # of the `columns` units that end before each place
    inside, before, after = sums[columns:-columns], sums[: -2 * columns], sums[2 * columns :]
    places = np.arange(len(inside)) % columns
    likely = (inside >= _SHARE * columns) & (places >= _MARGIN) & (places <= columns - _MARGIN)
    return int(np.where(likely, 2 * inside - before - after, -np.inf).argmax()) if likely.any() else None


def _is_shift(steps: NDArray[np.float32], start: int, columns: int) -> bool:
    """Whether the units from there step by one amount, and those around by none, though not as in a drawing."""
    inside = steps[start : start + columns]
    around = np.concatenate([steps[max(0, start - columns) : start], steps[start + columns : start + 2 * columns]])
    step = float(np.median(inside))
    near = max(step / 2, _STEP / 2)
    photograph = np.median(np.abs(around)) > 0
    even = np.mean(np.abs(inside - step) < near) >= _SHARE and np.mean(np.abs(around) < near) >= _SHARE
    return bool(step >= _STEP and photograph and even)


def _levels(rows: NDArray[np.uint8], channel: int, width: int, columns: int) -> NDArray[np.float32]:
    """(3, columns) means of the units in three rows of them, of lightness or a colour as `_steps` has them."""
    plane = rows[..., channel].astype(np.float32)
    if rows.shape[2] > 1 and channel != 1:
        plane -= rows[..., 1]
    padded = cv2.copyMakeBorder(plane, 0, 0, 0, width * columns - plane.shape[1], cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(padded, (columns, 3), interpolation=cv2.INTER_AREA), np.float32)


def _fills_units(levels: NDArray[np.float32], left: int, step: float) -> bool:
    """Whether whole units are shifted, and not their first lines alone, as by a drawing's line along their border."""
    return bool(np.median(np.diff(levels, axis=0).ravel()[left:][: levels.shape[1]]) >= step / 2)
