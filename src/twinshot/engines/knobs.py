"""Knobs that turn what a network gives: how much of the short frame's grain stays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..picture.settings import AS_FOUND, Settings
from .engine import Batch, Loaded, Run
from .loading import Model

_BRIGHTNESS = np.array([0.2126, 0.7152, 0.0722], np.float32)[:, None, None]


@dataclass(frozen=True, eq=False)
class Tuned(Model):
    """A model under settings; its fallback is under the same."""

    settings: Settings = AS_FOUND

    @cached_property
    def _loaded(self) -> Loaded:
        loaded = super()._loaded
        return replace(loaded, run=blended(loaded.run, self.settings.strength, self.settings.colour_strength))

    @property
    def fallback(self) -> Model:
        other = super().fallback
        return self if other.name == self.name else tuned(other, self.settings)


def tuned(model: Model, settings: Settings) -> Model:
    """The model under these settings; itself where they ask for nothing of a network."""
    if settings.strength == settings.colour_strength == 1.0:
        return model
    return Tuned(model.name, model.card, model.engine, model.path, settings=settings)


def blended(run: Run, strength: float, colour_strength: float) -> Run:
    """The network's brightness and colour by their shares, the rest as the matched short frame has it: its grain."""

    def blend(noisy: Batch, blurry: Batch) -> Batch:
        gone = run(noisy, blurry) - noisy
        brightness = (gone * _BRIGHTNESS).sum(1, keepdims=True)
        return np.asarray(noisy + colour_strength * gone + (strength - colour_strength) * brightness, np.float32)

    return run if strength == colour_strength == 1.0 else blend
