"""DeblurMerger: both frames encoded apart, merged at the bottleneck, decoded together (Section III-A.2, Fig. 3).

    noisy  -> encoder -\
                        [concatenate -> merge] -> decoder -> sharp
    blurry -> encoder -/

Sizes and channels are those of the table in `blocks`. At 256x256 and full size the two bottlenecks are
1024x1x1 together and 512x1x1 after the merger, and each decoder block but the last is followed by the skips of both
encoders: block 1 takes 512 channels, blocks 2 to 8 take three times the width of the block before.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .blocks import ConvBlock, Decoder, Encoder, level_widths, to_signed, to_unit


class DeblurMerger(nn.Module):
    """One sharp clean picture from a noisy and a blurry one, both read in parallel.

    The paper concatenates the bottlenecks and says that the net learns to merge them. Here a 1x1 block (spectral norm,
    batch norm, LeakyReLU) does, and gives the decoder the width it has in DeblurRNN. A departure: the paper's decoder
    is "the same" as there, and this one takes the skips of both encoders.

    Args:
        base_channels: channels of the finest level; the predecessor's, and so the paper recipe's, are 64.
        levels: halvings down to the bottleneck; the predecessor has 8, and the paper is silent.
        dropout: share of features dropped while training, in the decoder (the z of eq. 4).
        dropout_blocks: how many blocks of the decoder, from the bottleneck up, have dropout.
        spectral: spectral norm on all convolutions but each encoder's first.
        inputs: which frames the network may see, "noisy", "blurry" or both; one, for the ablations, has one encoder.

    Guarantees: `forward(noisy, blurry)` takes and gives float (n, 3, h, w), RGB, sRGB-encoded in [0, 1], any h and w
    from 16 up; the output never leaves the range.
    """

    about = "DeblurMerger"
    source = "Zhang, Zhen, Stevenson: Deep Motion Blur Removal Using Noisy/Blurry Image Pairs"

    def __init__(
        self,
        base_channels: int = 64,
        levels: int = 8,
        dropout: float = 0.5,
        dropout_blocks: int = 3,
        spectral: bool = True,
        inputs: Sequence[str] = ("noisy", "blurry"),
    ) -> None:
        super().__init__()
        self.multiple = 2**levels
        widths, sources = level_widths(base_channels, levels), len(inputs)
        self.encoders = nn.ModuleDict({name: Encoder(3, widths, spectral) for name in inputs})
        self.merge = ConvBlock(sources * widths[-1], widths[-1], spectral=spectral, kernel=1, stride=1)
        self.decoder = Decoder(widths, sources, dropout, dropout_blocks, spectral)

    def forward(self, noisy: Tensor, blurry: Tensor) -> Tensor:
        """The sharp picture, x-hat of eq. (5)."""
        frames = {"noisy": noisy, "blurry": blurry}
        maps = [encoder(to_signed(frames[name])) for name, encoder in self.encoders.items()]
        *skips, bottlenecks = (torch.cat(level, 1) for level in zip(*maps, strict=True))
        return to_unit(self.decoder(self.merge(bottlenecks), skips, noisy.shape[-2:]))
