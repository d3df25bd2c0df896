"""A still photograph becomes what a moving camera saw: the sharp frame and the long exposure beside it.

The camera's pose over time is a smooth random function with six degrees of freedom, applied as a homography;
one to three layers cut from other photographs move through the scene on paths of their own. The exposure is the
mean of sub-frames so dense that no step shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image

Array = NDArray[np.float64]

STEP = 0.75  # px between sub-frames: below it the mean of bilinear samples shows no ghosts
MOST_SUBFRAMES = 160

GOPRO_BLUR = (2.0, 6.0, 12.0, 20.0)
"""Breakpoints of a `MotionRange` whose blurry pictures are as far from the sharp ones as GOPRO's, about 25 dB."""


@dataclass(frozen=True)
class MotionRange:
    """From what a sample's motion is drawn.

    Attributes:
        blur: breakpoints, in px, of the blur extent: each interval between two neighbours is equally likely.
        gap: time between the short frame and the start of the long exposure, as a share of the exposure.
        inside: probability that the short frame lies inside the exposure instead.
        inside_at: where it then lies; GOPRO's is at the middle.
        registered: probability that the camera's move between the frames was already taken out by registration.
        leftover: largest share of that move that registration leaves, of each degree of freedom.
        movers: probability that something in the scene moves.
    """

    blur: tuple[float, ...] = (0.0, 1.5, 6.0, 14.0, 26.0, 45.0)
    gap: tuple[float, float] = (0.02, 0.4)
    inside: float = 0.0
    inside_at: tuple[float, float] = (0.2, 0.8)
    registered: float = 0.0
    leftover: float = 0.08
    movers: float = 0.4


@dataclass(frozen=True, eq=False)
class Path:
    """A smooth pose over time: drift and a few sinusoids for each of (x, y, roll, zoom, tilt x, tilt y)."""

    drift: Array  # (6,)
    amplitude: Array  # (6, K)
    frequency: Array  # (6, K), cycles per exposure
    phase: Array  # (6, K)

    def __call__(self, time: float | Array) -> Array:
        """Pose at `time` (exposures; 0 is the long frame's start, 1 its end), shape (..., 6)."""
        t = np.asarray(time, np.float64)[..., None]
        waves = self.amplitude * np.sin(2 * np.pi * self.frequency * t[..., None] + self.phase)
        pose: Array = self.drift * t + waves.sum(-1)
        return pose

    def scaled(self, factor: float) -> Path:
        """The same path, `factor` times as large."""
        return Path(self.drift * factor, self.amplitude * factor, self.frequency, self.phase)


@dataclass(frozen=True, eq=False)
class Mover:
    """A layer with soft edges on a path of its own."""

    layer: NDArray[np.float32]  # (h, w, 4), colour premultiplied by alpha
    centre: Array  # (2,) where it is at time 0
    path: Path


@dataclass(frozen=True, eq=False)
class Scene:
    """What the camera looks at and how everything moves. `backdrop` holds the view and a margin around it."""

    backdrop: Image
    margin: int
    size: tuple[int, int]
    camera: Path
    movers: tuple[Mover, ...]


def random_path(rng: np.random.Generator, extent: float, size: tuple[int, int], rigid: bool = False) -> Path:
    """A hand's tremor whose largest displacement within the exposure is `extent` px at some corner of the view."""
    waves = 5
    frequency = rng.uniform(0.3, 3.0, (6, waves))
    amplitude = rng.normal(size=(6, waves)) / frequency**1.5
    reach = max(size) / 2
    share = np.array([1, 1, *(rng.uniform(0, 0.5, 2) / reach), *(rng.uniform(0, 0.2, 2) / reach**2)])
    share[2:] *= 0 if rigid else 1
    path = Path(
        rng.normal(size=6) * 1.5 * share, amplitude * share[:, None], frequency, rng.uniform(0, 2 * np.pi, (6, waves))
    )
    return path.scaled(extent / max(blur_extent(path, size), 1e-9))


def random_movers(rng: np.random.Generator, photos: Sequence[Image], size: tuple[int, int]) -> tuple[Mover, ...]:
    """Layers cut from `photos`, one of each, with blob-shaped soft masks and paths up to 40 px long."""
    return tuple(_random_mover(rng, photo, size) for photo in photos)


def random_scene(
    rng: np.random.Generator,
    motion: MotionRange,
    backdrop: Image,
    margin: int,
    size: tuple[int, int],
    photos: Sequence[Image],
) -> tuple[Scene, float, Array]:
    """A scene with its motion, the short frame's time, and what share (6,) of the move between the frames is left."""
    interval = rng.integers(len(motion.blur) - 1)
    camera = random_path(rng, rng.uniform(motion.blur[interval], motion.blur[interval + 1]), size)
    movers = random_movers(rng, photos, size)
    short_at = rng.uniform(*motion.inside_at) if rng.random() < motion.inside else -rng.uniform(*motion.gap)
    residual_share = (
        rng.uniform(-motion.leftover, motion.leftover, 6) if rng.random() < motion.registered else np.ones(6)
    )
    return Scene(backdrop, margin, size, camera, movers), short_at, residual_share


def relight(linear: Image, rng: np.random.Generator) -> Image:
    """The scene's own light, above 1 where a file would clip: exposure, highlights and a few point lights."""
    scene = linear * np.float32(2.0 ** rng.uniform(-1.5, 0.4))
    peak = linear.max(-1, keepdims=True)
    scene = scene * (1 + np.float32(rng.uniform(0, 4)) * np.clip((peak - 0.85) / 0.15, 0, 1) ** 2)
    for _ in range(rng.integers(1, 13) if rng.random() < 0.2 else 0):
        centre = (int(rng.integers(scene.shape[1])), int(rng.integers(scene.shape[0])))
        colour = rng.uniform(0.3, 1, 3) * np.exp(rng.uniform(0, 3))
        cv2.circle(scene, centre, int(rng.integers(1, 4)), colour.tolist(), -1, cv2.LINE_AA)
    return np.asarray(scene, np.float32)


@dataclass(frozen=True, eq=False)
class Shutter:
    """The sub-frames of a long exposure: their times (K,), and the poses (K, 6) seen from the sharp frame."""

    times: Array
    poses: Array


def shutter(scene: Scene, short_at: float, residual_share: Array, rng: np.random.Generator) -> Shutter:
    """Sub-frames over [0, 1], so dense that no step shows.

    Of the camera's mean displacement between the two frames only the share `residual_share` (6,) remains: registration
    takes out the rest.
    """
    coarse = scene.camera(np.linspace(0, 1, 65))
    origin = coarse.mean(0) + (scene.camera(short_at) - coarse.mean(0)) * residual_share
    count = _subframes(scene, coarse)
    times = (np.arange(count) + rng.uniform(0.25, 0.75)) / count
    return Shutter(times, scene.camera(times) - origin)


def expose(scene: Scene, short_at: float, long: Shutter) -> tuple[Image, Image]:
    """The sharp frame at time `short_at` and the mean of the sub-frames, in the backdrop's own light.

    The view is fixed to the sharp frame: its pixels are the photograph's, never resampled.
    """
    count = len(long.times)
    total = np.zeros((*scene.size, 3), np.float32)
    # Few sub-frames mean little blur, which bilinear sampling would visibly add to.
    sampling = cv2.INTER_CUBIC if count <= 12 else cv2.INTER_LINEAR
    for time, pose in zip(long.times, long.poses, strict=True):
        cv2.accumulate(_view(scene, time, pose, sampling), total)
    return _view(scene, short_at, np.zeros(6), sampling), np.maximum(total / np.float32(count), 0)


def follow(scene: Scene, short_at: float, count: int) -> list[Image]:
    """`count` views after the one at `short_at`, evenly spaced in time, the last at the long exposure's end."""
    origin = scene.camera(short_at)
    times = np.linspace(short_at, 1, count + 1)[1:]
    return [_view(scene, time, scene.camera(time) - origin, cv2.INTER_CUBIC).clip(0) for time in times]


def homography(pose: Array, size: tuple[int, int]) -> Array:
    """The 3x3 map of view coordinates to backdrop coordinates for a pose (x, y, roll, log zoom, tilt x, tilt y)."""
    x, y, roll, zoom, tilt_x, tilt_y = pose
    centre = np.array([[1, 0, (size[1] - 1) / 2], [0, 1, (size[0] - 1) / 2], [0, 0, 1]])
    cos, sin, scale = np.cos(roll), np.sin(roll), np.exp(zoom)
    turn = np.array([[scale * cos, -scale * sin, x], [scale * sin, scale * cos, y], [tilt_x, tilt_y, 1]])
    result: Array = centre @ turn @ np.linalg.inv(centre)
    return result


def _view(scene: Scene, time: float, pose: Array, sampling: int) -> Image:
    height, width = scene.size
    if not pose.any():
        frame = scene.backdrop[scene.margin : scene.margin + height, scene.margin : scene.margin + width].copy()
    else:
        shift = np.array([[1, 0, scene.margin], [0, 1, scene.margin], [0, 0, 1]], np.float64)
        matrix = shift @ homography(pose, scene.size)
        flags = sampling | cv2.WARP_INVERSE_MAP
        warped = cv2.warpPerspective(
            scene.backdrop, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
        frame = np.asarray(warped, np.float32)
    for mover in scene.movers:
        _paste(frame, mover, time, pose)
    return frame


def _paste(frame: Image, mover: Mover, time: float, camera: Array) -> None:
    """Composite the mover into `frame`, in place; the camera's shift moves it as it moves the backdrop."""
    height, width = mover.layer.shape[:2]
    x, y = mover.centre + mover.path(time)[:2] - camera[:2] - (width / 2, height / 2)
    left, top = int(np.floor(x)), int(np.floor(y))
    shift = np.array([[1, 0, x - left], [0, 1, y - top]])
    layer = cv2.warpAffine(mover.layer, shift, (width + 1, height + 1), flags=cv2.INTER_LINEAR)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + height + 1, frame.shape[0]), min(left + width + 1, frame.shape[1])
    if y0 >= y1 or x0 >= x1:
        return
    layer = layer[y0 - top : y1 - top, x0 - left : x1 - left]
    frame[y0:y1, x0:x1] = layer[..., :3] + frame[y0:y1, x0:x1] * (1 - layer[..., 3:])


def _random_mover(rng: np.random.Generator, photo: Image, size: tuple[int, int]) -> Mover:
    height, width = (int(rng.uniform(0.12, 0.5) * min(side, 600)) for side in size)
    height, width = min(height, photo.shape[0]), min(width, photo.shape[1])
    top = rng.integers(photo.shape[0] - height + 1)
    left = rng.integers(photo.shape[1] - width + 1)
    colour = photo[top : top + height, left : left + width]
    alpha = _blob(rng, height, width)[..., None]
    centre = rng.uniform(0.1, 0.9, 2) * (size[1], size[0])
    path = random_path(rng, rng.uniform(2, 40), size, rigid=True)
    return Mover(np.concatenate([colour * alpha, alpha], -1), centre, path)


def _blob(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """A smooth closed shape, 1 inside and 0 outside, with an edge one to three pixels soft."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    wobble = sum(rng.normal() / k * np.sin(k * angle + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4, 5))
    radius = 0.40 * np.clip(1 + 0.25 * np.asarray(wobble), 0.4, 1.15)
    points = np.stack([width * (0.5 + radius * np.cos(angle)), height * (0.5 + radius * np.sin(angle))], -1)
    mask = np.zeros((height, width), np.float32)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 1.0, lineType=cv2.LINE_8, shift=4)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.6, 1.5)), np.float32)


def corners(poses: Array, size: tuple[int, int]) -> Array:
    """Where the view's corners are seen for each pose, shape (T, 4, 2)."""
    height, width = size
    ends = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], np.float64)
    seen = np.stack([ends @ homography(pose, size).T for pose in poses])
    flat: Array = seen[..., :2] / seen[..., 2:]
    return flat


def blur_extent(path: Path, size: tuple[int, int]) -> float:
    """The largest displacement, in px, that any corner of the view goes through within the exposure."""
    seen = corners(path(np.linspace(0, 1, 33)), size)
    return float(np.linalg.norm(seen.max(0) - seen.min(0), axis=-1).max())


def _subframes(scene: Scene, camera: Array) -> int:
    steps = np.linalg.norm(np.diff(corners(camera, scene.size), axis=0), axis=-1).sum(0).max()
    for mover in scene.movers:
        moves = np.diff(mover.path(np.linspace(0, 1, 65))[:, :2] - camera[:, :2], axis=0)
        steps = max(steps, np.linalg.norm(moves, axis=-1).sum())
    return int(np.clip(np.ceil(steps / STEP), 4, MOST_SUBFRAMES))
