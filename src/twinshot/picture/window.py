"""Windows of a frame, mirrored at its edges or read through a homography."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Pixels = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Shifts:
    """A smooth field of shifts over a frame.

    Attributes:
        field: (rows, columns, 2), px (x, y), at the centres of even cells.
        size: height and width of the frame.
    """

    field: NDArray[np.float32]
    size: tuple[int, int]

    def over(self, top: int, left: int, size: tuple[int, int]) -> NDArray[np.float32]:
        """(height, width, 2) of a window; beyond the outer cells as at them."""
        rows, columns = (cells / side for cells, side in zip(self.field.shape, self.size, strict=False))
        place = np.array([[columns, 0, (left + 0.5) * columns - 0.5], [0, rows, (top + 0.5) * rows - 0.5]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        field = cv2.warpAffine(self.field, place, size[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(field, np.float32)


def window(
    pixels: Pixels, top: int, left: int, size: tuple[int, int], matrix: Matrix | None = None, step: int = 1
) -> Pixels:
    """A (height, width) window at (top, left), in the pixels' own type.

    Args:
        pixels: (H, W, 3).
        top, left: inside the frame; the window may hang over its right and bottom edge, where it is mirrored.
        size: height and width.
        matrix: 3x3 homography of window coordinates plus (left, top) to coordinates in `pixels`; None: the same.
        step: px from one pixel of the window to the next, in both directions.
    """
    if matrix is None:
        view = pixels[top : top + size[0] * step : step, left : left + size[1] * step : step]
        below, right = size[0] - view.shape[0], size[1] - view.shape[1]
        if below or right:
            view = np.asarray(cv2.copyMakeBorder(view, 0, below, 0, right, cv2.BORDER_REFLECT_101))
        return view
    corner = np.array([[step, 0, left], [0, step, top], [0, 0, 1]], np.float64)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpPerspective(pixels, matrix @ corner, size[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    )


def shifted_window(
    pixels: Pixels, top: int, left: int, size: tuple[int, int], matrix: Matrix | None, shifts: Shifts
) -> Pixels:
    """As `window`, whose coordinates are shifted before they go through the matrix."""
    x, y = cv2.split(shifts.over(top, left, size))
    x += np.arange(left, left + size[1], dtype=np.float32)
    y += np.arange(top, top + size[0], dtype=np.float32)[:, None]
    if matrix is not None:
        u, v, depth = (row[0] * x + row[1] * y + row[2] for row in matrix.astype(np.float32))
        x, y = u / depth, v / depth
    return np.asarray(cv2.remap(pixels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101))
