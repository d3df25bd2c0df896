"""Where a result leans on the long frame: asked of the network by giving it that frame a little brighter."""

from __future__ import annotations

import cv2
import numpy as np

from ..picture.encoding import Image
from .engine import Batch, Run

_STEP = 0.02  # encoded values: small against what is in a picture, large against rounding
_REACH = 4.0  # px: sigma that answers are smoothed by, as a network spreads them


def leaning(run: Run, noisy: Batch, blurry: Batch, restored: Image) -> Image:
    """How far the level of a result follows the long frame's, float32 (h, w), 0 to 1.

    Args:
        run: the network.
        noisy, blurry: what it was given.
        restored: (h, w, 3), what it made of them.

    Where the long frame is white it cannot be made brighter; its neighbours speak for it.
    """
    brighter = np.minimum(blurry + np.float32(_STEP), 1)
    answer = _smooth(run(noisy, brighter)[0].mean(0) - restored.mean(-1))
    given = _smooth((brighter - blurry)[0].mean(0))
    return np.asarray(np.clip(answer / np.maximum(given, _STEP / 20), 0, 1), np.float32)


def _smooth(plane: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), _REACH), np.float32)
