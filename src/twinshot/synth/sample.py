"""One training triple, a pure function of (window, profile, seed)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .frames import Window
from .profiles import Profile, Sample


def sample(window: Window, profile: Profile, seed: int | Sequence[int]) -> Sample:
    """Expose the window in the profile's light, then spoil the pair: the same seed gives the same bytes anywhere."""
    rng = np.random.default_rng(seed)
    sharp, blurry = window.expose(profile.light, rng)
    return profile.degrade(sharp, blurry, rng)
