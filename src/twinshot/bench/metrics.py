"""Image metrics, each convention by its name: figures of different conventions never share a column."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..light import Image

_SIGMA, _RADIUS = 1.5, 5  # the Gaussian window of Wang et al. 2004, cut at 3.5 sigma: 11 x 11


def psnr(restored: Image, truth: Image) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels of one picture, peak 1; convention `paper`.

    Pictures are compared as 8-bit files hold them, as the paper's authors did.
    """
    error = np.mean((_eight_bit(restored) - _eight_bit(truth)) ** 2, dtype=np.float64)
    return float(10 * np.log10(1 / error)) if error > 0 else float("inf")


def ssim(restored: Image, truth: Image) -> float:
    """Structural similarity, mean over pixels and channels; convention `paper`.

    Gaussian window sigma 1.5, population covariance, data range 1, K = 0.01 and 0.03, the border of 5 px left out:
    scikit-image's `gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=-1`.
    """
    x, y = _eight_bit(restored), _eight_bit(truth)
    mean_x, mean_y = _window(x), _window(y)
    variance_x, variance_y = _window(x * x) - mean_x**2, _window(y * y) - mean_y**2
    covariance = _window(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    score /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return float(score[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS].mean())


def _eight_bit(image: Image) -> NDArray[np.float64]:
    return np.round(np.clip(image.astype(np.float64), 0, 1) * 255) / 255


def _window(image: NDArray[np.float64]) -> NDArray[np.float64]:
    side = 2 * _RADIUS + 1
    return np.asarray(cv2.GaussianBlur(image, (side, side), _SIGMA, borderType=cv2.BORDER_REFLECT), np.float64)
