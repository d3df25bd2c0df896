"""DeblurRNN: a denoising net, then a deblurring net that starts from its picture and its memory (Section III-A.1).

    noisy  -> [denoising net:  encoder -> ConvLSTM -> decoder] -> denoised
                                            | (h, c)
    denoised, blurry -> [deblurring net: encoder -> ConvLSTM -> decoder] -> sharp

Sizes and channels of both nets are those of the table in `blocks`; the ConvLSTM works on the bottleneck.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import Decoder, Encoder, level_widths, to_signed, to_unit
from .convlstm import ConvLSTM, Hidden


class Subnet(nn.Module):
    """Encoder, ConvLSTM on the bottleneck, decoder with skips: one half of DeblurRNN.

    Args:
        in_channels: of the picture taken, in [-1, 1]; the picture given is RGB in [-1, 1].
        base_channels, levels, dropout, dropout_blocks, spectral: as in `DeblurRNN`.
    """

    def __init__(
        self, in_channels: int, base_channels: int, levels: int, dropout: float, dropout_blocks: int, spectral: bool
    ) -> None:
        super().__init__()
        widths = level_widths(base_channels, levels)
        self.encoder = Encoder(in_channels, widths, spectral)
        self.memory = ConvLSTM(widths[-1])
        self.decoder = Decoder(widths, 1, dropout, dropout_blocks, spectral)

    def forward(self, x: Tensor, hidden: Hidden | None = None) -> tuple[Tensor, Hidden]:
        """(n, in_channels, h, w) -> picture (n, 3, h, w) and the state after it, from the state before it or zeros."""
        *skips, bottleneck = self.encoder(x)
        hidden = self.memory(bottleneck, hidden)
        return self.decoder(hidden[0], skips, x.shape[-2:]), hidden


class DeblurRNN(nn.Module):
    """One sharp clean picture from a noisy and a blurry one, denoising first.

    The two nets have weights of their own. Table I trains the denoising net on its own content loss alone, so unless
    `joint`, what it hands over carries no gradient: one backward pass of both losses gives each net its own.

    Args:
        base_channels: channels of the finest level; the predecessor's, and so the paper recipe's, are 64.
        levels: halvings down to the bottleneck; the predecessor has 8, and the paper is silent.
        dropout: share of features dropped while training, in the decoders (the z of eq. 4).
        dropout_blocks: how many blocks of each decoder, from the bottleneck up, have dropout.
        spectral: spectral norm on all convolutions but each net's first and the ConvLSTM.
        flow: the denoising net's (h, c) starts the deblurring net's ConvLSTM; False, for the ablation: zeros do.
        joint: let the deblurring losses train the denoising net too; needed where only the last picture has a loss.

    Guarantees: `forward(noisy, blurry)` takes and gives float (n, 3, h, w), RGB, sRGB-encoded in [0, 1], any h and w
    from 16 up; the output never leaves the range.
    """

    about = "DeblurRNN"
    source = "Zhang, Zhen, Stevenson: Deep Motion Blur Removal Using Noisy/Blurry Image Pairs"

    def __init__(
        self,
        base_channels: int = 64,
        levels: int = 8,
        dropout: float = 0.5,
        dropout_blocks: int = 3,
        spectral: bool = True,
        flow: bool = True,
        joint: bool = False,
    ) -> None:
        super().__init__()
        self.flow, self.joint, self.multiple = flow, joint, 2**levels
        self.denoising = Subnet(3, base_channels, levels, dropout, dropout_blocks, spectral)
        self.deblurring = Subnet(6, base_channels, levels, dropout, dropout_blocks, spectral)

    def forward(self, noisy: Tensor, blurry: Tensor) -> Tensor:
        """The sharp picture, x-hat of eq. (5)."""
        return self.both(noisy, blurry)[1]

    def both(self, noisy: Tensor, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """The denoised picture, x-tilde of eq. (7), and the sharp one, x-hat of eq. (5), both (n, 3, h, w)."""
        denoised, hidden = self.denoising(to_signed(noisy))
        handed, start = (denoised, hidden) if self.joint else (denoised.detach(), _detached(hidden))
        sharp, _ = self.deblurring(torch.cat([handed, to_signed(blurry)], 1), start if self.flow else None)
        return to_unit(denoised), to_unit(sharp)


def _detached(hidden: Hidden) -> Hidden:
    return hidden[0].detach(), hidden[1].detach()
