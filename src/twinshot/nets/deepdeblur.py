"""DeepDeblur: three residual networks, from 1/4 to full size (Nah et al., CVPR 2017, as its later public code has it).

Each scale has weights of its own. At 256x256 and width 64:

    part     layers                             channels  map at 1/4  1/2  full
    head     conv5 on 3 (coarsest) or 6         64        64          128  256
    body     19 residual blocks                 64        64          128  256
    image    conv5, linear                      3         64          128  256
    larger   conv5 to 12, pixel shuffle by 2    3         128         256          beside the next scale's blurry frame

A residual block is x + conv5(relu(conv5(x))), without norm. 11,721,321 weights. Pictures lie in [-0.5, 0.5] inside.
Gradients run through all scales. The pyramid is made of 2x2 means; the public code's is Gaussian.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .multiscale import conv5, pyramid, residuals


class DeepDeblur(nn.Module):
    """One sharp picture from the blurry frame; the noisy one is ignored.

    Args:
        width: channels of every scale; published 64.
        blocks: residual blocks of every scale; published 19.

    Guarantees: `forward(noisy, blurry)` takes and gives float (n, 3, h, w), RGB, sRGB-encoded in [0, 1], h and w
    multiples of `multiple`; the output may overshoot the range by a little.
    """

    about = "DeepDeblur, three scales"
    source = "Nah, Kim, Lee, CVPR 2017"
    takes = "blurry"
    multiple = 4

    def __init__(self, width: int = 64, blocks: int = 19) -> None:
        super().__init__()
        self.nets = nn.ModuleList(
            nn.Sequential(conv5(channels, width), residuals(width, blocks), conv5(width, 3)) for channels in (3, 6, 6)
        )
        self.larger = nn.ModuleList(conv5(3, 12) for _ in range(2))

    def forward(self, noisy: Tensor, blurry: Tensor) -> Tensor:
        """The sharp picture (n, 3, h, w)."""
        return self.scales(noisy, blurry)[-1]

    def scales(self, noisy: Tensor, blurry: Tensor) -> list[Tensor]:
        """The sharp picture at 1/4, 1/2 and full size; each has a loss of its own in training."""
        coarsest, *finer = pyramid(blurry - 0.5)
        pictures = [self.nets[0](coarsest)]
        for frame, net, larger in zip(finer, list(self.nets)[1:], self.larger, strict=True):
            before = F.pixel_shuffle(larger(pictures[-1]), 2)
            pictures.append(net(torch.cat([frame, before], 1)))
        return [picture + 0.5 for picture in pictures]
