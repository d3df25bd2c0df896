"""What is compared: every system takes a pair and gives a picture in the noisy frame's geometry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from .. import __version__, exposure
from ..engine import load_model, manifest
from ..light import Image
from ..pair import Pair, TwinshotError, as_float
from ..restoration import restore

System = Callable[[Pair, dict[str, Any], Image], Image]
"""(pair, meta, truth) -> picture. The truth is for oracles alone: BM3D is told its noise."""


def system(name: str) -> System:
    """A system by its name: an input as it is, a classical denoiser, or a shipped model.

    Raises:
        TwinshotError: unknown name, or a package the system needs is missing.
    """
    if name in _CLASSICAL:
        return _CLASSICAL[name]
    model = load_model(name)
    return lambda pair, meta, truth: restore(pair.noisy.pixels, pair.blurry.pixels, model).image


def version_of(name: str) -> str:
    """What a system's figures depend on: a model's checksum, or the version of the code."""
    models = manifest()
    return str(models[name]["sha256"]) if name in models else __version__


def matched_noisy(pair: Pair) -> Image:
    """The noisy frame at the blurry frame's exposure, as `restore` brings it there."""
    match = exposure.estimate(pair.noisy.pixels, pair.blurry.pixels, exposure.exif_gain(pair))
    return exposure.apply(as_float(pair.noisy.pixels), match)


def _noisy(pair: Pair, meta: dict[str, Any], truth: Image) -> Image:
    return matched_noisy(pair)


def _blurry(pair: Pair, meta: dict[str, Any], truth: Image) -> Image:
    return as_float(pair.blurry.pixels)


def _known(pair: Pair, meta: dict[str, Any], truth: Image) -> tuple[Image, float]:
    """The gain-matched noisy frame and its true noise, which the denoisers are given."""
    noisy = matched_noisy(pair)
    return noisy, float(np.sqrt(np.mean((noisy - truth) ** 2)))


def _nlm(pair: Pair, meta: dict[str, Any], truth: Image) -> Image:
    """OpenCV's non-local means, its strength the true noise."""
    noisy, sigma = _known(pair, meta, truth)
    bytes_ = np.round(noisy * 255).astype(np.uint8)
    strength = 255 * sigma
    clean = cv2.fastNlMeansDenoisingColored(bytes_, None, strength, strength, 7, 21)
    return as_float(clean)


def _bm3d(pair: Pair, meta: dict[str, Any], truth: Image) -> Image:
    """BM3D in its colour form (package bm3d), told the true noise."""
    try:
        import bm3d
    except ImportError as error:
        raise TwinshotError("BM3D needs its package: pip install 'twinshot[bench]'") from error
    noisy, sigma = _known(pair, meta, truth)
    return np.asarray(np.clip(bm3d.bm3d_rgb(noisy, sigma), 0, 1), np.float32)


_CLASSICAL: dict[str, System] = {"noisy": _noisy, "blurry": _blurry, "nlm": _nlm, "bm3d": _bm3d}
