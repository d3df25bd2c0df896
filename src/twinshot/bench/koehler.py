"""The benchmark of Koehler et al. 2012, "Recording and Playback of Camera Shake": its files and its protocol.

4 images x 12 camera trajectories. There is not one truth for a blurry picture but one for every point of the
trajectory, about 199, and a result may lie anywhere on it: each is compared with all of them, and the best counts.
Plain PSNR against one of them is several dB too low.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image
from ..picture.levels import decibels
from ..picture.pair import TwinshotError
from .metrics import Values, grey_ssim, stored

_LAYOUT = "give a folder with Blurry{i}_{k}.png and Image{i}/Kernel{k}/GroundTruth{i}_{k}_{n}.png anywhere in it"
_MEAN = np.full(3, 1 / 3)
_LUMA = np.array([0.299, 0.587, 0.114])
_LEFT_OUT = {(1, 3, 30)}  # (image, trajectory, truth): the benchmark's own scripts leave it out

Key = tuple[int, int]
"""(image, trajectory), both from 1."""


@dataclass(frozen=True)
class Case:
    """A blurry picture and the truths of its trajectory, in the order of time."""

    image: int
    trajectory: int
    blurry: Path
    truth_files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """As in the file names: {image}_{trajectory}."""
        return f"{self.image}_{self.trajectory}"


def cases(root: Path) -> list[Case]:
    """All cases under `root`, by image and trajectory; 48 where the set is whole.

    Files are known by their names alone, so any arrangement of the downloaded archives will do.

    Raises:
        TwinshotError: no blurry pictures; one without truths, or the other way round; a file that is there twice.
    """
    blurry = {key[:2]: path for key, path in _named(root, r"Blurry(\d+)_(\d+)\.png").items()}
    truths: dict[Key, list[Path]] = defaultdict(list)
    for key, path in sorted(_named(root, r"GroundTruth(\d+)_(\d+)_(\d+)\.png").items()):
        if key not in _LEFT_OUT:
            truths[key[0], key[1]].append(path)
    if not blurry:
        raise TwinshotError(f"{root}: no blurry pictures there; {_LAYOUT}")
    for i, k in sorted(blurry.keys() ^ truths.keys()):
        missing = f"GroundTruth{i}_{k}_1.png and on" if (i, k) in blurry else f"Blurry{i}_{k}.png"
        raise TwinshotError(f"{root}: {missing} is missing there; {_LAYOUT}")
    return [Case(i, k, path, tuple(truths[i, k])) for (i, k), path in sorted(blurry.items())]


def score(restored: Image, truths: Iterable[Image]) -> tuple[float, float]:
    """PSNR in dB and SSIM of a picture by the benchmark's protocol; the set's figures are the means of 48.

    For each truth x and the restored picture z, as an 8-bit file holds it:

    1. z is scaled by s = sum x z / sum z z, over all pixels and channels.
    2. z is shifted by the whole pixels at the peak of the cyclic cross-correlation of the channel means; where that
       leaves it without pixels, both pictures are set to 0.
    3. PSNR = 10 log10(1 / mean (x - s z)^2) over the whole frame, of the luma 0.299 R + 0.587 G + 0.114 B, which the
       benchmark's scripts reduce colour to. The best over the truths is the picture's.

    SSIM is that of the masked luma at the truth of the best PSNR (`metrics.grey_ssim`). Other tables may have the
    multi-scale SSIM of the benchmark's scripts in its place.

    Args:
        restored: (H, W, 3) in [0, 1].
        truths: of the same size; read one at a time, as all of them would be gigabytes.

    Raises:
        TwinshotError: a truth of another size, or none at all.
    """
    z = stored(restored)
    conjugate = np.conj(np.fft.rfft2(z @ _MEAN))
    best, pair = -np.inf, None
    for truth in truths:
        if truth.shape != restored.shape:
            raise TwinshotError(f"the restored picture has shape {restored.shape}, a ground truth {truth.shape}")
        x, moved = _matched(stored(truth), z, conjugate)
        error = float(np.mean((x - moved) ** 2))
        psnr = decibels(error)
        if pair is None or psnr > best:
            best, pair = psnr, (x, moved)
    if pair is None:
        raise TwinshotError("no ground truths to compare with")
    return float(best), grey_ssim(*pair)


def _named(root: Path, pattern: str) -> dict[tuple[int, ...], Path]:
    """The files under `root` whose name is of a pattern, by the numbers in it."""
    found: dict[tuple[int, ...], Path] = {}
    for path in sorted(root.rglob("*.png")):
        if not (match := re.fullmatch(pattern, path.name)):
            continue
        key = tuple(map(int, match.groups()))
        if key in found:
            raise TwinshotError(f"{path}: is there twice, also as {found[key]}; keep one")
        found[key] = path
    return found


def _matched(x: Values, z: Values, conjugate: NDArray[np.complex128]) -> tuple[Values, Values]:
    """Masked luma (H, W) of a truth, and of the restored picture scaled and shifted to it."""
    scale = np.vdot(x, z) / max(np.vdot(z, z), np.finfo(float).tiny)
    correlation = np.fft.irfft2(np.fft.rfft2(x @ _MEAN) * conjugate, s=x.shape[:2])
    peak = np.unravel_index(np.argmax(correlation), correlation.shape)
    shift = [int(at) if at < side // 2 else int(at) - side for at, side in zip(peak, x.shape[:2], strict=True)]
    seen = _shifted(np.ones(x.shape[:2]), shift)
    return (x @ _LUMA) * seen, _shifted(scale * (z @ _LUMA), shift)


def _shifted(image: Values, shift: list[int]) -> Values:
    """(H, W) moved down and right by whole pixels, 0 where nothing came in."""
    moved = np.roll(image, shift, (0, 1))
    for axis, step in enumerate(shift):
        empty = slice(0, step) if step >= 0 else slice(step, None)
        moved.swapaxes(0, axis)[empty] = 0
    return moved
