"""Noise2Noise's U-Net, which learns to denoise from noisy targets alone (Lehtinen et al., ICML 2018).

At 256x256 and width 48, LeakyReLU(0.1) after every convolution but the last, no norm:

    encoder  convolutions 3x3       map      decoder  concatenated skip, convolutions 3x3    map
    1        48, 48, then pool 2    128      1        96 (48 + 48 at 1/16): 96, 96           16
    2        48, then pool 2        64       2        144 (96 + 48 at 1/8): 96, 96           32
    3        48, then pool 2        32       3        144 (96 + 48 at 1/4): 96, 96           64
    4        48, then pool 2        16       4        144 (96 + 48 at 1/2): 96, 96           128
    5        48, then pool 2        8        5        99 (96 + the frame): 64, 32            256
    bottom   48                     8        image    3, linear                              256

991,203 weights. The decoder enlarges by repeating pixels. Pictures lie in [-0.5, 0.5] inside. What makes it
Noise2Noise is the target it is trained on, `data.target = "noisy"`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..picture.pair import TwinshotError


class Noise2Noise(nn.Module):
    """One clean picture from the noisy frame; the blurry one is ignored.

    Args:
        width: channels of the encoder, a multiple of 3; published 48.

    Guarantees: `forward(noisy, blurry)` takes and gives float (n, 3, h, w), RGB, sRGB-encoded in [0, 1], h and w
    multiples of `multiple`; the output may overshoot the range by a little.

    Raises:
        TwinshotError: a width that is no multiple of 3.
    """

    about = "Noise2Noise"
    source = "Lehtinen et al., ICML 2018"
    takes = "noisy"
    multiple = 32

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        if width < 3 or width % 3:
            raise TwinshotError(f"width={width}: give a multiple of 3 (the last level has 4/3 and 2/3 of the width)")
        self.encoder = nn.ModuleList([_convs(3, width, width), *(_convs(width, width) for _ in range(4))])
        self.bottom = _convs(width, width)
        inner = [_convs(channels * width, 2 * width, 2 * width) for channels in (2, 3, 3, 3)]
        self.decoder = nn.ModuleList([*inner, _convs(2 * width + 3, 4 * width // 3, 2 * width // 3)])
        self.image = _conv(2 * width // 3, 3)

    def forward(self, noisy: Tensor, blurry: Tensor) -> Tensor:
        """The clean picture (n, 3, h, w)."""
        x = noisy - 0.5
        skips = []
        for block in self.encoder:
            skips.append(x)
            x = F.max_pool2d(block(x), 2)
        x = self.bottom(x)  # (n, width, h/32, w/32)
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), skip], 1))
        clean: Tensor = self.image(x) + 0.5
        return clean


def _convs(*channels: int) -> nn.Sequential:
    """Convolutions from each width to the next, a LeakyReLU after each."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        layers += [_conv(inputs, outputs), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers)


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv
