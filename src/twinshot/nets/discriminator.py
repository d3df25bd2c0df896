"""The discriminator that sharp pictures and restored ones are told apart by (Section III-A.1, eq. 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import Encoder, initialised, level_widths, normalised, to_signed


class Discriminator(nn.Module):
    """D(image, blurry): how much the image looks like the ground truth of that blurry frame, as a logit.

    At 256x256 and the default setting:

        block     1    2    3    4    pool  linear
        channels  64   128  256  512  512   1
        map       128  64   32   16   1     1

    The paper says convolutional blocks, a scalar and a sigmoid. Depth and widths are its predecessor's. The mean over
    the map, in place of one weight a pixel, makes the same discriminator serve any crop. The sigmoid is left to the
    losses, which are stable on logits.

    Args:
        base_channels: channels of the first block.
        levels: blocks.
        spectral: spectral norm on all weights but the first.
    """

    multiple = 1

    def __init__(self, base_channels: int = 64, levels: int = 4, spectral: bool = True) -> None:
        super().__init__()
        widths = level_widths(base_channels, levels)
        self.encoder = Encoder(6, widths, spectral)
        self.head = normalised(initialised(nn.Linear(widths[-1], 1)), spectral)

    def forward(self, image: Tensor, blurry: Tensor) -> Tensor:
        """Logits (n,), above 0 for "ground truth"; both pictures (n, 3, h, w) in [0, 1], any h and w from 16 up."""
        maps = self.encoder(to_signed(torch.cat([image, blurry], 1)))
        logits: Tensor = self.head(maps[-1].mean((2, 3)))
        return logits.squeeze(1)
