"""The networks, each a plain torch module `forward(noisy, blurry) -> sharp` on NCHW float in [0, 1]."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import nn

from ..picture.pair import TwinshotError

FRAMES = ("noisy", "blurry")
NETS = {
    "twin": ".twin:TwinNet",
    "rnn": ".rnn:DeblurRNN",
    "merger": ".merger:DeblurMerger",
    "deblurgan": ".deblurgan:DeblurGAN",
    "srn": ".srn:SRN",
    "deepdeblur": ".deepdeblur:DeepDeblur",
    "dcdeblurgan": ".dcdeblurgan:DCDeblurGAN",
    "noise2noise": ".noise2noise:Noise2Noise",
    "unet": ".unet:UNet",
}
"""Module and class of each kind; imported when asked for."""


def build(kind: str, settings: dict[str, Any]) -> nn.Module:
    """A network by its kind and its own settings. Raises TwinshotError for an unknown kind or setting."""
    if kind not in NETS:
        raise TwinshotError(f"no network is called {kind!r}: choose one of {', '.join(NETS)}")
    module, name = NETS[kind].split(":")
    try:
        inputs = sorted(settings.get("inputs", FRAMES))
        if inputs not in (["blurry"], ["noisy"], sorted(FRAMES)):
            raise ValueError(f"inputs: give one or both of {', '.join(FRAMES)}")
        net: nn.Module = getattr(import_module(module, __package__), name)(**settings)
    except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:  # what torch and sums say of such numbers
        raise TwinshotError(f"network {kind!r}: settings {settings} do not make one ({error})") from error
    return net
