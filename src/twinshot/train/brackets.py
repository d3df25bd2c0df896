"""Crops of brackets for training, their short frame matched as use would: nearly right."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from ..match import tone, tone_fit
from ..picture.encoding import Image, to_linear, to_srgb
from ..synth import noise, patterns
from ..synth.profiles import BracketProfile
from .bursts import further, merged
from .pool import Triple

_PATTERNED = 0.25  # share of the scenes that show a fine pattern
_NIGHT = 0.3  # share of the scenes that are darker than our photographs, most of which were taken by day
_DARKER = (0.5, 3.5)  # stops
_NEARLY_SHARP = 0.3  # share of the long frames that were held still
_GRAIN = 0.6  # share of those that show grain of their own
_CURVE = 0.85  # share that is matched by a curve; the others by a gain, as where a picture has too little to tell more


def bracket_triple(
    profile: BracketProfile, sharp: Image, blurry: Image, bursts: float, rng: np.random.Generator
) -> Triple:
    """A crop of a bracket, its short frame brought to the long one's light as use would: nearly right.

    The curve is fitted to the truth, as far moved or blurred frames are matched as well, and beside it to patches that
    stand for the rest of a picture; then it is off by a little.
    """
    sharp, blurry, truth = _varied(sharp, blurry, rng)
    width, patches = sharp.shape[1], profile.context(sharp, rng)
    scene = np.hstack([sharp, patches])
    wide = profile.degrade(scene, np.hstack([blurry, patches]), rng, further(scene, bursts, rng))
    wide = merged(wide, rng)
    match = tone_fit.fitted(wide.noisy, wide.sharp, "curve" if rng.random() < _CURVE else "gain")
    short = tone.apply(wide.noisy[:, :width], match)
    bend, gain = np.exp(rng.normal(size=3) * 0.03), np.exp(rng.normal(size=3) * 0.02)
    short = np.clip(short ** bend.astype(np.float32) * gain.astype(np.float32), 0, 1)
    frames = (short, wide.blurry[:, :width], truth)
    noisy, long, aim = (torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))) for frame in frames)
    return noisy, long, aim


def _varied(sharp: Image, blurry: Image, rng: np.random.Generator) -> tuple[Image, Image, Image]:
    """The scene at times by night, with a fine pattern, or from a hand that held still; and what is to be restored."""
    if rng.random() < _NIGHT:
        sharp, blurry = darker(sharp, blurry, rng)
    if rng.random() < _PATTERNED:
        sharp, blurry = patterns.patterned(sharp, blurry, rng)
    truth = sharp
    if rng.random() < _NEARLY_SHARP:
        truth = with_grain(sharp, rng) if rng.random() < _GRAIN else sharp
        blurry = nearly_sharp(truth, rng)
    return sharp, blurry, truth


def darker(sharp: Image, blurry: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Both frames in less light: by stops in linear light, where a long exposure stays the mean that it was."""
    dimmed = np.float32(2 ** -rng.uniform(*_DARKER))
    first, second = (to_srgb(to_linear(frame) * dimmed) for frame in (sharp, blurry))
    return first, second


def with_grain(sharp: Image, rng: np.random.Generator) -> Image:
    """What a long file shows of itself where nothing moved: a little noise, as wide as demosaicing and JPEG leave it.

    There the truth is the file: a picture without its grain would be further from it than the file is.
    """
    grain = rng.normal(size=sharp.shape) * np.exp(rng.uniform(np.log(0.004), np.log(0.04)))
    grain = cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.4, 1.2)) * (0.4 + sharp * (1 - sharp) * 2.4)
    return noise.jpeg(np.clip(sharp + grain, 0, 1).astype(np.float32), int(rng.integers(80, 99)))


def nearly_sharp(sharp: Image, rng: np.random.Generator) -> Image:
    """A long frame that was held still, but for a fraction of a pixel that registration leaves."""
    move = np.array([[1, 0, rng.normal() * 0.12], [0, 1, rng.normal() * 0.12]])
    moved = cv2.warpAffine(sharp, move, sharp.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    sigma = rng.uniform(0, 0.8)
    softened = cv2.GaussianBlur(moved, (0, 0), sigma) if sigma > 0.2 else moved
    return np.asarray(np.clip(softened, 0, 1), np.float32)
