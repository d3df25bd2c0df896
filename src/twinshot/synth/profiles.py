"""Named ways to spoil a clean pair: `paper` (GOPRO2); `camera`, `sensors`, `phone`, `bracket` (files); two for rivals.

A profile is a frozen record of ranges with one method, `degrade`. It says in which light a long exposure is averaged
and where in time its sharp frame lies, so that a window can be exposed before any noise is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from ..picture.encoding import Image, to_linear, to_srgb
from ..picture.levels import eight_bit
from ..picture.pair import TwinshotError, as_float
from . import noise
from .cameras import ToneCurve, black_offset, colour_matrix, uneven_light

Light = Literal["srgb", "linear"]
Timing = Literal["before", "middle"]
"""Of the sharp frame: before the long exposure (GOPRO2, two shots in a row) or at its middle (GOPRO)."""
Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Sample:
    """One training triple.

    Attributes:
        noisy: the short frame as its file holds it (dark unless the camera raised its ISO), 8-bit levels.
        blurry: the long frame, 8-bit levels, registered or not as `meta` says.
        sharp: the truth, in the noisy frame's geometry and the blurry frame's exposure.
        meta: how it was made; `gain` brings `noisy` to the exposure of `blurry` in the light `gain_light`.
        burst: further short frames, spoiled as `noisy` was, each with noise of its own.
    """

    noisy: Image
    blurry: Image
    sharp: Image
    meta: dict[str, Any]
    burst: tuple[Image, ...] = ()


@dataclass(frozen=True)
class PaperProfile:
    """GOPRO2 (section III-C): scale by f, Poisson below the threshold, else Gaussian; Gaussian on the long frame."""

    name: str = "paper"
    light: Light = "srgb"
    timing: Timing = "before"
    scale: Range = (0.3, 0.8)
    threshold: float = 0.55  # the paper names none
    sigma: Range = (0.05, 0.1)
    frames: int = 9  # N averaged frames: the long frame's noise has variance sigma^2 / N; 0: it has none

    def degrade(self, sharp: Image, blurry: Image, rng: np.random.Generator, burst: Sequence[Image] = ()) -> Sample:
        """Noise on exposed sRGB-encoded frames; quantised to 8 bit before any gain."""
        scale, sigma = rng.uniform(*self.scale), rng.uniform(*self.sigma)
        shot = scale < self.threshold
        values = noise.shot_values(sharp) if shot else 0.0

        def short(frame: Image) -> Image:
            dark = frame * np.float32(scale)
            return _eight_bit(noise.poisson(dark, values, rng) if shot else noise.gaussian(dark, sigma, rng))

        noisy = short(sharp)
        long = noise.gaussian(blurry, sigma / np.sqrt(self.frames), rng) if self.frames else blurry
        meta: dict[str, Any] = {"gain": [1 / scale] * 3, "gain_light": "srgb", "scale": scale, "sigma": sigma}
        meta["noise"] = "poisson" if shot else "gaussian"
        return Sample(noisy, _eight_bit(long), _eight_bit(sharp), meta, tuple(map(short, burst)))


@dataclass(frozen=True)
class CameraProfile:
    """A hand-held camera at night: sensor noise on the mosaic, exposure ratio, colour cast, JPEG.

    Noise is drawn by a level in [0, 1], light to night, after gain and in linear light: variance
    shot * I + read^2. Its sigma in sRGB then runs from about 0.02 to 0.4. With `apart`, read noise has a level of its
    own, as there are sensors of clean blacks and others of clean whites.
    """

    name: str = "camera"
    light: Light = "linear"
    timing: Timing = "before"
    ratio: Range = (2.0, 32.0)
    level: Range = (0.0, 1.0)
    shot: Range = (0.001, 0.15)
    read: Range = (0.002, 0.1)
    cast: float = 0.12
    dark_file: float = 0.5  # share of short frames whose camera left them dark
    mosaic: float = 0.8  # share that went through a Bayer mosaic; the rest has independent noise
    jpeg: float = 0.4
    quality: tuple[int, int] = (85, 99)
    apart: bool = False
    developed: bool = False  # whether the camera reduces noise itself, and sharpens

    def degrade(self, sharp: Image, blurry: Image, rng: np.random.Generator, burst: Sequence[Image] = ()) -> Sample:
        """Noise on exposed sRGB-encoded frames (the long one averaged in linear light)."""
        ratio = float(np.exp(rng.uniform(*np.log(self.ratio))))
        level = rng.uniform(*self.level)
        shot = _between(self.shot, level) * np.exp(rng.normal() * 0.3)
        read = _between(self.read, rng.uniform(*self.level) if self.apart else level) * np.exp(rng.normal() * 0.3)
        mosaic, black = rng.random() < self.mosaic, 0.25 if rng.random() < 0.5 else 0.0
        quality = int(rng.integers(*self.quality)) if rng.random() < self.jpeg else 0
        dim = ratio if rng.random() < self.dark_file else float(rng.uniform(0.8, 1.25))
        cast = np.exp(rng.uniform(-self.cast, self.cast, 3)).astype(np.float32) / np.float32(dim)
        process = _development(rng) if self.developed else None

        def short(frame: Image) -> Image:
            return _file(to_srgb(_capture(to_linear(frame), shot, read, black, mosaic, rng) * cast), quality, process)

        noisy = short(sharp)
        long = _capture(to_linear(blurry), shot / ratio, read / ratio, black, mosaic, rng)
        meta: dict[str, Any] = {"gain": (1 / cast).tolist(), "gain_light": "linear", "ratio": ratio, "level": level}
        meta |= {"shot": shot, "read": read, "mosaic": mosaic, "jpeg": quality}
        return Sample(noisy, _file(to_srgb(long), quality, process), _eight_bit(sharp), meta, tuple(map(short, burst)))


@dataclass(frozen=True)
class GaussianProfile:
    """White noise of one sigma a picture, as generic denoisers are trained on (Noise2Noise's public code).

    The frames of a burst, which are targets there, each have a sigma of their own and are no files: nothing is clipped.
    """

    name: str = "gaussian"
    light: Light = "srgb"
    timing: Timing = "before"
    sigma: Range = (0.0, 50 / 255)

    def degrade(self, sharp: Image, blurry: Image, rng: np.random.Generator, burst: Sequence[Image] = ()) -> Sample:
        """Noise on the short frames alone."""
        sigma = rng.uniform(*self.sigma)
        noisy = _eight_bit(noise.gaussian(sharp, sigma, rng))
        further = tuple(noise.white(frame, rng.uniform(*self.sigma), rng) for frame in burst)
        meta: dict[str, Any] = {"gain": [1.0] * 3, "gain_light": "srgb", "sigma": sigma}
        return Sample(noisy, _eight_bit(blurry), _eight_bit(sharp), meta, further)


@dataclass(frozen=True)
class BracketProfile:
    """The short and the long file of a camera, each with its tone curve, as brackets and lifted night shots have them.

    The long file's values are the truth. Light is what the camera's curve makes of them, backwards; the short file is a
    share of that light, with the sensor's noise, through the same curve: eight times the exposure are 12 to 37 times in
    linearised sRGB, R, G and B go apart, and dark tones are crushed and lie on a few 8-bit steps.
    """

    name: str = "bracket"
    light: Light = "linear"
    timing: Timing = "before"
    ratio: Range = (2.5, 128.0)
    shot: Range = (2e-5, 4e-3)  # of the short frame's own full scale: full wells of 50,000 to 250 electrons
    read: Range = (1e-4, 4e-3)
    cast: float = 0.12
    mosaic: float = 0.85
    jpeg: float = 0.85
    quality: tuple[int, int] = (62, 98)
    developed: float = 0.6  # share whose camera reduces noise itself, and sharpens
    clean: float = 0.6  # share whose long frame shows no noise of its own
    uneven: float = 0.15  # share whose short frame is lit otherwise: flicker bands, vignetting, local tone

    def degrade(self, sharp: Image, blurry: Image, rng: np.random.Generator, burst: Sequence[Image] = ()) -> Sample:
        """Both frames as files, 8-bit levels; `meta` has no gain, since none would do."""
        curve, ratio = ToneCurve.random(rng), float(np.exp(rng.uniform(*np.log(self.ratio))))
        shot, read = (float(np.exp(rng.uniform(*np.log(bounds)))) for bounds in (self.shot, self.read))
        faults = noise.Faults(
            rows=read * rng.uniform(0, 0.5) if rng.random() < 0.2 else 0.0,
            hot=rng.uniform(0, 0.002) if rng.random() < 0.3 else 0.0,
            edge_aware=rng.random() < 0.6,
        )
        mosaic, matrix = rng.random() < self.mosaic, colour_matrix(rng.uniform(0, 0.6))
        quality = int(rng.integers(*self.quality)) if rng.random() < self.jpeg else 0
        process = _strong_development(rng) if rng.random() < self.developed else None
        exposure = np.exp(rng.uniform(-self.cast, self.cast, 3)).astype(np.float32) / np.float32(ratio)
        field = uneven_light(sharp.shape[:2], rng) if rng.random() < self.uneven else np.float32(1)
        black = black_offset(curve.light(sharp[::4, ::4]) * exposure, rng)

        def file(light: Image, share: float, offset: Any) -> Image:
            """What the camera writes of light that it takes in; its colour matrix spreads noise over the channels."""
            seen = (
                noise.through_mosaic(light, shot, read * share, 0.25, rng, faults)
                if mosaic
                else noise.sensor(light, shot, read * share, rng)
            )
            seen = light + (seen - light) @ matrix + offset
            return _file(curve.encoded(np.maximum(seen, 0)), quality, process)

        def short(frame: Image) -> Image:
            return file(curve.light(frame) * exposure * field, 1.0, black)

        noisy = short(sharp)
        long = blurry if rng.random() < self.clean else file(curve.light(blurry), 1.0, 0)
        meta: dict[str, Any] = {"ratio": ratio, "shot": shot, "read": read, "mosaic": mosaic, "jpeg": quality}
        return Sample(noisy, _eight_bit(long), _eight_bit(sharp), meta, tuple(map(short, burst)))

    def context(self, sharp: Image, rng: np.random.Generator) -> Image:
        """Patches of colour beside a small view, as the rest of a picture would hold them: (H, 96, 3)."""
        rows = max(2, sharp.shape[0] // 16)
        patches = rng.random((rows, 6, 1)) ** 1.5 * rng.uniform(0.5, 1, (rows, 6, 3))
        spread = cv2.resize(patches.astype(np.float32), (96, sharp.shape[0]), interpolation=cv2.INTER_NEAREST)
        return np.asarray(spread, np.float32)


Profile = PaperProfile | CameraProfile | GaussianProfile | BracketProfile
PROFILES: dict[str, Profile] = {
    "paper": PaperProfile(),
    "camera": CameraProfile(),
    "phone": CameraProfile("phone", mosaic=1.0, dark_file=0.2, jpeg=1.0, quality=(80, 98), developed=True),
    "sensors": CameraProfile("sensors", apart=True),
    "gopro": PaperProfile("gopro", timing="middle", frames=0),
    "gaussian": GaussianProfile(),
    "bracket": BracketProfile(),
}


def profile_named(name: str) -> Profile:
    """The profile of this name. Raises TwinshotError for an unknown one."""
    if name not in PROFILES:
        raise TwinshotError(f"no profile is called {name!r}; choose from {', '.join(PROFILES)}")
    return PROFILES[name]


def _between(bounds: Range, level: float) -> float:
    """Geometric interpolation: level 0 gives the lower bound, 1 the upper."""
    return float(bounds[0] * (bounds[1] / bounds[0]) ** level)


def _capture(linear: Image, shot: float, read: float, black: float, mosaic: bool, rng: np.random.Generator) -> Image:
    if mosaic:
        return noise.through_mosaic(linear, shot, read, black, rng)
    return np.maximum(noise.sensor(linear, shot, read, rng), -np.float32(black))


def _strong_development(rng: np.random.Generator) -> noise.Development:
    """Up to what a camera does to a frame with hardly any light."""
    return noise.Development(float(rng.uniform(0.5, 6.0)), float(rng.uniform(0.5, 8.0)), float(rng.uniform(0, 0.8)))


def _development(rng: np.random.Generator) -> noise.Development:
    """From hardly any processing to what night modes of cheap cameras do."""
    return noise.Development(float(rng.uniform(0.5, 4.0)), float(rng.uniform(0.5, 4.0)), float(rng.uniform(0, 0.8)))


def _file(encoded: Image, quality: int, process: noise.Development | None = None) -> Image:
    """What an 8-bit file keeps, developed or not: PNG for quality 0, else JPEG."""
    if process:
        encoded = noise.developed(encoded, process)
    return noise.jpeg(encoded, quality) if quality else _eight_bit(encoded)


def _eight_bit(image: Image) -> Image:
    return as_float(eight_bit(image))
