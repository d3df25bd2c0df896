"""Pictures to look at: 8-bit levels of halving size on disk, of which parts are cut without reading the rest."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SMALLEST = 512  # px: a level whose longer side has no more is not halved again
LARGEST_PART = 2048  # px a side of what one request is answered with
_QUALITY = 92
_LARGEST_PROFILE = 4096  # bytes of ICC that go into each part; larger ones are tables, for print


def write(folder: Path, name: str, pixels: NDArray[Any], icc: bytes = b"") -> None:
    """Write the levels of a picture (H, W, 3), uint8, uint16 or float in [0, 1], and its profile.

    Level k is `name-k.npy`, 2^k times smaller and rounded up; it appears whole, the largest level last.
    """
    import cv2

    from ..picture.levels import eight_bit

    levels = [eight_bit(pixels)]
    while max(levels[-1].shape) > SMALLEST:
        height, width = ((side + 1) // 2 for side in levels[-1].shape[:2])
        levels.append(cv2.resize(levels[-1], (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8))
    if len(icc) <= _LARGEST_PROFILE:
        (folder / f"{name}.icc").write_bytes(icc)
    for index, level in reversed(list(enumerate(levels))):
        partial = folder / f"{name}-{index}.partial"
        with partial.open("wb") as file:
            # np.save has no word on a full disk.
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(level))
            file.write(np.ascontiguousarray(level).data)
        partial.rename(partial.with_suffix(".npy"))


def size(folder: Path, name: str) -> tuple[int, int] | None:
    """Height and width of a picture; None where it is not there yet."""
    path = folder / f"{name}-0.npy"
    if not path.exists():
        return None
    height, width = np.load(path, mmap_mode="r", allow_pickle=False).shape[:2]
    return int(height), int(width)


def levels(height: int, width: int) -> int:
    """How many levels a picture of this size has."""
    count = 1
    while max(height, width) > SMALLEST:
        height, width, count = (height + 1) // 2, (width + 1) // 2, count + 1
    return count


def part(folder: Path, name: str, box: tuple[int, int, int, int], level: int) -> bytes:
    """A part of a picture as a JPEG file.

    Args:
        folder, name: as written.
        box: left, top, width, height in px of the whole picture; what lies outside the picture is left out.
        level: the part is shrunk 2^level times.
    """
    pixels = np.load(folder / f"{name}-{level}.npy", mmap_mode="r", allow_pickle=False)
    left, top, width, height = box
    step = 1 << level
    rows = slice(top // step, -(-(top + height) // step))
    columns = slice(left // step, -(-(left + width) // step))
    return jpeg(np.ascontiguousarray(pixels[rows, columns]), (folder / f"{name}.icc"))


def jpeg(pixels: NDArray[np.uint8], profile: Path) -> bytes:
    """A JPEG file of pixels (H, W, 3), with the profile where that file exists."""
    encoded = BytesIO()
    icc = profile.read_bytes() if profile.exists() else b""
    Image.fromarray(pixels).save(encoded, "JPEG", quality=_QUALITY, subsampling=0, icc_profile=icc or None)
    return encoded.getvalue()
