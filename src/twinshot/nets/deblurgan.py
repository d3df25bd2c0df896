"""DeblurGAN: a residual generator against a critic of patches (Kupyn et al., CVPR 2018, and its public code).

The generator, on the blurry frame alone, at 256x256 and width 64:

    layer       convolution       channels  map
    head        7x7, reflected    64        256
    down 1, 2   3x3, stride 2     128, 256  128, 64
    9 blocks    3x3 + 3x3, refl.  256       64       x + norm(conv(dropout(relu(norm(conv(x))))))
    up 1, 2     3x3 transposed    128, 64   128, 256
    image       7x7, reflected    3         256      tanh, added to the frame, held in [-1, 1]

11,372,931 weights. Every convolution but the last is followed by instance norm without affine and ReLU. Those have no
bias here, as the norm would take it away: the public code keeps 5,248 of them, which do nothing.

The critic, which sees one picture, restored or sharp, and gives a score for each of its patches:

    layer     1      2      3      4      score
    channels  64     128    256    512    1
    map       129    65     33     34     35      4x4, stride 2 2 2 1 1, padding 2; LeakyReLU(0.2)

2,763,841 weights; instance norm in layers 2 to 4.

Instance norm takes each picture's own mean and deviation, at test time as in training: running averages would be
another network. So a tile is normalised by what is in that tile, and the same pixel comes out a little different in
another tile. Overlaps that are cross-faded hide the seam, but only a whole picture gives the published result.
Dropout is off at test time.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from .blocks import initialised, to_signed, to_unit


class Block(nn.Module):
    """The picture's features plus a change of them: (n, c, h, w) -> (n, c, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = (_reflected(channels, channels, 3, bias=False) for _ in range(2))
        self.change = nn.Sequential(first, _norm(channels), nn.ReLU(), nn.Dropout(0.5), second, _norm(channels))

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.change(x)
        return x + change


class DeblurGAN(nn.Module):
    """One sharp picture from the blurry frame; the noisy one is ignored.

    Args:
        width: channels at full resolution; published 64. There are four times as many at 1/4, where the blocks are.
        blocks: residual blocks; published 9.

    Guarantees: `forward(noisy, blurry)` takes and gives float (n, 3, h, w), RGB, sRGB-encoded in [0, 1], h and w
    multiples of `multiple`; the output never leaves the range.
    """

    about = "DeblurGAN"
    source = "Kupyn et al., CVPR 2018"
    takes = "blurry"
    multiple = 4

    def __init__(self, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.head = _normed(_reflected(3, width, 7, bias=False))
        self.down = nn.Sequential(*(_normed(_halving(fine, coarse)) for fine, coarse in pairwise(widths)))
        self.blocks = nn.Sequential(*(Block(widths[-1]) for _ in range(blocks)))
        self.up = nn.Sequential(*(_normed(_doubling(coarse, fine)) for coarse, fine in pairwise(reversed(widths))))
        self.image = _reflected(width, 3, 7, bias=True)

    def forward(self, noisy: Tensor, blurry: Tensor) -> Tensor:
        """The sharp picture (n, 3, h, w)."""
        frame = to_signed(blurry)
        change = torch.tanh(self.image(self.up(self.blocks(self.down(self.head(frame))))))
        return to_unit((frame + change).clamp(-1, 1))


class Critic(nn.Module):
    """Scores of a picture's patches, higher for sharp ones; their mean is the critic's word on the picture.

    Args:
        width: channels of the first layer; published 64.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [_patches(3, width, 2, bias=True), nn.LeakyReLU(0.2)]
        for fine, coarse, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
            conv = _patches(fine * width, coarse * width, stride, bias=False)
            layers += [conv, _norm(coarse * width), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, _patches(8 * width, 1, 1, bias=True))

    def forward(self, image: Tensor) -> Tensor:
        """Scores (n, 1, about h / 8 + 3, about w / 8 + 3) of a picture (n, 3, h, w) in [0, 1], any size from 16 up."""
        scores: Tensor = self.layers(to_signed(image))
        return scores


def _normed(conv: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    return nn.Sequential(conv, _norm(conv.out_channels), nn.ReLU())


def _norm(channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(channels, affine=False, track_running_stats=False)


def _reflected(in_channels: int, out_channels: int, kernel: int, bias: bool) -> nn.Conv2d:
    padding = kernel // 2
    return initialised(nn.Conv2d(in_channels, out_channels, kernel, padding=padding, bias=bias, padding_mode="reflect"))


def _halving(in_channels: int, out_channels: int) -> nn.Conv2d:
    return initialised(nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False))


def _doubling(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    """(n, in, h, w) -> (n, out, 2h, 2w)."""
    conv = nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1, bias=False)
    return initialised(conv)


def _patches(in_channels: int, out_channels: int, stride: int, bias: bool) -> nn.Conv2d:
    return initialised(nn.Conv2d(in_channels, out_channels, 4, stride, padding=2, bias=bias))
