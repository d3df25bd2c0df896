"""What a camera makes of light before a file holds it: its tone curve, its colours, its black."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image, to_srgb


@dataclass(frozen=True, eq=False)
class ToneCurve:
    """A camera's tone curve: encoded sRGB values of its files against the light it took in, both (K,), ascending."""

    lights: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def random(cls, rng: np.random.Generator) -> ToneCurve:
        """A toe, a middle and a shoulder, each with an exponent of its own against linear sRGB; 1 stays 1."""
        steps = np.linspace(-18, 2, 241)  # log2 of light
        toe, middle = float(np.clip(rng.normal(1.4, 0.28), 0.5, 1.9)), rng.uniform(0.85, 1.25)
        at, width = rng.uniform(-4, -1.5), rng.uniform(0.6, 1.5)
        exponent = middle + (toe - middle) / (1 + np.exp((steps - at) / width))
        exponent *= 1 - rng.uniform(0, 0.7) / (1 + np.exp(-(steps - rng.uniform(-0.8, 0.5)) / 0.4))
        logs = np.cumsum(exponent) * (steps[1] - steps[0])
        logs -= np.interp(0, steps, logs)
        return cls(2.0**steps, to_srgb((2.0**logs).astype(np.float32)).astype(np.float64))

    def light(self, encoded: Image) -> Image:
        """The light behind a file's values."""
        return np.interp(encoded, np.r_[0, self.values], np.r_[0, self.lights]).astype(np.float32)

    def encoded(self, light: Image) -> Image:
        """A file's values for light, in [0, 1]."""
        table = np.interp(np.linspace(0, 2, 16385) ** 3, np.r_[0, self.lights], np.r_[0, self.values])
        at = np.cbrt(np.minimum(light, 7.9)) * np.float32(8192)
        return np.clip(np.interp(at, np.arange(16385), table), 0, 1).astype(np.float32)


def colour_matrix(saturation: float) -> NDArray[np.float32]:
    """Of a camera's colours: what makes them stronger takes the other channels' noise in."""
    luma = np.array([0.299, 0.587, 0.114])
    return np.asarray((1 + saturation) * np.eye(3) - saturation * luma[:, None], np.float32)


def black_offset(light: Image, rng: np.random.Generator) -> NDArray[np.float32]:
    """Offset of the short frame's black in each channel: often some of it is crushed, at times lifted."""
    sign = rng.choice([-1.0, 0.0, 1.0], p=[0.5, 0.35, 0.15])
    depth = (
        float(np.quantile(light, rng.uniform(0, 0.6))) if sign < 0 else np.exp(rng.uniform(np.log(2e-5), np.log(2e-3)))
    )
    return np.asarray(sign * depth * rng.uniform(0.3, 1, 3), np.float32)


def uneven_light(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """Light that the short frame has otherwise than the long one, (H, W, 1): bands of flicker, or slow changes."""
    if rng.random() < 0.4:
        phase = np.arange(size[0]) * rng.uniform(0.01, 0.12) + rng.uniform(0, 2 * np.pi)
        bands = 1 + rng.uniform(0.05, 0.5) * np.sin(phase)
        return np.broadcast_to(bands[:, None, None].astype(np.float32), (*size, 1))
    coarse = np.exp(rng.normal(0, rng.uniform(0.05, 0.3), (3, 3))).astype(np.float32)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)[..., None]
