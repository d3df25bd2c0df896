"""DCDeblurGAN: the paper's predecessor, a U-Net on the blurry frame, trained with a dark channel loss.

Sizes and channels are those of the table in `nets.blocks`, skips of one encoder, and no spectral norm: each decoder
block but the first takes twice the width of the block before. 8 levels of base 64 have 85,017,347 weights. There is no
way past the bottleneck but the skips: the picture is made anew, not added to the frame. The public code keeps dropout
and the batch's statistics on at test time; here both are off, as everywhere.
"""

from __future__ import annotations

from torch import Tensor, nn

from .blocks import Decoder, Encoder, level_widths, to_signed, to_unit


class DCDeblurGAN(nn.Module):
    """One sharp picture from the blurry frame; the noisy one is ignored.

    Args:
        base_channels: channels of the finest level; published 64.
        levels: halvings down to the bottleneck; published 8.
        dropout_blocks: how many blocks of the decoder, from the bottleneck up, drop half their features; published 3.

    Guarantees: `forward(noisy, blurry)` takes and gives float (n, 3, h, w), RGB, sRGB-encoded in [0, 1], any h and w
    from 16 up; the output never leaves the range.
    """

    about = "DCDeblurGAN, the predecessor of DeblurRNN"
    source = "Zhang, Zhen, Stevenson: GAN Based Image Deblurring Using Dark Channel Prior, 2019"
    takes = "blurry"

    def __init__(self, base_channels: int = 64, levels: int = 8, dropout_blocks: int = 3) -> None:
        super().__init__()
        self.multiple = 2**levels
        widths = level_widths(base_channels, levels)
        self.encoder = Encoder(3, widths, spectral=False)
        self.decoder = Decoder(widths, dropout_blocks=dropout_blocks, spectral=False)

    def forward(self, noisy: Tensor, blurry: Tensor) -> Tensor:
        """The sharp picture (n, 3, h, w)."""
        *skips, bottleneck = self.encoder(to_signed(blurry))
        return to_unit(self.decoder(bottleneck, skips, blurry.shape[-2:]))
