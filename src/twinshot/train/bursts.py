"""Short frames of a burst in training: further ones that hold noise of their own, averaged as `burst.merge` would."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ..picture.encoding import Image
from ..synth.profiles import Sample

_MOST = 8


def further(sharp: Image, share: float, rng: np.random.Generator) -> tuple[Image, ...]:
    """What the further short frames of a burst show, for that share of the samples; for the others there are none."""
    burst = share > 0 and rng.random() < share
    return (sharp,) * int(rng.integers(1, _MOST)) if burst else ()


def merged(spoiled: Sample, rng: np.random.Generator) -> Sample:
    """The sample with the mean of its short frames for its noisy one.

    The further ones lie a fraction of a pixel off and are resampled, which makes their noise softer.
    """
    if not spoiled.burst:
        return spoiled
    frames = [spoiled.noisy, *(_resampled(frame, rng) for frame in spoiled.burst)]
    return replace(spoiled, noisy=np.mean(frames, axis=0, dtype=np.float32), burst=())


def _resampled(frame: Image, rng: np.random.Generator) -> Image:
    """There and back by a fraction of a pixel."""
    move = np.array([[1, 0, rng.uniform(-0.5, 0.5)], [0, 1, rng.uniform(-0.5, 0.5)]])
    size, border = frame.shape[1::-1], cv2.BORDER_REFLECT_101
    there = cv2.warpAffine(frame, move, size, flags=cv2.INTER_LANCZOS4, borderMode=border)
    back = cv2.warpAffine(there, move, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=border)
    return np.asarray(np.clip(back, 0, 1), np.float32)
