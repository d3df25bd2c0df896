"""SRN: one recurrent encoder-decoder, run at 1/4, 1/2 and full size (Tao et al., CVPR 2018, and its public code).

At each scale it reads the blurry frame and the picture of the scale before, enlarged; the coarsest reads the frame
twice. At 256x256 and width 32, all three scales with the same weights:

    part     layers                             channels  map at 1/4  1/2  full
    fine     conv5, 3 residual blocks           32        64          128  256
    middle   conv5 stride 2, 3 blocks           64        32          64   128
    coarse   conv5 stride 2, 3 blocks           128       16          32   64
    memory   ConvLSTM 3x3, state from before    128       16          32   64
    up       3 blocks 128; deconv4 stride 2     64        32          64   128    + middle
    up       3 blocks 64; deconv4 stride 2      32        64          128  256    + fine
    image    3 blocks 32; conv5, linear         3         64          128  256

A residual block is x + conv5(relu(conv5(x))); the other convolutions but the last have a ReLU, and there is no norm.
8,061,411 weights. The picture handed to the next scale carries no gradient; the memory does. Pictures and memory are
enlarged bilinearly. The frame is made smaller by 2x2 means, as the coarse targets are in training; the public code's
bilinear resize has no filter, so there both keep every second pixel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convlstm import ConvLSTM, Hidden
from .multiscale import conv5, pyramid, residuals


class SRN(nn.Module):
    """One sharp picture from the blurry frame; the noisy one is ignored.

    Args:
        width: channels at a scale's own resolution, doubled at each halving; published 32.

    Guarantees: `forward(noisy, blurry)` takes and gives float (n, 3, h, w), RGB, sRGB-encoded in [0, 1], h and w
    multiples of `multiple`; the output may overshoot the range by a little.
    """

    about = "SRN, recurrent over three scales"
    source = "Tao et al., CVPR 2018"
    takes = "blurry"
    multiple = 16

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.fine = _stage(conv5(6, width), width)
        self.middle = _stage(conv5(width, 2 * width, stride=2), 2 * width)
        self.coarse = _stage(conv5(2 * width, 4 * width, stride=2), 4 * width)
        self.memory = ConvLSTM(4 * width)
        self.up_coarse = _enlarging(4 * width)
        self.up_middle = _enlarging(2 * width)
        self.image = nn.Sequential(residuals(width, 3), conv5(width, 3))
        self.apply(_xavier)

    def forward(self, noisy: Tensor, blurry: Tensor) -> Tensor:
        """The sharp picture (n, 3, h, w)."""
        return self.scales(noisy, blurry)[-1]

    def scales(self, noisy: Tensor, blurry: Tensor) -> list[Tensor]:
        """The sharp picture at 1/4, 1/2 and full size; each has a loss of its own in training."""
        pictures: list[Tensor] = []
        hidden: Hidden | None = None
        for frame in pyramid(blurry):
            before = _doubled(pictures[-1].detach()) if pictures else frame
            hidden = (_doubled(hidden[0]), _doubled(hidden[1])) if hidden else None
            picture, hidden = self.step(torch.cat([frame, before], 1), hidden)
            pictures.append(picture)
        return pictures

    def step(self, x: Tensor, hidden: Hidden | None) -> tuple[Tensor, Hidden]:
        """One scale: frame and last picture (n, 6, h, w) -> picture (n, 3, h, w), memory (n, 4 * width, h/4, w/4)."""
        fine = self.fine(x)
        middle = self.middle(fine)
        hidden = self.memory(self.coarse(middle), hidden)
        return self.image(self.up_middle(self.up_coarse(hidden[0]) + middle) + fine), hidden


def _stage(conv: nn.Conv2d, channels: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.ReLU(), residuals(channels, 3))


def _enlarging(channels: int) -> nn.Sequential:
    """(n, channels, h, w) -> (n, channels / 2, 2h, 2w)."""
    deconv = nn.ConvTranspose2d(channels, channels // 2, 4, stride=2, padding=1)
    return nn.Sequential(residuals(channels, 3), deconv, nn.ReLU())


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear")


def _xavier(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
