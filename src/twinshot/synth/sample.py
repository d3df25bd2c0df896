"""One training triple, a pure function of (window, profile, seed)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .frames import Window
from .profiles import Profile, Sample


def sample(window: Window, profile: Profile, seed: int | Sequence[int], burst: int = 0) -> Sample:
    """Expose the window in the profile's light, then spoil the frames: the same seed gives the same bytes anywhere.

    With `burst`, that many further short frames follow until the long exposure's end; the triple stays the same.
    """
    rng = np.random.default_rng(seed)
    sharp, blurry = window.expose(profile.light, rng, profile.timing)
    later = window.follow(profile.light, np.random.default_rng(seed), burst) if burst else ()
    return profile.degrade(sharp, blurry, rng, later)
