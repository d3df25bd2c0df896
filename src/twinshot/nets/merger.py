"""DeblurMerger: both frames encoded apart, merged at the bottleneck, decoded together (Section III-A.2, Fig. 3).

    noisy  -> encoder -\
                        [concatenate -> merge] -> decoder -> sharp
    blurry -> encoder -/

Sizes and channels are those of the table in `blocks`. At 256x256 and the paper setting the two bottlenecks are
1024x1x1 together and 512x1x1 after the merger, and each decoder block but the last is followed by the skips of both
encoders: block 1 takes 512 channels, blocks 2 to 8 take three times the width of the block before.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import ConvBlock, Decoder, Encoder, level_widths, to_signed, to_unit


class DeblurMerger(nn.Module):
    """One sharp clean picture from a noisy and a blurry one, both read in parallel.

    The paper concatenates the bottlenecks and says that the net learns to merge them. Here a 1x1 block (spectral norm,
    batch norm, LeakyReLU) does, and gives the decoder the width it has in DeblurRNN.

    Args:
        base_channels: channels of the finest level; the paper setting is 64.
        levels: halvings down to the bottleneck; the paper setting is 8.
        dropout: share of features dropped while training, in the decoder (the z of eq. 4).
        dropout_blocks: how many blocks of the decoder, from the bottleneck up, have dropout.
        spectral: spectral norm on all convolutions but each encoder's first.

    Guarantees: `forward(noisy, blurry)` takes and gives float (n, 3, h, w), RGB, sRGB-encoded in [0, 1], any h and w
    from 16 up; the output never leaves the range.
    """

    multiple = 1

    def __init__(
        self,
        base_channels: int = 64,
        levels: int = 8,
        dropout: float = 0.5,
        dropout_blocks: int = 3,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        widths = level_widths(base_channels, levels)
        self.noisy_encoder = Encoder(3, widths, spectral)
        self.blurry_encoder = Encoder(3, widths, spectral)
        self.merge = ConvBlock(2 * widths[-1], widths[-1], spectral=spectral, kernel=1, stride=1)
        self.decoder = Decoder(widths, 2, dropout, dropout_blocks, spectral)

    def forward(self, noisy: Tensor, blurry: Tensor) -> Tensor:
        """The sharp picture, x-hat of eq. (5)."""
        pairs = zip(self.noisy_encoder(to_signed(noisy)), self.blurry_encoder(to_signed(blurry)), strict=True)
        *skips, bottlenecks = (torch.cat(pair, 1) for pair in pairs)
        return to_unit(self.decoder(self.merge(bottlenecks), skips, noisy.shape[-2:]))
