"""Image metrics, each convention by its name: figures of different conventions never share a column.

All conventions compare pictures as 8-bit files hold them: clipped to [0, 1] and rounded to 255 levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image
from ..picture.levels import decibels, eight_bit, psnr
from ..picture.pair import TwinshotError

Values = NDArray[np.float64]
Metric = Callable[[Image, Image], float]
"""(restored, truth) -> figure; both (H, W, 3) in [0, 1] and of one size."""


@dataclass(frozen=True)
class Convention:
    """A named way to compute PSNR (dB) and SSIM of one picture."""

    name: str
    psnr: Metric
    ssim: Metric


_SIGMA, _RADIUS = 1.5, 5  # the Gaussian window of Wang et al. 2004: 11 x 11
_UNIFORM = 7  # scikit-image's default window
_GREY = np.array([0.298936021293775, 0.587043074451121, 0.114020904255103])  # MATLAB's rgb2gray, unrounded

_DETAIL = 4.0  # px: sigma of the Gaussian that takes away what is no detail
_COLOUR, _COLOUR_STEP = (
    16.0,
    8,
)  # px: sigma within which colours are told apart from detail, and how often they are looked at

_TILE, _STEP = 64, 32  # px: windows of the spectrum, overlapping by half
_CELL = _TILE // 8  # bins between two harmonics of a period of 8 px
_BEFORE = 3  # bins of a harmonic's cell that come before it
_LINE = [2, 3, 4]  # bins of the cell that a steady grid fills under a Hann window, and no others
_BESIDE = [0, 1, 5, 6]
_ROUNDING = (1 / 255) ** 2 / 12  # variance of rounding to 8 bits


def ssim(restored: Image, truth: Image) -> float:
    """Structural similarity, mean over pixels and channels; convention `paper`.

    Gaussian window sigma 1.5, population covariance, data range 1, K = 0.01 and 0.03, the border of 5 px left out:
    scikit-image's `gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=-1`.
    """
    score = _similarity(stored(restored), stored(truth), _gaussian)
    return float(score[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS].mean())


def ssim_matlab(restored: Image, truth: Image) -> float:
    """Structural similarity as MATLAB's `ssim(rgb2gray(restored), rgb2gray(truth))` on uint8; convention `matlab`.

    Grey is 0.2989 R + 0.5870 G + 0.1140 B, rounded to 8 bits. Gaussian window sigma 1.5 of radius ceil(3 sigma) = 5,
    population covariance, the picture continued by its edge pixels, K = 0.01 and 0.03, mean over all pixels.
    """
    return grey_ssim(*(np.round(stored(image) @ _GREY * 255) / 255 for image in (restored, truth)))


def ssim_skimage(restored: Image, truth: Image) -> float:
    """Structural similarity by scikit-image's defaults, mean over pixels and channels; convention `skimage`.

    Uniform window of 7 x 7, sample covariance, data range 1, K = 0.01 and 0.03, the border of 3 px left out:
    `structural_similarity(restored, truth, data_range=1, channel_axis=-1)`.
    """
    pixels = _UNIFORM**2
    score = _similarity(stored(restored), stored(truth), _uniform, pixels / (pixels - 1))
    border = _UNIFORM // 2
    return float(score[border:-border, border:-border].mean())


CONVENTIONS = {
    row.name: row
    for row in (
        Convention("paper", psnr, ssim),
        Convention("matlab", psnr, ssim_matlab),  # MATLAB's psnr of uint8 RGB is the same mean over pixels and channels
        Convention("skimage", psnr, ssim_skimage),
    )
}
"""What figures can be stated in, by name."""


def stored(image: Image) -> Values:
    """The values that an 8-bit file of this picture holds, float64 in [0, 1]."""
    return eight_bit(image) / 255


def grey_ssim(x: Values, y: Values) -> float:
    """Structural similarity of two grey pictures (H, W), data range 1, as MATLAB computes it: see `ssim_matlab`."""
    return float(_similarity(x, y, _gaussian).mean())


def detail(restored: Image, truth: Image) -> float:
    """PSNR in dB of what a Gaussian of 4 px leaves of either: light and colour that are off by and large do not count.

    Infinite where that is the same.
    """
    fine, wanted = (image - _smooth(image, _DETAIL) for image in (stored(restored), stored(truth)))
    return decibels(float(np.mean((fine - wanted) ** 2)))


def colour(restored: Image, truth: Image) -> float:
    """Mean CIEDE2000 once both are smoothed by a Gaussian of 16 px, in encoded values, every 8 px; 0 is none.

    Colour and light by and large, apart from detail and noise; about 1 is the least that is seen.

    Raises:
        TwinshotError: scikit-image is missing.
    """
    try:
        from skimage.color import deltaE_ciede2000, rgb2lab
    except ImportError as error:
        raise TwinshotError("CIEDE2000 needs scikit-image; run pip install 'twinshot[bench]'") from error
    every = np.s_[::_COLOUR_STEP, ::_COLOUR_STEP]
    first, second = (rgb2lab(_smooth(stored(image), _COLOUR)[every].clip(0, 1)) for image in (truth, restored))
    return float(np.mean(deltaE_ciede2000(first, second)))  # type: ignore[no-untyped-call]


def checkerboard(restored: Image, truth: Image) -> float:
    """How much of a grid of 2, 4 or 8 px the restored picture has that the truth has not, in dB; 0 is none.

    Transposed convolutions of stride 2, and stacks of them, weigh neighbouring pixels unevenly: lines in the spectrum
    at multiples of 1/2, 1/4 and 1/8 of the sampling rate, along either axis or both. For each of these 63 harmonics
    (i, j) / 8 but (0, 0), r is the power at the line over the power beside it, and the measure is

        10 log10 mean (r_restored / r_truth).

    - Power beside the line, 2 and 3 bins off: blur and noise change both alike and do not count.
    - Over the truth's: real periodic structure and the ridges of edges do not count.
    - The mean of ratios, not of their logarithms, since a grid of 2 px shows in 3 of the 63 harmonics.
    - The power spectrum is the mean over channels and over Hann windows of 64 px, half overlapping, each less its
      mean (Welch 1967): a grid that comes and goes with the content is seen, and figures do not depend on the size.
    - The power of 8-bit rounding is added throughout, below which nothing can be told.

    One window is too few for a steady figure: pictures of 64 px a side scatter by about 1 dB.

    Args:
        restored: (H, W, 3) in [0, 1], H, W >= 64.
        truth: of the same size.

    Raises:
        TwinshotError: a side under 64 px.
    """
    return float(10 * np.log10(np.mean(_line_ratios(restored) / _line_ratios(truth))))


def _similarity(x: Values, y: Values, window: Callable[[Values], Values], correction: float = 1.0) -> Values:
    """The map of Wang et al. 2004, eq. 13; `correction` turns population covariance into another."""
    mean_x, mean_y = window(x), window(y)
    variance_x, variance_y = window(x * x) - mean_x**2, window(y * y) - mean_y**2
    covariance = window(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mean_x * mean_y + c1) * (2 * correction * covariance + c2)
    score /= (mean_x**2 + mean_y**2 + c1) * (correction * (variance_x + variance_y) + c2)
    return score


def _smooth(image: Values, sigma: float) -> Values:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.float64)


def _gaussian(image: Values) -> Values:
    side = 2 * _RADIUS + 1
    return np.asarray(cv2.GaussianBlur(image, (side, side), _SIGMA, borderType=cv2.BORDER_REPLICATE), np.float64)


def _uniform(image: Values) -> Values:
    return np.asarray(cv2.blur(image, (_UNIFORM, _UNIFORM)), np.float64)


def _line_ratios(image: Image) -> Values:
    """Power at each harmonic over the power beside it, (63,)."""
    # (64, 64) -> cells of 8 x 8 bins, a harmonic at (3, 3) of each: (i, bin, j, bin).
    cells = np.roll(_spectrum(image), (_BEFORE, _BEFORE), (0, 1)).reshape(8, _CELL, 8, _CELL)
    line = _bins(cells, _LINE, _LINE).mean((1, 3))
    # Logarithms: a spectrum that falls by some decibels a bin has the same mean on both sides as at the line.
    along_x = np.log(_bins(cells, _LINE, _BESIDE)).mean((1, 3))
    along_y = np.log(_bins(cells, _BESIDE, _LINE)).mean((1, 3))
    beside = (along_x + along_y) / 2
    # Upright and level edges fill the axes of the spectrum: only bins of the same axis compare.
    beside[0], beside[:, 0] = along_x[0], along_y[:, 0]
    return np.asarray((line / np.exp(beside)).ravel()[1:])


def _bins(cells: Values, rows: list[int], columns: list[int]) -> Values:
    return cells[:, rows][..., columns]


def _spectrum(image: Image) -> Values:
    """Mean power spectrum of the picture's windows, (64, 64), with that of rounding to 8 bits added."""
    values = stored(image)
    ramp = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_TILE) / _TILE)
    hann = np.outer(ramp, ramp)[..., None]
    powers = [np.abs(np.fft.fft2((tile - tile.mean((0, 1))) * hann, axes=(0, 1))) ** 2 for tile in _tiles(values)]
    return np.asarray(np.mean(powers, axis=(0, 3)) + _ROUNDING * np.sum(hann**2))


def _tiles(values: Values) -> Iterator[Values]:
    """Windows that cover the picture, (64, 64, 3); the last ones end where it ends."""
    height, width = values.shape[:2]
    if min(height, width) < _TILE:
        raise TwinshotError(f"{width}x{height} is too small to measure a grid in; give at least {_TILE} px a side")
    for top in sorted({*range(0, height - _TILE, _STEP), height - _TILE}):
        for left in sorted({*range(0, width - _TILE, _STEP), width - _TILE}):
            yield values[top : top + _TILE, left : left + _TILE]
