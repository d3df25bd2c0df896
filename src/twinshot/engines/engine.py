"""What an engine makes of a model's file: a function from two frames to the restored one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..picture.errors import ModelError

Batch = NDArray[np.float32]
"""float32 (1, 3, h, w), RGB, sRGB-encoded, in [0, 1]; h, w multiples of the model's."""
Run = Callable[[Batch, Batch], Batch]
"""(noisy, blurry) -> restored."""

EXACT = "f32"


@dataclass
class Loaded:
    """A network in its engine.

    Attributes:
        run: the network.
        arithmetic: what it computes in: f32, or what was found quicker and good enough.
        engine: which one runs it, where that was left open; it changes if that one fails.
    """

    run: Run
    arithmetic: str = EXACT
    engine: str = ""


def failed(path: Path, error: Exception | str) -> ModelError:
    """What to raise where an engine cannot load or run a file; engines' own messages may have many lines."""
    said = " ".join(str(error).split())
    return ModelError(f"{path}: could not be run ({said}); if memory ran out, crop the pictures")
