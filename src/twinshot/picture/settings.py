"""What a user may overrule of how a pair is restored."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The knobs; as they are here, twinshot decides by itself.

    Attributes:
        keep_order: whether the first frame is taken as the short one whatever speaks against it.
        accept_damaged: whether what is left of a damaged JPEG is used.
    """

    keep_order: bool = False
    accept_damaged: bool = False


AS_FOUND = Settings()
