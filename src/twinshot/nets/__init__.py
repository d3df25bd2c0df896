"""The networks, each a plain torch module `forward(noisy, blurry) -> sharp` on NCHW float in [0, 1].

A network has `multiple`, what height and width must be multiples of; one that looks at a single frame says so in
`takes`. What it is, in words, stands in `about`, and where it comes from in `source`.
"""

from __future__ import annotations

from inspect import signature
from typing import Any, Literal

from torch import nn

from ..picture.errors import TwinshotError
from .dcdeblurgan import DCDeblurGAN
from .deblurgan import DeblurGAN
from .deepdeblur import DeepDeblur
from .merger import DeblurMerger
from .noise2noise import Noise2Noise
from .rnn import DeblurRNN
from .srn import SRN
from .twin import TwinNet
from .unet import UNet

Takes = Literal["pair", "noisy", "blurry"]
FRAMES = ("noisy", "blurry")
NETS: dict[str, type[nn.Module]] = {
    "twin": TwinNet,
    "rnn": DeblurRNN,
    "merger": DeblurMerger,
    "deblurgan": DeblurGAN,
    "srn": SRN,
    "deepdeblur": DeepDeblur,
    "dcdeblurgan": DCDeblurGAN,
    "noise2noise": Noise2Noise,
    "unet": UNet,
}
"""The networks by their names in recipes; those from "deblurgan" on are the learned rivals."""


def build(kind: str, settings: dict[str, Any]) -> nn.Module:
    """A network by its kind and its own settings. Raises TwinshotError for an unknown kind or setting."""
    if kind not in NETS:
        raise TwinshotError(f"no network is called {kind!r}; choose from {', '.join(NETS)}")
    try:
        inputs = sorted(settings.get("inputs", FRAMES))
        if inputs not in (["blurry"], ["noisy"], sorted(FRAMES)):
            raise ValueError(f"inputs: give one or both of {', '.join(FRAMES)}")
        return NETS[kind](**settings)
    except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:  # what torch and sums say of such numbers
        raise TwinshotError(f"network {kind!r}: settings {settings} do not work ({error})") from error


def build_plain(kind: str, settings: dict[str, Any]) -> nn.Module:
    """The network without spectral norm, as it is once that is written out. Raises TwinshotError as `build` does."""
    plain = {"spectral": False} if kind in NETS and "spectral" in signature(NETS[kind]).parameters else {}
    return build(kind, {**settings, **plain})


def takes_of(kind: str, settings: dict[str, Any]) -> Takes:
    """What a network looks at: "noisy", "blurry", or the "pair"."""
    inputs = settings.get("inputs", FRAMES)
    takes: Takes = inputs[0] if len(inputs) == 1 else getattr(NETS[kind], "takes", "pair")
    return takes


def about(kind: str) -> tuple[str, str]:
    """What a network is, in words, and where it comes from."""
    net: Any = NETS[kind]
    return net.about, net.source
