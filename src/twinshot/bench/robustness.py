"""How systems bear what a photographer may do wrong: PSNR along one difficulty at a time, all others kept.

The usual case is a short frame at 1/8 of the long one's time, 8 px of camera blur, a medium noise level, nothing that
moves in the scene, frames registered.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np

from .. import burst
from ..baselines.system import Shot, System
from ..picture.encoding import Image, to_linear, to_srgb
from ..picture.levels import eight_bit, psnr
from ..picture.pair import Frame, Pair, TwinshotError
from ..synth.frames import StillWindow, images_in, read_photo
from ..synth.motion import MotionRange
from ..synth.noise import with_hot_pixels
from ..synth.profiles import CameraProfile
from .datasets import shot_of

SIDE = 192
_MARGIN = 48  # px around the view, so that a moved long frame still covers it
_USUAL_RATIO = 8.0
_HAND = 4  # whole px that frames of a burst are apart, at most: none is softer by being resampled
_WAVE = 160.0  # px from one thing that is near to the next
_BRIGHTEST = 0.9  # of what a frame can hold, in linear light, where nothing is to be clipped
_INNER = np.s_[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


@dataclass(frozen=True)
class Conditions:
    """Of one simulated pair.

    Attributes:
        ratio: of the exposure times; the short frame's noise grows with it, and its file darkens.
        blur: extent of the camera's blur, px.
        shift: of the long frame against the short one, px.
        turn: the same in degrees.
        parallax: px that parts of the long frame are moved by at most, along one direction, in waves of `_WAVE` px.
        noise: level of the `camera` profile at a ratio of 8, 0 (light) to 1 (night).
        clipped: share of the long frame's pixels with a channel at its limit: the scene is brightened until it is.
        gain: what brings the short file to the long one's light at a ratio of 8; its noise, then, is the same.
        black: added to the short frame in linear light, whose white is 1.
        gamma: of the tone curve between the frames: the short file's encoded values are raised to it.
        exif: what EXIF makes of the ratio, over the true one; 0: there is no EXIF.
        hot: share of the short frame's pixels that are hot.
        frames: how many short ones there are, a hand's move apart, which are merged.
    """

    ratio: float = _USUAL_RATIO
    blur: float = 8.0
    shift: float = 0.0
    turn: float = 0.0
    parallax: float = 0.0
    noise: float = 0.5
    clipped: float = 0.0
    gain: float = _USUAL_RATIO
    black: float = 0.0
    gamma: float = 1.0
    exif: float = 0.0
    hot: float = 0.0
    frames: float = 1.0

    @property
    def darkness(self) -> float:
        """How much darker the short file is than the long one."""
        return self.gain * self.ratio / _USUAL_RATIO


_USUAL = Conditions()


@dataclass(frozen=True)
class Axis:
    """One difficulty: the field of `Conditions` that varies, over what, and under which others.

    Attributes:
        field: of `Conditions`.
        label, unit: for people.
        values: of the field.
        usual: all other conditions.
        name: in the results, where it is not the field's.
    """

    field: str
    label: str
    unit: str
    values: tuple[float, ...]
    usual: Conditions = _USUAL
    name: str = ""

    @property
    def key(self) -> str:
        """What it is called in the results."""
        return self.name or self.field


AXES = (
    Axis("ratio", "exposure ratio", "times", (2, 4, 8, 16)),
    Axis("blur", "blur length", "px", (0, 2, 5, 10, 20, 40, 60)),
    Axis("shift", "misregistration", "px", (0, 5, 10, 20, 40)),
    Axis("turn", "misregistration", "degrees", (0, 0.5, 1, 2, 3)),
    Axis("parallax", "parallax", "px at most", (0, 1, 2, 4)),
    Axis("noise", "noise level", "of the profile camera", (0, 0.25, 0.5, 0.75, 1)),
    Axis("clipped", "brightening", "until this share of the long frame is clipped", (0, 0.05, 0.1, 0.2, 0.4)),
    Axis("gain", "gain", "times, noise the same after it", (2, 8, 20, 50, 100)),
    Axis("black", "black offset", "of the short frame, linear light", (0, 0.005, 0.01, 0.02)),
    Axis("gamma", "tone curve", "gamma between the frames", (0.8, 0.9, 1, 1.1, 1.25)),
    Axis("exif", "EXIF's exposure ratio", "times the true one; 0: none", (0, 0.25, 0.5, 1, 2, 4)),
    Axis("hot", "hot pixels", "share of the short frame's", (0, 0.0005, 0.001, 0.002)),
    Axis("blur", "blur length at the strongest noise", "px", (0, 0.5, 1, 2), Conditions(noise=1.0), "blur-at-night"),
    Axis("frames", "short frames at the strongest noise", "merged", (1, 2, 4, 8), Conditions(noise=1.0, shift=_HAND)),
)


def large_enough(folder: Path) -> list[Path]:
    """The photographs of a folder that hold a view and its margin, 288 px a side.

    Raises:
        TwinshotError: there is none.
    """
    side = SIDE + 2 * _MARGIN
    found = [path for path in images_in(folder) if min(read_photo(path).shape[:2]) >= side]
    if not found:
        raise TwinshotError(f"{folder}: no photograph there is at least {side}x{side} px; give larger ones")
    return found


def pairs_along(axis: Axis, photos: Sequence[Path], seed: int) -> list[list[tuple[Shot, Image]]]:
    """For each of the axis's values, a pair and its truth a photograph; motion and noise are drawn alike along it."""
    cases = [replace(axis.usual, **{axis.field: value}) for value in axis.values]
    return [[simulated(photo, case, [seed, i]) for i, photo in enumerate(photos)] for case in cases]


def curve(system: System, pairs: Sequence[Sequence[tuple[Shot, Image]]]) -> list[float] | None:
    """A system's mean PSNR in dB at each value of `pairs_along`; None for one that takes a burst."""
    if system.takes == "burst":
        return None
    return [round(fmean(psnr(system.restore(shot), truth) for shot, truth in point), 3) for point in pairs]


def simulated(photo: Path, conditions: Conditions, seed: Sequence[int]) -> tuple[Shot, Image]:
    """A pair under the given conditions, and its truth; (192, 192, 3)."""
    rng = np.random.default_rng(seed)
    extent = (conditions.blur, conditions.blur)
    motion = MotionRange(blur=extent, gap=(0.1, 0.1), registered=1.0, movers=0.0)
    side = SIDE + 2 * _MARGIN
    sharp, blurry = StillWindow(photo, (), (side, side), motion).expose("linear", rng)
    brighter = _brightening(sharp, blurry, conditions.clipped)
    further = _further(sharp, int(conditions.frames) - 1, np.random.default_rng([*seed, 2]))
    frames = (sharp, _moved(blurry, conditions, rng), *further)
    sharp, blurry, *further = (to_srgb((to_linear(frame) * brighter).clip(0, 1))[_INNER] for frame in frames)
    # The same draws twice: the gain darkens the short file, and leaves the long one's noise as it is.
    dark, found = (
        _profile(conditions, darkness).degrade(sharp, blurry, deepcopy(rng), further)
        for darkness in (conditions.darkness, conditions.ratio)
    )
    dots = np.random.default_rng([*seed, 1])
    short = [_as_filed(frame, conditions, dots) for frame in (dark.noisy, *dark.burst)]
    pair = _pair(short, found.blurry, conditions)
    truth = (found.sharp, *further)[int(pair.noisy.name)]
    return shot_of(pair, (), truth), truth


def _further(sharp: Image, count: int, rng: np.random.Generator) -> list[Image]:
    """The scene as further short frames see it; what comes in again at the other side lies in the margin."""
    return [np.roll(sharp, move, (0, 1)) for move in rng.integers(-_HAND, _HAND + 1, (count, 2))]


def _as_filed(noisy: Image, conditions: Conditions, rng: np.random.Generator) -> Image:
    """The short frame with a camera's hot pixels, black and tone curve."""
    if conditions.hot or conditions.black:
        linear = with_hot_pixels(to_linear(noisy), conditions.hot, rng) + np.float32(conditions.black)
        noisy = to_srgb(linear).clip(0, 1)
    return noisy ** np.float32(conditions.gamma)


def _pair(short: Sequence[Image], blurry: Image, conditions: Conditions) -> Pair:
    """Files, with EXIF where the conditions name some; the long frame's exposure stands for 1.

    The short one is called by the number of that which it is, or which others were merged to.
    """
    first, second = (1 / (conditions.exif * conditions.darkness), 1.0) if conditions.exif else (None, None)
    frames = [Frame(eight_bit(noisy), str(number), exposure=first) for number, noisy in enumerate(short)]
    return Pair(burst.merge(frames), Frame(eight_bit(blurry), "the long frame", exposure=second))


def _moved(frame: Image, conditions: Conditions, rng: np.random.Generator) -> Image:
    """The frame shifted in a direction of its own, turned about its middle, with parallax along that direction."""
    angle, middle = rng.uniform(0, 2 * np.pi), ((frame.shape[1] - 1) / 2, (frame.shape[0] - 1) / 2)
    move = conditions.shift * np.array([[0, 0, np.cos(angle)], [0, 0, np.sin(angle)]])
    matrix = cv2.getRotationMatrix2D(middle, conditions.turn, 1.0) + move
    size = (frame.shape[1], frame.shape[0])
    moved = cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return _with_parallax(np.asarray(moved, np.float32).clip(0, 1), conditions.parallax, angle)


def _with_parallax(frame: Image, most: float, angle: float) -> Image:
    if not most:
        return frame
    y, x = np.indices(frame.shape[:2], np.float32)
    shift = most * np.sin(2 * np.pi * x / _WAVE) * np.cos(2 * np.pi * y / _WAVE)
    across, down = ((at + shift * along).astype(np.float32) for at, along in ((x, np.cos(angle)), (y, np.sin(angle))))
    moved = cv2.remap(frame, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.float32).clip(0, 1)


def _brightening(sharp: Image, blurry: Image, share: float) -> np.float32:
    """The factor in linear light that clips a share of the long frame's pixels.

    For none, it leaves the sharp frame's brightest below: the scene is then as bright whatever its blur.
    """
    if not share:
        return np.float32(_BRIGHTEST / max(to_linear(sharp[_INNER]).max(), 1e-3))
    peaks = to_linear(blurry[_INNER]).max(-1)
    return np.float32(1 / max(np.quantile(peaks, 1 - share), 1e-3))


def _profile(conditions: Conditions, darkness: float) -> CameraProfile:
    """The camera at a fixed noise level; a shorter frame gathers less light, so that noise grows with the ratio."""
    usual = CameraProfile()
    factor = conditions.ratio / _USUAL_RATIO
    return replace(
        usual,
        ratio=(darkness, darkness),
        level=(conditions.noise, conditions.noise),
        shot=(usual.shot[0] * factor, usual.shot[1] * factor),
        read=(usual.read[0] * factor, usual.read[1] * factor),
        dark_file=1.0,
        mosaic=1.0,
        jpeg=0.0,
    )
