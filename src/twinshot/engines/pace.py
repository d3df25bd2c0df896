"""How long a network takes on this machine: measured when somebody asks for it, then remembered."""

from __future__ import annotations

import time

import numpy as np

from ..machine import processor
from .loading import load_model
from .models import Card
from .precision import cache_key, keep, recalled

AREA = 12e6  # px that are told of
_SIDE = 640  # px of the square it is measured on


def remembered_seconds(card: Card) -> float | None:
    """Seconds for 12 megapixels, as last measured here; None where nobody has."""
    try:
        return float(recalled(_key(card)) or "")
    except ValueError:
        return None


def measured_seconds(name: str, card: Card) -> float:
    """Seconds for 12 megapixels, by a square of 640 px, in the engine that is used where none is named; remembered.

    Raises ModelError where the model cannot be run.
    """
    run, frame = load_model(name).run, np.full((1, 3, _SIDE, _SIDE), 0.5, np.float32)
    run(frame, frame)
    began = time.perf_counter()
    run(frame, frame)
    seconds = (time.perf_counter() - began) * AREA / _SIDE**2
    keep(_key(card), f"{seconds:.1f}")
    return seconds


def _key(card: Card) -> str:
    return cache_key(card.sha256, "seconds for 12 megapixels", processor())
