"""What a user may overrule of how a pair is restored."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import InputError


@dataclass(frozen=True)
class Settings:
    """The knobs; as they are here, twinshot decides by itself.

    Attributes:
        keep_order: whether the first frame is taken as the short one whatever speaks against it.
        accept_damaged: whether what is left of a damaged JPEG is used.
        strength: how much of the short frame's grain is taken away, 0 to 1; below 1 it stays as fine grain.
        colour_strength: the same of its colour noise.
    """

    keep_order: bool = False
    accept_damaged: bool = False
    strength: float = 1.0
    colour_strength: float = 1.0

    def __post_init__(self) -> None:
        for name in ("strength", "colour_strength"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} {getattr(self, name)} is out of range; give a number from 0 to 1")


AS_FOUND = Settings()
