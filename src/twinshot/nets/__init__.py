"""The networks, each a plain torch module `forward(noisy, blurry) -> sharp` on NCHW float in [0, 1]."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..pair import TwinshotError
from .merger import DeblurMerger
from .rnn import DeblurRNN
from .twin import TwinNet

FRAMES = ("noisy", "blurry")
NETS: dict[str, type[nn.Module]] = {"twin": TwinNet, "rnn": DeblurRNN, "merger": DeblurMerger}


def build(kind: str, settings: dict[str, Any]) -> nn.Module:
    """A network by its kind and its own settings. Raises TwinshotError for an unknown kind or setting."""
    if kind not in NETS:
        raise TwinshotError(f"no network is called {kind!r}: choose one of {', '.join(NETS)}")
    inputs = settings.get("inputs", FRAMES)
    if not inputs or not set(inputs) <= set(FRAMES):
        raise TwinshotError(f"network {kind!r}: inputs = {inputs!r}; give one or both of {', '.join(FRAMES)}")
    try:
        return NETS[kind](**settings)
    except TypeError as error:
        raise TwinshotError(f"network {kind!r}: {error}") from error
