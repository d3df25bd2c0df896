"""What a user may overrule of how a pair is restored."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan
from typing import Any, Literal, get_args

from .errors import InputError

ToneChoice = Literal["gain", "curve"]
"""How brightness is matched: by a gain for each channel of light, or by a monotone curve for each."""
Light = Literal["long", "short"]
"""Whose brightness and colours the result has."""


@dataclass(frozen=True)
class Settings:
    """The knobs; as they are here, twinshot decides by itself.

    Attributes:
        keep_order: whether the first frame is taken as the short one whatever speaks against it.
        accept_damaged: whether what is left of a damaged JPEG or raw file is used.
        strength: how much of the short frame's grain is taken away, 0 to 1; below 1 it stays as fine grain.
        colour_strength: the same of its colour noise.
        gain: how many times the long frame's light is the short one's, all channels alike; None: as pixels tell.
        tone: how brightness is matched; None: by whichever model explains the frames best.
        light: the frame whose brightness and colours the result has.
        best: whether the network sees the pair turned and mirrored in eight ways, for their mean: a little better, and
            eight times as slow.
        trust_map: whether the result says, for each pixel, how far it leans on the long frame; takes twice as long.
    """

    keep_order: bool = False
    accept_damaged: bool = False
    strength: float = 1.0
    colour_strength: float = 1.0
    gain: float | None = None
    tone: ToneChoice | None = None
    light: Light = "long"
    best: bool = False
    trust_map: bool = False

    def __post_init__(self) -> None:
        for name in ("strength", "colour_strength"):
            if not 0 <= _number(getattr(self, name)) <= 1:
                raise InputError(f"{name} {getattr(self, name)!r} is out of range; give a number from 0 to 1")
        if self.gain is not None and not (isfinite(_number(self.gain)) and self.gain > 0):
            raise InputError(f"gain {self.gain!r} cannot be used; give a number above 0, such as 8")
        if self.tone is not None and self.tone not in get_args(ToneChoice):
            raise InputError(f"tone {self.tone!r} is not known; choose gain or curve")
        if self.light not in get_args(Light):
            raise InputError(f"light {self.light!r} is not known; choose long or short")
        if self.gain is not None and self.tone == "curve":
            raise InputError("a gain and a curve cannot both match the brightness; give one of them")


def _number(value: Any) -> float:
    """What NumPy's numbers are, too; nan for what is none, such as a text that was not read as one."""
    try:
        return nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        return nan


AS_FOUND = Settings()


def check_settings(settings: Any) -> None:
    """Refuse what is no `Settings`, before it is asked for what it lacks. Raises InputError."""
    if not isinstance(settings, Settings):
        raise InputError(
            f"settings {settings!r} cannot be used; give a twinshot.Settings, such as Settings(strength=0.7), or leave "
            "settings out"
        )
