"""Noise as the paper has it and as a camera makes it. Every random act takes its generator."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..picture.encoding import Image
from ..picture.levels import eight_bit
from ..picture.pair import as_float

_HEADROOM = 2.0  # linear light up to 2 survives the 16-bit mosaic
_BILINEAR = np.array([[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]])  # what demosaicing makes of one photosite


def poisson(image: Image, values: float, rng: np.random.Generator) -> Image:
    """Shot noise of eq. (8): Poisson(v I) / v, clipped to [0, 1]; v is `shot_values` of the frame as it was lit."""
    return np.asarray(np.clip(rng.poisson(image * values) / values, 0, 1), np.float32)


def shot_values(sharp: Image) -> float:
    """Eq. (8)'s number of unique intensities, of the 8-bit file; scikit-image's `random_noise` rounds it up to 2^k."""
    unique = np.count_nonzero(np.bincount(eight_bit(sharp).ravel(), minlength=256))
    return float(2.0 ** np.ceil(np.log2(unique)))


def gaussian(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Read-out noise of section III-C: signal-independent, clipped to [0, 1]."""
    return np.clip(white(image, sigma, rng), 0, 1)


def white(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Signal-independent Gaussian noise, unclipped."""
    return np.asarray(image + _normal(image.shape, rng) * np.float32(sigma), np.float32)


def sensor(linear: Image, shot: float, read: float, rng: np.random.Generator) -> Image:
    """Poisson-Gaussian noise of variance shot * I + read^2 on each value of a linear-light image, unclipped."""
    sigma = np.sqrt(np.maximum(linear, 0) * np.float32(shot) + np.float32(read**2))
    return np.asarray(linear + sigma * _normal(linear.shape, rng), np.float32)


@dataclass(frozen=True)
class Faults:
    """What a sensor adds beside noise that is independent from pixel to pixel.

    Attributes:
        rows: sigma of an offset that each row of the mosaic has.
        hot: share of the pixels that are bright whatever they see.
        edge_aware: whether demosaicing goes along edges; otherwise it is bilinear.
    """

    rows: float = 0.0
    hot: float = 0.0
    edge_aware: bool = True


NO_FAULTS = Faults()


def through_mosaic(
    linear: Image, shot: float, read: float, black: float, rng: np.random.Generator, faults: Faults = NO_FAULTS
) -> Image:
    """Sensor noise on the Bayer mosaic, then demosaicing, which correlates it. Linear light in and out, in [0, 2].

    Args:
        linear: (H, W, 3).
        shot, read: as in `sensor`.
        black: negative values survive down to -black, as on a sensor with a black offset.
        rng: the source of the noise.
        faults: what else the sensor adds.
    """
    height, width = linear.shape[:2]
    mosaic = np.empty((height, width), np.float32)
    mosaic[0::2, 0::2] = linear[0::2, 0::2, 0]
    mosaic[0::2, 1::2] = linear[0::2, 1::2, 1]
    mosaic[1::2, 0::2] = linear[1::2, 0::2, 1]
    mosaic[1::2, 1::2] = linear[1::2, 1::2, 2]
    noisy = _with_faults(sensor(mosaic, shot, read, rng), faults, rng)
    scale = np.float32(65535 / (_HEADROOM + black))
    levels = np.clip((noisy + np.float32(black)) * scale, 0, 65535).astype(np.uint16)
    # OpenCV names a pattern by its second row and column: this is RGGB, read as R, G, B.
    developed = cv2.cvtColor(levels, cv2.COLOR_BayerBG2RGB_EA if faults.edge_aware else cv2.COLOR_BayerBG2RGB)
    return np.asarray(developed / scale - np.float32(black), np.float32)


def _with_faults(mosaic: Image, faults: Faults, rng: np.random.Generator) -> Image:
    if faults.rows:
        mosaic = mosaic + rng.normal(size=(len(mosaic), 1)).astype(np.float32) * np.float32(faults.rows)
    if faults.hot:
        count = rng.poisson(faults.hot * mosaic.size)
        at = rng.integers(mosaic.size, size=count)
        mosaic.ravel()[at] += rng.exponential(np.exp(rng.uniform(-4, -0.5)), count).astype(np.float32)
    return mosaic


def with_hot_pixels(linear: Image, share: float, rng: np.random.Generator) -> Image:
    """Spots of one colour, as demosaicing makes of a photosite that gathers charge in the dark, up to half of white.

    Args:
        linear: linear light of a file, (H, W, 3).
        share: of its pixels that are hot.
        rng: where they are, and how bright.
    """
    height, width = linear.shape[:2]
    there = rng.random((height, width)) < share
    charge = np.where(there, rng.uniform(0.02, 0.5, (height, width)), 0)
    rows, columns = np.indices((height, width))
    spots = np.stack([np.where((rows % 2) + (columns % 2) == colour, charge, 0) for colour in range(3)], -1)
    return np.asarray(linear + cv2.filter2D(spots.astype(np.float32), -1, _BILINEAR), np.float32)


@dataclass(frozen=True)
class Development:
    """What a camera does to a picture before it writes a JPEG.

    Attributes:
        chroma: sigma in px of the blur that colour noise is hidden with; coarse stains of it stay.
        luma: strength of the edge-keeping filter on brightness, in multiples of the noise; fine texture goes with it.
        sharpening: share of the detail that is added again, and with it of the noise that is left.
    """

    chroma: float
    luma: float
    sharpening: float


def developed(image: Image, development: Development) -> Image:
    """A noisy sRGB-encoded picture as a camera's own noise reduction and sharpening leave it, in [0, 1]."""
    y, *colours = cv2.split(cv2.cvtColor(np.clip(image, 0, 1), cv2.COLOR_RGB2YCrCb))
    colours = [cv2.GaussianBlur(colour, (0, 0), development.chroma) for colour in colours]
    grain = np.asarray(y - cv2.medianBlur(y, 3))
    sigma = 1.4826 * float(np.median(np.abs(grain - np.median(grain))))
    if sigma > 0:
        y = cv2.bilateralFilter(y, 5, development.luma * sigma, 2.0)
    y = y + np.float32(development.sharpening) * (y - cv2.GaussianBlur(y, (0, 0), 1.0))
    merged = cv2.merge([np.clip(y, 0, 1), *colours])
    return np.asarray(np.clip(cv2.cvtColor(merged, cv2.COLOR_YCrCb2RGB), 0, 1), np.float32)


def jpeg(image: Image, quality: int) -> Image:
    """The picture after a JPEG file of this quality (1 to 100)."""
    _, data = cv2.imencode(".jpg", eight_bit(image)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return as_float(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1])


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> Image:
    return rng.standard_normal(shape, np.float32)
