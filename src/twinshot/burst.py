"""Several short frames become one better one: registered to the sharpest, and averaged where they agree with it.

Values are averaged as files have them, sRGB-encoded: what noise does to their mean is then what it does to a single
frame's, which is what networks have learnt. How far two frames may differ is not asked of a model of the camera: it is
measured on the frames themselves, by brightness, pixel by pixel and in the large, where noise averages out and a mover
shows. A frame counts where its difference is explained by noise, by the same share as in the burst merging of HDR+
(Hasinoff et al. 2016, eq. 7), squared, as a ghost is worse than noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .baselines.hdrplus import noise_share
from .match import align
from .picture.encoding import Image
from .picture.errors import InputError, MismatchError
from .picture.pair import Frame, as_float
from .picture.window import Matrix, Pixels, window

Plane = NDArray[np.float32]

_SCALES = ((0.0, 5, 2.0), (4.0, 13, 4.0))
"""(sigma of the difference that is looked at and side of the patch it is judged by, px; times the noise's power that
is noise still: in the large a patch holds fewer independent values, which spread more)."""
_LEVELS = 12  # of brightness, each with a variance of its own
_STRIP, _MARGIN = 512, 32  # px: rows that are merged at once, and what their filters see beyond
_PROBES = 8  # strips that noise is measured on
_SHARPNESS_SIDE, _SHARPNESS_BAND = 1440, (1.5, 4.0)
_QUIET = 20  # percentile of differences that is taken for noise: where detail is misplaced, they are larger
_LEAST_CONFIDENCE = 0.1  # of registration: below it a frame shows something else, or noise alone


def merge(frames: Sequence[Frame]) -> Frame:
    """The sharpest of some frames with the noise of all of them averaged away, and no ghosts of what moved.

    Args:
        frames: one or more, of one size, all exposed alike; one alone is given back as it is.

    Returns:
        uint16 pixels in the geometry of the sharpest frame, its name and metadata. `count` says of how many frames each
        pixel is: its noise is a single frame's divided by the square root of that. `doubts` name frames that were not
        used, as they do not show what the sharpest shows.

    Raises:
        InputError: there is no frame.
        MismatchError: they differ in size.
    """
    if not frames:
        raise InputError("there is no short frame; give at least one")
    for frame in frames[1:]:
        _check_size(frames[0], frame)
    if len(frames) == 1:
        return frames[0]
    reference, others, found = _by_the_sharpest(frames)
    metadata = reference.metadata
    for frame in (frame for frame, other in zip(others, found, strict=True) if not other):
        metadata = metadata.noted(f"was merged without {frame.name}, which shows something else")
    pixels, count = _averaged(reference.pixels, [other for other in found if other])
    return Frame(pixels, reference.name, metadata, count=count)


def _check_size(first: Frame, other: Frame) -> None:
    if first.size != other.size:
        (height, width), (other_height, other_width) = first.size, other.size
        raise MismatchError(
            f"{first.name} is {width}x{height} but {other.name} is {other_width}x{other_height}: "
            "give frames of the same size and orientation"
        )


def _by_the_sharpest(frames: Sequence[Frame]) -> tuple[Frame, list[Frame], list[_Other | None]]:
    """The sharpest frame that most of the others go with, the others, and how they are read at its pixels."""
    ordered = sorted(range(len(frames)), key=lambda index: -sharpness(frames[index].pixels))
    tried = []
    for best in ordered:
        others = [frame for index, frame in enumerate(frames) if index != best]
        found = [_registered(frames[best].pixels, frame.pixels) for frame in others]
        tried.append((frames[best], others, found))
        if 2 * found.count(None) <= len(others):
            break
    return min(tried, key=lambda one: one[2].count(None))


def sharpness(pixels: Pixels) -> float:
    """Energy of middle-sized detail, which blur takes away and noise hardly adds to: compare frames of one burst."""
    scale = min(1.0, _SHARPNESS_SIDE / max(pixels.shape[:2]))
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    grey = as_float(small).mean(-1)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in _SHARPNESS_BAND)
    return float(np.var(fine - coarse))


@dataclass(frozen=True, eq=False)
class _Other:
    """A frame beside the reference, and where it is read."""

    pixels: Pixels
    matrix: Matrix | None

    def rows(self, top: int, size: tuple[int, int]) -> Image:
        """Rows of it at the reference's pixels, in [0, 1]."""
        return as_float(window(self.pixels, top, 0, size, self.matrix))


def _registered(reference: Pixels, pixels: Pixels) -> _Other | None:
    """None for a frame that does not go with the reference."""
    found = align.estimate(reference, pixels)
    if not found.same_scene or found.confidence < _LEAST_CONFIDENCE:
        return None
    return _Other(pixels, found.where)


def _averaged(reference: Pixels, others: Sequence[_Other]) -> tuple[NDArray[np.uint16], Plane]:
    """The merged pixels, and of how many frames each is; a strip at a time, for the sake of memory."""
    height, width = reference.shape[:2]
    noise = [_noise(reference, other) for other in others]
    pixels, count = np.empty((height, width, 3), np.uint16), np.empty((height, width), np.float32)
    for top in range(0, height, _STRIP):
        first, last = max(0, top - _MARGIN), min(height, top + _STRIP + _MARGIN)
        inner = slice(top - first, min(top + _STRIP, height) - first)
        own = as_float(reference[first:last])
        level, total = _level(own), own.copy()
        weight = square = np.ones(own.shape[:2], np.float32)
        for other, variances in zip(others, noise, strict=True):
            rows = other.rows(first, (last - first, width))
            share = _share(own - rows, level, variances)
            total += share[..., None] * rows
            weight, square = weight + share, square + share * share
        merged = (total[inner] / weight[inner, :, None]).clip(0, 1)
        pixels[top : top + _STRIP] = np.rint(merged * 65535)
        count[top : top + _STRIP] = (weight * weight / square)[inner]
    return pixels, count


def _level(rows: Image) -> NDArray[np.intp]:
    """(h, w) which level of brightness a pixel is of."""
    smooth = cv2.GaussianBlur(rows, (0, 0), 2.0).mean(-1)
    return np.asarray(np.minimum(smooth * _LEVELS, _LEVELS - 1), np.intp)


def _power(difference: Image, sigma: float, patch: int) -> Plane:
    """(h, w) mean square of a difference over the channels and a patch, the difference smoothed before."""
    smooth = cv2.GaussianBlur(difference, (0, 0), sigma) if sigma else difference
    return np.asarray(cv2.blur((smooth * smooth).mean(-1), (patch, patch)), np.float32)


def _noise(reference: Pixels, other: _Other) -> list[Plane]:
    """For each scale, (levels,) the power that differences have by noise alone."""
    height = len(reference)
    tops = np.unique(np.linspace(0, max(0, height - 2 * _MARGIN), _PROBES).astype(int))
    levels, powers = [], []
    for top in tops:
        own = as_float(reference[top : top + 2 * _MARGIN])
        difference = own - other.rows(int(top), (own.shape[0], own.shape[1]))
        levels.append(_level(own).ravel())
        powers.append([_power(difference, sigma, patch).ravel() for sigma, patch, _ in _SCALES])
    level = np.concatenate(levels)
    return [_by_level(level, np.concatenate([row[scale] for row in powers])) for scale in range(len(_SCALES))]


def _by_level(level: NDArray[np.intp], power: Plane) -> Plane:
    """A low percentile of each level; levels that hardly occur take what their neighbours say."""
    least = 100
    known = [index for index in range(_LEVELS) if np.count_nonzero(level == index) >= least]
    if not known:
        return np.full(_LEVELS, max(float(np.percentile(power, _QUIET)), 1e-8), np.float32)
    found = [float(np.percentile(power[level == index], _QUIET)) for index in known]
    return np.maximum(np.interp(np.arange(_LEVELS), known, found), 1e-8).astype(np.float32)


def _share(difference: Image, level: NDArray[np.intp], variances: Sequence[Plane]) -> Plane:
    """(h, w) how much of a frame is taken, 0 to 1: what every scale agrees to."""
    share = np.ones(level.shape, np.float32)
    for (sigma, patch, tolerance), by_level in zip(_SCALES, variances, strict=True):
        variance = by_level[level]
        beyond = np.maximum(_power(difference, sigma, patch) - tolerance * variance, 0)
        share = np.minimum(share, noise_share(variance, beyond) ** 2)
    return share
