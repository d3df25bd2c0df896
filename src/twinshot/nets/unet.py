"""A plain U-Net on both frames (Ronneberger et al. 2015): what is left of TwinNet without its own ideas.

At 256x256, base 64 and 5 levels; every 3x3 convolution has a ReLU and zeros around, so that sizes stay:

    level    down: two convolutions, then pool 2    up: transposed 2x2, skip concatenated, two convolutions    map
    1        64, 64                                 128 -> 64 + 64: 64, 64, then 1x1 to 3                      256
    2        128, 128                               256 -> 128 + 128: 128, 128                                 128
    3        256, 256                               512 -> 256 + 256: 256, 256                                 64
    4        512, 512                               1024 -> 512 + 512: 512, 512                                32
    5        1024, 1024                                                                                        16

31,033,603 weights with both frames. The output is added to the noisy frame, and starts at zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class UNet(nn.Module):
    """One sharp clean picture from a noisy and a blurry one.

    Args:
        base_channels: channels of the finest level, doubled at each halving; published 64.
        levels: resolutions, the full one included; published 5.
        inputs: which frames the network may see; the output is added to the first.

    Raises:
        ValueError: no level, or more than six (a grid of 32 px, which validation goes by), or no channels.

    Guarantees: `forward(noisy, blurry)` takes and gives float (n, 3, h, w), RGB, sRGB-encoded in [0, 1], h and w
    multiples of `multiple`; the output may overshoot the range by a little.
    """

    about = "a plain U-Net in TwinNet's place"
    source = "after Ronneberger, Fischer, Brox, MICCAI 2015"

    def __init__(self, base_channels: int = 64, levels: int = 5, inputs: Sequence[str] = ("noisy", "blurry")) -> None:
        super().__init__()
        if base_channels < 1 or not 1 <= levels <= 6:
            raise ValueError("give 1 to 6 levels of at least 1 channel")
        self.inputs = tuple(inputs)
        self.multiple = 2 ** (levels - 1)
        widths = [base_channels * 2**level for level in range(levels)]
        pairs = list(pairwise(widths))
        self.head = _convs(3 * len(self.inputs), base_channels)
        self.down = nn.ModuleList([_convs(base_channels, base_channels), *(_convs(f, c, c) for f, c in pairs)])
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairs)
        self.up = nn.ModuleList(_convs(2 * fine, fine, fine) for fine, _ in pairs)
        self.tail = nn.Conv2d(base_channels, 3, 1)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)

    def forward(self, noisy: Tensor, blurry: Tensor) -> Tensor:
        """The sharp picture (n, 3, h, w)."""
        frames = [{"noisy": noisy, "blurry": blurry}[name] for name in self.inputs]
        skips = [self.down[0](self.head(torch.cat(frames, 1)))]
        for block in list(self.down)[1:]:
            skips.append(block(F.max_pool2d(skips[-1], 2)))  # (n, base * 2^i, h/2^i, w/2^i)
        x = skips.pop()
        for enlarge, block in zip(reversed(list(self.enlarge)), reversed(list(self.up)), strict=True):
            x = block(torch.cat([skips.pop(), enlarge(x)], 1))
        change: Tensor = self.tail(x)
        return frames[0] + change


def _convs(*channels: int) -> nn.Sequential:
    """3x3 convolutions from each width to the next, a ReLU after each, weights as He et al. scale them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        layers += [conv, nn.ReLU()]
    return nn.Sequential(*layers)
