"""Knobs that turn what was made of a pair: how much of the short frame's grain stays."""

from __future__ import annotations

import numpy as np

from ..picture.encoding import Image
from ..picture.settings import Settings

_BRIGHTNESS = np.array([0.2126, 0.7152, 0.0722], np.float32)


def with_grain(short: Image, restored: Image, settings: Settings) -> Image:
    """A restored picture with as much of the matched short frame's grain as the strengths leave, float32 (H, W, 3).

    What was made is taken by its shares in brightness and in colour, the rest is the short frame.
    """
    if settings.strength == settings.colour_strength == 1.0:
        return restored
    gone = restored - short
    brightness = (gone @ _BRIGHTNESS)[..., None]
    share, beside = np.float32(settings.colour_strength), np.float32(settings.strength - settings.colour_strength)
    return np.asarray(short + share * gone + beside * brightness, np.float32)
