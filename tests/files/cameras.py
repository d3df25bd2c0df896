"""A camera that writes Bayer DNG files of a known scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from twinshot.picture.encoding import to_linear

SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
XYZ_TO_SENSOR = np.array([[0.6347, -0.0479, -0.0972], [-0.8297, 1.5954, 0.2480], [-0.1968, 0.2131, 0.7649]])
BLACK, WHITE = 512, 16383
BAYER = np.array([[0, 1], [1, 2]])
X_TRANS = np.array(
    [
        [1, 1, 0, 1, 1, 2],
        [1, 1, 2, 1, 1, 0],
        [2, 0, 1, 0, 2, 1],
        [1, 1, 2, 1, 1, 0],
        [1, 1, 0, 1, 1, 2],
        [0, 2, 1, 2, 0, 1],
    ]
)


def mosaic(
    picture: np.ndarray,
    balance: tuple[float, ...] = (2.0, 1.0, 1.6),
    exposure: float = 1.0,
    pattern: np.ndarray = BAYER,
) -> np.ndarray:
    """What a sensor sees of an 8-bit sRGB picture: values in [0, 1] at `exposure`."""
    seen = XYZ_TO_SENSOR @ SRGB_TO_XYZ
    sensor = to_linear(picture.astype(np.float32) / 255) @ (seen / seen.sum(1, keepdims=True)).T
    sensor = sensor / np.array(balance) * exposure
    rows, columns = np.indices(picture.shape[:2])
    return sensor[rows, columns, pattern[rows % len(pattern), columns % len(pattern)]]


def noisy(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """Shot and read noise."""
    sigma = np.sqrt(np.maximum(values, 0) * 2e-4 + 1e-6)
    return values + np.random.default_rng(seed).normal(0, 1, values.shape) * sigma


def write_dng(
    path: Path,
    values: np.ndarray,
    seconds: float,
    balance: tuple[float, ...] = (2.0, 1.0, 1.6),
    turn: int = 1,
    pattern: np.ndarray = BAYER,
    packed: bytes = b"",
    **layout: Any,
) -> Path:
    """Values in [0, 1] as a mosaic's DNG of 14 bits, taken at ISO 400 and f/2.

    `packed` is one tile as compressed, lossless JPEG unless `layout`, which is tifffile's, says otherwise.
    """
    levels = np.clip(values * (WHITE - BLACK) + BLACK, 0, WHITE).round().astype(np.uint16)
    tags = [
        (50706, "B", 4, (1, 4, 0, 0), True), (50708, "s", 0, "Night One", True), (271, "s", 0, "Aperture", True),
        (33421, "H", 2, pattern.shape, True), (33422, "B", pattern.size, tuple(pattern.ravel()), True),
        (274, "H", 1, turn, True),
        (50714, "H", 1, BLACK, True), (50717, "I", 1, WHITE, True),
        (50721, "2i", 9, _ratios(XYZ_TO_SENSOR.ravel()), True), (50728, "2I", 3, _ratios(1 / np.array(balance)), True),
        (50778, "H", 1, 21, True), (33434, "2I", 1, (round(seconds * 10_000), 10_000), True),
        (33437, "2I", 1, (20, 10), True), (34855, "H", 1, 400, True),
    ]  # fmt: skip
    layout = {"photometric": 32803, **layout, "extratags": [*tags, *layout.get("extratags", ())]}
    if packed:
        layout = {"compression": 7, "tile": values.shape[:2], "shape": levels.shape, "dtype": levels.dtype, **layout}
    tifffile.imwrite(path, iter([packed]) if packed else levels, **layout)
    return path


def _ratios(values: np.ndarray) -> list[int]:
    return [part for value in values for part in (round(value * 1_000_000), 1_000_000)]
