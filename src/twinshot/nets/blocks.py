"""The pieces the paper's networks are built of: blocks, encoder, decoder, and the removal of spectral norm.

Sources: Section III-A, Fig. 2 and its caption. Neither says how wide or deep the nets are; the authors' earlier network
for one blurry picture (the paper's [10], here "the predecessor") has base 64 and 8 levels. So at 256x256:

    encoder  block     1    2    3    4    5    6    7    8 (bottleneck)
             channels  64   128  256  512  512  512  512  512
             map       128  64   32   16   8    4    2    1
    decoder  block     1    2    3    4    5    6    7    8 (image)
             channels  512  512  512  512  256  128  64   3
             map       2    4    8    16   32   64   128  256

Every block is a 5x5 stride-2 (transposed) convolution, spectral norm on its weight, batch norm, LeakyReLU.
Where the paper is silent:

- The slope of LeakyReLU is the predecessor's, 0.2; so are dropout's rate and its place.
- The first block of a generator or discriminator has neither norm: the caption exempts it from "normalization", and
  the text calls both by that name.
- The image layer has spectral norm and tanh but no batch norm, which would take each picture's mean colour away.
- Weights start from N(0, 0.02), but batch norm starts as the identity and biases at 0. A layer that batch norm follows
  has no bias.

Trap: batch norm needs more than one value a channel. With 8 levels the bottleneck of a 256x256 crop is one pixel: in
training mode, batch 1 raises torch's ValueError there, and batch 2 leaves each feature nothing but a sign. Train with
a real batch, a larger crop or fewer levels. Evaluation mode uses the running statistics and takes any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from ..picture.pair import TwinshotError

Layer = TypeVar("Layer", nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
Net = TypeVar("Net", bound=nn.Module)


def level_widths(base_channels: int, levels: int) -> list[int]:
    """Channels of each level, finest first: doubled at each level up to eight times the base.

    Raises:
        TwinshotError: fewer than two levels, or no channels.
    """
    if levels < 2 or base_channels < 1:
        raise TwinshotError(f"levels={levels}, base_channels={base_channels}: give at least 2 levels and 1 channel")
    return [base_channels * min(2**level, 8) for level in range(levels)]


def initialised(layer: Layer) -> Layer:
    """The layer with weights drawn from N(0, 0.02) and no bias yet (Section IV-A)."""
    nn.init.normal_(layer.weight, std=0.02)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def normalised(layer: Layer, spectral: bool) -> Layer:
    """The layer with its weight divided by its largest singular value, where `spectral` asks for it."""
    if spectral:
        spectral_norm(layer)
    return layer


class ConvBlock(nn.Module):
    """Convolution, spectral norm, batch norm, LeakyReLU: (n, in, h, w) -> (n, out, ceil(h / stride), ceil(w / stride)).

    Args:
        in_channels, out_channels: width of the maps taken and given.
        norm: False for a first layer: neither norm, a bias instead.
        spectral: spectral norm on the weight.
        kernel, stride: 5 and 2 but in the merger.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        norm: bool = True,
        spectral: bool = True,
        kernel: int = 5,
        stride: int = 2,
    ) -> None:
        super().__init__()
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=not norm)
        self.conv = normalised(initialised(conv), spectral and norm)
        self.norm = _batch_norm(out_channels) if norm else nn.Identity()
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(self.norm(self.conv(x)))
        return out


class UpBlock(nn.Module):
    """Transposed convolution, spectral norm, batch norm, LeakyReLU, dropout: (n, in, h, w) -> (n, out, H, W).

    (H, W) is asked for in each call, at most (2h, 2w): the rest is cropped at the bottom and the right, where the
    encoder rounded an odd size up.
    """

    def __init__(self, in_channels: int, out_channels: int, spectral: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv = normalised(initialised(_doubling(in_channels, out_channels, bias=False)), spectral)
        self.norm = _batch_norm(out_channels)
        self.activation = nn.LeakyReLU(0.2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, size: Sequence[int]) -> Tensor:
        out: Tensor = self.dropout(self.activation(self.norm(cropped(self.conv(x), size))))
        return out


class Encoder(nn.Module):
    """A picture to its maps at 1/2, 1/4, ...; the last one is the bottleneck.

    Args:
        in_channels: of the picture.
        widths: channels of each map, finest first.
        spectral: spectral norm on every weight but the first.
    """

    def __init__(self, in_channels: int, widths: Sequence[int], spectral: bool = True) -> None:
        super().__init__()
        inner = [ConvBlock(fine, coarse, spectral=spectral) for fine, coarse in pairwise(widths)]
        self.blocks = nn.ModuleList([ConvBlock(in_channels, widths[0], norm=False), *inner])

    def forward(self, x: Tensor) -> list[Tensor]:
        """(n, in_channels, h, w) -> maps, finest first; map i is (n, widths[i], ceil(h / 2^(i+1)), ...)."""
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps


class Decoder(nn.Module):
    """Bottleneck and skips to a picture in [-1, 1], the skips concatenated after each block.

    Args:
        widths: channels of the encoder's maps, finest first, the bottleneck included.
        sources: encoders that send skips.
        dropout: share of features dropped while training.
        dropout_blocks: how many blocks, from the bottleneck up, have dropout.
        spectral: spectral norm on every weight.
    """

    def __init__(
        self,
        widths: Sequence[int],
        sources: int = 1,
        dropout: float = 0.5,
        dropout_blocks: int = 3,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        outs = list(reversed(widths[:-1]))
        ins = [widths[-1], *((1 + sources) * width for width in outs)]
        rates = [dropout if i < dropout_blocks else 0.0 for i in range(len(outs))]
        blocks = zip(ins[:-1], outs, rates, strict=True)
        self.blocks = nn.ModuleList(UpBlock(i, o, spectral, rate) for i, o, rate in blocks)
        self.image = normalised(initialised(_doubling(ins[-1], 3, bias=True)), spectral)

    def forward(self, bottleneck: Tensor, skips: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """The picture (n, 3, *size).

        Args:
            bottleneck: (n, widths[-1], h, w).
            skips: the maps but the bottleneck, finest first, (n, sources * widths[i], ...).
            size: height and width of the picture.
        """
        x = bottleneck
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            x = torch.cat([block(x, skip.shape[-2:]), skip], 1)
        return torch.tanh(cropped(self.image(x), size))


def cropped(x: Tensor, size: Sequence[int]) -> Tensor:
    """The top left part, (n, c, *size)."""
    return x[..., : size[0], : size[1]]


def to_signed(image: Tensor) -> Tensor:
    """[0, 1] to the [-1, 1] the networks work in."""
    return 2 * image - 1


def to_unit(image: Tensor) -> Tensor:
    """[-1, 1] to [0, 1]."""
    return (image + 1) / 2


def remove_spectral_norm(net: Net) -> Net:
    """Write every normalised weight down as a plain one, for export; in place, and leaves `net` in evaluation mode.

    The state dict then fits the same network built with `spectral=False`. It cannot be trained further: give a
    `copy.deepcopy` where training goes on.
    """
    net.eval()  # in training mode, reading a weight would move its power iteration on
    for module in net.modules():
        if is_parametrized(module, "weight"):
            _own_class(module)
            remove_parametrizations(module, "weight")
    return net


def _own_class(module: nn.Module) -> None:
    # A deepcopy shares its original's generated class, and torch deletes the weight property from that class:
    # without a class of its own, stripping the copy would break the original.
    kind = type(module)
    module.__class__ = type(kind.__name__, kind.__bases__, dict(kind.__dict__))


def _doubling(in_channels: int, out_channels: int, bias: bool) -> nn.ConvTranspose2d:
    """(n, in, h, w) -> (n, out, 2h, 2w)."""
    return nn.ConvTranspose2d(in_channels, out_channels, 5, stride=2, padding=2, output_padding=1, bias=bias)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    # TensorFlow's momentum 0.9 is the share kept, torch's the share replaced.
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)
