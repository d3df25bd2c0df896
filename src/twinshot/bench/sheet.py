"""Pictures side by side, to look at: whole, and parts of them at 100 %."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..picture.encoding import Image

_GAP, _TITLE = 4, 32  # px between columns, and of a title's height


def sheet(
    pictures: Sequence[Image], titles: Sequence[str], places: Sequence[tuple[int, int]], size: tuple[int, int]
) -> Image:
    """A column a picture: its title, the whole of it as wide as the parts, and the parts.

    Args:
        pictures: float32 (H, W, 3), in [0, 1], all of one size.
        titles: one a picture.
        places: top and left of each part.
        size: height and width of the parts, px.
    """
    columns = []
    for picture, title in zip(pictures, titles, strict=True):
        height = round(picture.shape[0] * size[1] / picture.shape[1])
        whole = cv2.resize(picture, (size[1], height), interpolation=cv2.INTER_AREA)
        parts = [picture[top : top + size[0], left : left + size[1]] for top, left in places]
        columns.append(np.concatenate([_label(title, size[1]), whole, *parts]))
    gap = np.ones((len(columns[0]), _GAP, 3), np.float32)
    return np.concatenate([part for column in columns for part in (column, gap)][:-1], axis=1)


def _label(title: str, width: int) -> Image:
    """Black on white."""
    label = np.full((_TITLE, width, 3), 255, np.uint8)
    cv2.putText(label, title, (8, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    return np.asarray(label, np.float32) / np.float32(255)
