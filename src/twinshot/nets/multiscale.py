"""What the deblurrers that go from coarse to fine share: residual blocks of 5x5 convolutions, a pyramid of pictures."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """x + conv5(relu(conv5(x))), no normalisation: (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = conv5(channels, channels), conv5(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(F.relu(self.first(x)))
        return x + change


def conv5(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 5x5 convolution with zeros around: (n, in, h, w) -> (n, out, ceil(h / stride), ceil(w / stride))."""
    return nn.Conv2d(in_channels, out_channels, 5, stride, padding=2)


def residuals(channels: int, count: int) -> nn.Sequential:
    """`count` residual blocks, one after the other."""
    return nn.Sequential(*(Residual(channels) for _ in range(count)))


def pyramid(image: Tensor, scales: int = 3) -> list[Tensor]:
    """The picture at 1/2^(scales-1), ..., 1/2 and 1 of its size, coarse to fine, each the last one's 2x2 means."""
    levels = [image]
    for _ in range(scales - 1):
        levels.insert(0, F.avg_pool2d(levels[0], 2))
    return levels
