"""TwinNet: a small residual U-Net that hands both frames a short way to the output.

Nearly all the work is done at 1/2 to 1/16 resolution, where a plain 3x3 convolution sees far for little. Full
resolution is a thin level: what a few channels keep there, no coarser level has to carry. The result is a per-pixel,
per-channel blend of the two frames plus a residual:

    S = w * N + (1 - w) * B + R,    w in (0, 1)

Adding R to the noisy frame alone lets the network forget the blurry one; the blend gives it a way of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """x + conv3(relu(conv3(x))), no normalisation: (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        # Each block starts near the identity, whatever the depth.
        nn.init.normal_(self.second.weight, std=0.01 / channels**0.5)
        _zero(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(F.relu(self.first(x)))
        return x + change


class TwinNet(nn.Module):
    """One sharp clean picture from a noisy and a blurry one.

    Args:
        channels: width of each level, from full resolution on, each of half the resolution of the one before.
        encoder: residual blocks of each level on the way down, the last being the bottom.
        decoder: residual blocks of each level but the bottom on the way up, top first.
        inputs: which frames the network may see; with one, the blend has that frame alone.

    Raises:
        ValueError: no level, or more than six (a grid of 32 px, which validation goes by), or one without channels.

    Guarantees: `forward(noisy, blurry)` takes and gives float (n, 3, h, w), RGB, sRGB-encoded in [0, 1], h and w
    multiples of `multiple`; the output may overshoot the range by a little.
    """

    about = "TwinNet"
    source = "this project"

    def __init__(
        self,
        channels: Sequence[int] = (16, 32, 48, 96, 160),
        encoder: Sequence[int] = (0, 1, 2, 4, 4),
        decoder: Sequence[int] = (1, 1, 2, 2),
        inputs: Sequence[str] = ("noisy", "blurry"),
    ) -> None:
        super().__init__()
        if min(channels, default=0) < 1 or len(channels) > 6:
            raise ValueError("give 1 to 6 levels of at least 1 channel")
        self.inputs = tuple(inputs)
        self.multiple = 2 ** (len(channels) - 1)
        pictures = 3 * len(inputs)
        self.head = nn.Conv2d(pictures, channels[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(_stage(c, n) for c, n in zip(channels, encoder, strict=True))
        pairs = list(pairwise(channels))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairs)
        self.up_blocks = nn.ModuleList(_stage(c, n) for c, n in zip(channels[:-1], decoder, strict=True))
        self.tail = nn.Conv2d(channels[0], pictures, 3, padding=1)
        _zero(self.tail.weight)
        _zero(self.tail.bias)

    def forward(self, noisy: Tensor, blurry: Tensor) -> Tensor:
        frames = [{"noisy": noisy, "blurry": blurry}[name] for name in self.inputs]
        x = self.head(torch.cat(frames, 1))  # (n, c_0, h, w)
        skips = []
        for blocks, down in zip(self.down_blocks, self.down, strict=False):
            x = blocks(x)
            skips.append(x)
            x = down(x)  # (n, c_i+1, h / 2^(i+1), w / 2^(i+1))
        x = self.down_blocks[-1](x)
        for blocks, up, skip in zip(
            reversed(list(self.up_blocks)), reversed(list(self.up)), reversed(skips), strict=True
        ):
            x = blocks(up(x) + skip)
        return self._blend(frames, self.tail(x))

    def _blend(self, frames: list[Tensor], out: Tensor) -> Tensor:
        """The blend of the frames plus the residual; `out` is (n, 3 or 6, h, w): residual, then weights."""
        if len(frames) == 1:
            return frames[0] + out
        weight = torch.sigmoid(out[:, 3:])
        return frames[1] + weight * (frames[0] - frames[1]) + out[:, :3]


def _stage(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(channels) for _ in range(count)))


def _zero(parameter: Tensor | None) -> None:
    if parameter is not None:
        nn.init.zeros_(parameter)
