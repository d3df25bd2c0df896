"""Windows: where a sample's sharp frames come from, real high-speed video or a still photograph.

Layout of the real ones is GOPRO_Large_all's: a folder a scene, numbered frames in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from cachetools import LRUCache, cached

from ..files.io import read
from ..match.align import registered
from ..picture.encoding import Image, to_linear, to_srgb
from ..picture.pair import SMALLEST_SIDE, TwinshotError, as_float
from ..picture.window import Pixels
from . import motion
from .motion import Array, Scene, Shutter, blur_extent
from .profiles import Light, Timing

WINDOW = 11  # frames: 1 sharp, 1 dropped, 9 averaged (2058 train and 1111 test windows in GOPRO_Large_all)
_LEAST_CORRELATION = 0.5  # of a film's first two frames, shrunk
_EVEN = 1e-3  # largest deviation of a frame that shows nothing
_MOST_KEPT = 1_000_000_000  # bytes of pictures in memory: six hundred small ones, or thirty of 12 megapixels
_IMAGES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"}


class Window(Protocol):
    """Sharp frames of one scene in time."""

    def expose(self, light: Light, rng: np.random.Generator, timing: Timing = "before") -> tuple[Image, Image]:
        """The sharp frame and the long exposure beside it, both sRGB-encoded, averaged in `light`."""
        ...

    def follow(self, light: Light, rng: np.random.Generator, count: int) -> tuple[Image, ...]:
        """`count` sharp frames after the first, up to the end of the long exposure that `expose` gives for this rng."""
        ...

    def extent(self, light: Light, rng: np.random.Generator, timing: Timing = "before") -> float | None:
        """Blur of that exposure in px, as `motion.blur_extent` measures it; None where the motion is not known."""
        ...

    @property
    def label(self) -> str:
        """Where it is from: folder and file."""
        ...


@dataclass(frozen=True)
class FrameWindow:
    """Consecutive frames of a high-speed video.

    Timing `before`: the first is the truth, the second dropped, the rest averaged (GOPRO2). Timing `middle`: all are
    averaged, and the middle one is the truth (GOPRO).

    Attributes:
        frames: in order.
        crop: what is seen of them; None: all.
        registered: whether the long exposure of a pair of timing `before` is registered to the sharp frame.
    """

    frames: tuple[Path, ...]
    crop: tuple[int, int, int] | None = None  # top, left, side
    registered: bool = False

    def expose(self, light: Light, rng: np.random.Generator, timing: Timing = "before") -> tuple[Image, Image]:
        """See `Window`; nothing is drawn from `rng`."""
        first, averaged = (0, self.frames[2:]) if timing == "before" else (len(self.frames) // 2, self.frames)
        long = [decode(self._read(path), light) for path in averaged]
        if len({frame.shape for frame in long}) > 1:
            raise TwinshotError(
                f"{self.frames[0].parent}: its frames differ in size; keep each film in a folder of its own"
            )
        sharp, blurry = self._read(self.frames[first]), encode(np.mean(long, axis=0, dtype=np.float32), light)
        return sharp, registered(sharp, blurry) if self.registered and timing == "before" else blurry

    def follow(self, light: Light, rng: np.random.Generator, count: int) -> tuple[Image, ...]:
        """See `Window`. Raises TwinshotError where the window has fewer frames."""
        if count >= len(self.frames):
            raise TwinshotError(f"{self.frames[0]}: one window has {len(self.frames)} frames; ask for a shorter burst")
        return tuple(self._read(path) for path in self.frames[1 : 1 + count])

    def extent(self, light: Light, rng: np.random.Generator, timing: Timing = "before") -> None:
        """See `Window`: nobody knows how the camera moved."""

    @property
    def label(self) -> str:
        """See `Window`."""
        return _label(self.frames[0])

    def _read(self, path: Path) -> Image:
        frame = read_photo(path)
        if self.crop is None:
            return frame
        top, left, side = self.crop
        return frame[top : top + side, left : left + side]


@dataclass(frozen=True)
class StillWindow:
    """A photograph moved by a simulated camera, with movers cut from `others`."""

    photo: Path
    others: tuple[Path, ...]
    size: tuple[int, int] | None  # None: the whole photograph but a margin
    motion: motion.MotionRange

    def expose(self, light: Light, rng: np.random.Generator, timing: Timing = "before") -> tuple[Image, Image]:
        """See `Window`. In linear light clipped highlights get their light back first, so that they streak."""
        scene, short_at, long = self.opened(light, rng, timing)
        sharp, blurry = motion.expose(scene, short_at, long)
        return encode(sharp, light), encode(blurry, light)

    def opened(self, light: Light, rng: np.random.Generator, timing: Timing = "before") -> tuple[Scene, float, Shutter]:
        """The scene in `light`, the short frame's time, and the long exposure: all that `expose` draws."""
        scene, short_at, residual_share = self._scene(light, rng, timing)
        return scene, short_at, motion.shutter(scene, short_at, residual_share, rng)

    def follow(self, light: Light, rng: np.random.Generator, count: int) -> tuple[Image, ...]:
        """See `Window`."""
        scene, short_at, _ = self._scene(light, rng, "before")
        return tuple(encode(frame, light) for frame in motion.follow(scene, short_at, count))

    def extent(self, light: Light, rng: np.random.Generator, timing: Timing = "before") -> float:
        """See `Window`; of the camera alone."""
        scene, _, _ = self._scene(light, rng, timing)
        return blur_extent(scene.camera, scene.size)

    @property
    def label(self) -> str:
        """See `Window`."""
        return _label(self.photo)

    def _scene(self, light: Light, rng: np.random.Generator, timing: Timing) -> tuple[Scene, float, Array]:
        """As `motion.random_scene` gives it."""
        photo = _rescale(read_photo(self.photo), self.size, rng)
        margin = 48 if self.size is None else 64
        size = self.size or (photo.shape[0] - 2 * margin & ~1, photo.shape[1] - 2 * margin & ~1)
        if min(size) < SMALLEST_SIDE or size[0] > photo.shape[0] or size[1] > photo.shape[1]:
            seen = f"{photo.shape[1]}x{photo.shape[0]}"
            raise TwinshotError(
                f"{self.photo}: {seen} is too small to simulate camera motion in; give larger photographs"
            )
        backdrop, margin = _cut(photo, size, margin, rng)
        backdrop = decode(backdrop, light)
        if light == "linear":
            backdrop = motion.relight(backdrop, rng)
        movers: Sequence[Image] = ()
        moved = self.motion
        if timing == "middle":
            # Over GOPRO's short exposures the camera moves so steadily that its middle pose is its mean one, too.
            moved = replace(
                moved, blur=motion.GOPRO_BLUR, inside=1.0, inside_at=(0.5, 0.5), registered=1.0, leftover=0.0
            )
        if rng.random() < moved.movers:
            chosen = rng.choice(len(self.others), rng.integers(1, 4))
            movers = [decode(read_photo(self.others[i]), light) for i in chosen]
        return motion.random_scene(rng, moved, backdrop, margin, size, movers)


@dataclass(frozen=True)
class PublishedWindow:
    """A blurry picture and its sharp one, as a data set has them under a name of its own."""

    blurry: Path
    sharp: Path
    label: str

    def expose(self, light: Light, rng: np.random.Generator, timing: Timing = "before") -> tuple[Image, Image]:
        """See `Window`; both are read as they are."""
        return read_photo(self.sharp), read_photo(self.blurry)

    def follow(self, light: Light, rng: np.random.Generator, count: int) -> tuple[Image, ...]:
        """Raises TwinshotError: there is nothing to make a burst of."""
        raise TwinshotError(f"{self.blurry}: a published pair has no frames to make a burst from; ask for no burst")

    def extent(self, light: Light, rng: np.random.Generator, timing: Timing = "before") -> None:
        """See `Window`: nobody knows how the camera moved."""


def read_photo(path: Path) -> Image:
    """A photograph as float32 RGB in [0, 1], with all the bits that its file has.

    Raises InputError as `files.io.read` does.
    """
    return as_float(_pixels(path))


@cached(LRUCache(_MOST_KEPT, getsizeof=lambda pixels: int(pixels.nbytes)))
def _pixels(path: Path) -> Pixels:
    return read(path).pixels


def decode(image: Image, light: Light) -> Image:
    """From sRGB-encoded to the light in which an exposure is averaged."""
    return to_linear(image) if light == "linear" else image


def encode(image: Image, light: Light) -> Image:
    """Back to sRGB-encoded values, clipped to [0, 1]."""
    return np.clip(to_srgb(image) if light == "linear" else image, 0, 1).astype(np.float32)


def images_in(folder: Path) -> tuple[Path, ...]:
    """The image files directly in `folder`, by name. Raises TwinshotError where there are none."""
    found = tuple(sorted(filter(_is_image, folder.iterdir()))) if folder.is_dir() else ()
    if not found:
        raise TwinshotError(f"{folder}: no images there; give a folder of photographs or of numbered frames")
    return found


def _is_image(path: Path) -> bool:
    """By its name; hidden files are what systems leave beside pictures."""
    return path.suffix.lower() in _IMAGES and not path.name.startswith(".")


def windows_of(frames: Sequence[Path], length: int = WINDOW) -> list[FrameWindow]:
    """Disjoint windows of `length` consecutive frames; what is left over at the end is dropped."""
    starts = range(0, len(frames) - length + 1, length)
    return [FrameWindow(tuple(frames[start : start + length])) for start in starts]


def scenes_in(root: Path) -> list[tuple[Path, ...]]:
    """Every folder of frames under `root` (GOPRO_Large_all's train or test, or one scene), frames in order."""
    folders = sorted({p.parent for p in root.rglob("*") if _is_image(p)})
    if not folders:
        raise TwinshotError(f"{root}: no frames there; GOPRO_Large_all keeps them in train/SCENE/NNNNNN.png")
    return [images_in(folder) for folder in folders]


def is_film(pictures: Sequence[Path]) -> bool:
    """Whether pictures follow on one another in time: numbered, of one size, and the second like the first."""
    if len(pictures) < 2 or not all(path.stem.isdigit() for path in pictures):
        return False
    first, second = (cv2.cvtColor(read_photo(path), cv2.COLOR_RGB2GRAY) for path in pictures[:2])
    small = [cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA).ravel() for frame in (first, second)]
    if min(float(frame.std()) for frame in small) < _EVEN:  # a fade-in; there is nothing to correlate
        alike = float(np.abs(small[0] - small[1]).max()) < 0.1
    else:
        alike = bool(np.asarray(np.corrcoef(small))[0, 1] > _LEAST_CORRELATION)
    return first.shape == second.shape and alike


def _label(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _rescale(photo: Image, size: tuple[int, int] | None, rng: np.random.Generator) -> Image:
    """Half of the samples see the photograph smaller, as far as the view still fits."""
    if size is None or rng.random() < 0.5:
        return photo
    least = max((side + 64) / full for side, full in zip(size, photo.shape[:2], strict=True))
    factor = rng.uniform(max(0.5, min(least, 1.0)), 1.0)
    return np.asarray(cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.float32)


def _cut(photo: Image, size: tuple[int, int], margin: int, rng: np.random.Generator) -> tuple[Image, int]:
    """A random view of `size` with as much margin (at most `margin`) as the photograph has on all sides."""
    margin = min(margin, *((full - side) // 2 for full, side in zip(photo.shape[:2], size, strict=True)))
    height, width = size[0] + 2 * margin, size[1] + 2 * margin
    top = rng.integers(photo.shape[0] - height + 1)
    left = rng.integers(photo.shape[1] - width + 1)
    return photo[top : top + height, left : left + width], margin
