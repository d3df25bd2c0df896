"""Windows of a frame, mirrored at its edges or read through a homography."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Pixels = NDArray[Any]


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
