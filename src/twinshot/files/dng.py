"""Linear DNG: the result as a raw developer wants it, demosaiced and linear, with a preview of it.

Written in the sensor's own colours where the frames were raw, so that white balance can still be chosen; otherwise in
linear sRGB. (Digital Negative Specification 1.4.)
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..picture.encoding import to_linear
from ..picture.levels import eight_bit
from ..picture.pair import Metadata, Sensor
from . import exif, icc, tiff, xmp
from .exif import Order, number

_PREVIEW_SIDE = 1024
_LINEAR_RAW = 34892
_D65 = 21
_SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_STRIP = 256  # rows
_LEAST_DETERMINANT = 1e-6
# For developers that go by settings rather than by the tag that says so.
_NO_REDUCTION = (
    '<rdf:Description rdf:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" '
    'crs:LuminanceSmoothing="0" crs:ColorNoiseReduction="0" crs:Sharpness="0"/>'
)


def write(file: IO[bytes], pixels: NDArray[np.uint16], metadata: Metadata, block: exif.Exif) -> None:
    """A linear DNG of 16-bit encoded RGB pixels (H, W, 3), of any profile; a preview comes first, as readers expect."""
    if metadata.icc and not icc.alike(metadata.icc, b""):
        pixels = icc.transformed(pixels, metadata.icc, b"")
    preview = _preview(pixels)
    values, colours = _sensor_values(pixels, metadata.sensor, block.order)
    whole = tiff.layout(values, block.order, _LINEAR_RAW) | _levels(block.order)
    metadata = replace(metadata, xmp=xmp.with_description(xmp.without_settings(metadata.xmp), _NO_REDUCTION))
    block = replace(block, main={**tiff.resolution(metadata, block), **block.main})
    camera = {tag: block.camera[ours] for tag, ours in exif.OF_DNG.items() if ours in block.camera}
    first = _preview_tags(preview, block.order) | colours | camera | tiff.blocks(replace(metadata, icc=b""))
    head = _head(block, first, whole, len(preview[0]))
    file.write(head)
    file.write(preview[0])
    tiff.write_pixels(file, values, block.order)


def _head(block: exif.Exif, first: exif.Directory, whole: exif.Directory, preview: int) -> bytes:
    """Both directories with their offsets: they are as long with any offsets as with none."""
    length = len(exif.serialise(block, first, whole))
    first[273] = number(4, length, block.order)
    whole[273] = number(4, length + preview, block.order)
    return exif.serialise(block, first, whole)


def _preview(pixels: NDArray[np.uint16]) -> tuple[bytes, tuple[int, int]]:
    """A small JPEG, of an even number of bytes, and its width and height."""
    height, width = pixels.shape[:2]
    scale = min(1.0, _PREVIEW_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = eight_bit(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
    out = BytesIO()
    Image.fromarray(small).save(out, "JPEG", quality=85)
    return out.getvalue() + bytes(out.tell() % 2), size


def _preview_tags(preview: tuple[bytes, tuple[int, int]], order: Order) -> exif.Directory:
    data, (width, height) = preview
    values: dict[int, tuple[int, int | tuple[int, ...]]] = {
        254: (4, 1), 256: (4, width), 257: (4, height), 258: (3, (8, 8, 8)), 259: (3, 7), 262: (3, 6), 273: (4, 0),
        277: (3, 3), 278: (4, height), 279: (4, len(data)), 284: (3, 1), 530: (3, (2, 2)),
        50706: (1, (1, 4, 0, 0)), 50707: (1, (1, 1, 0, 0)),
    }  # fmt: skip
    return {tag: number(kind, value, order) for tag, (kind, value) in values.items()}


def _levels(order: Order) -> exif.Directory:
    """Black and white, and that noise has been reduced in full (NoiseReductionApplied): nobody needs to do it again."""
    black, white, reduced = number(3, (0, 0, 0), order), number(4, (65535,) * 3, order), number(5, (1, 1), order)
    return {50714: black, 50717: white, 50935: reduced}


def _sensor_values(
    pixels: NDArray[np.uint16], sensor: Sensor | None, order: Order
) -> tuple[NDArray[np.uint16], exif.Directory]:
    """Linear values in the sensor's colours, and the tags that say what those are."""
    matrix = np.reshape(sensor.matrix, (3, 3)) if sensor else np.eye(3)
    balance = np.array(sensor.balance if sensor else (1.0, 1.0, 1.0))
    if abs(np.linalg.det(matrix)) < _LEAST_DETERMINANT:
        matrix, balance = np.eye(3), np.ones(3)
    neutral = balance.min() / balance
    camera = neutral[:, None] * np.linalg.inv(matrix)
    convert = camera.astype(np.float32)
    values = np.empty_like(pixels)
    for top in range(0, len(pixels), _STRIP):
        linear = to_linear(pixels[top : top + _STRIP] * np.float32(1 / 65535)) @ convert.T
        values[top : top + _STRIP] = (linear.clip(0, 1) * 65535).round()
    return values, _colours(camera @ np.linalg.inv(_SRGB_TO_XYZ), neutral, order)


def _colours(matrix: NDArray[np.float64], neutral: NDArray[np.float64], order: Order) -> exif.Directory:
    scaled = [part for value in matrix.ravel() for part in (round(value * 10_000), 10_000)]
    white = [part for value in neutral for part in (round(value * 1_000_000), 1_000_000)]
    model = exif.text("twinshot linear")
    return {
        50708: model,
        50721: number(10, tuple(scaled), order),
        50728: number(5, tuple(white), order),
        50778: number(3, _D65, order),
        50730: number(10, (0, 1), order),
    }
