"""ConvLSTM: the memory between an encoder and its decoder, by which the denoising net speaks to the deblurring net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import initialised

Hidden = tuple[Tensor, Tensor]
"""(h, c): output and memory, each (n, channels, height, width); h lies in (-1, 1)."""


class ConvLSTM(nn.Module):
    """One step of a convolutional LSTM whose state has as many channels as its input.

        i, f, o, g = conv([x, h])
        c' = sigmoid(f + forget_bias) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    The paper names the layer and no sizes (Section III-A, its [30]); kernel, width and forget bias are SRN's, from
    which the paper takes the idea. No norm on its weight, and no peepholes, which the cell of [30] has.

    Args:
        channels: of the input and of both states.
        kernel: odd size of the convolution.
        forget_bias: added to the forget gate, so that memory is kept from the start.
    """

    def __init__(self, channels: int, kernel: int = 3, forget_bias: float = 1.0) -> None:
        super().__init__()
        self.forget_bias = forget_bias
        self.gates = initialised(nn.Conv2d(2 * channels, 4 * channels, kernel, padding=kernel // 2))

    def forward(self, x: Tensor, hidden: Hidden | None = None) -> Hidden:
        """The next (h, c) after input `x` (n, channels, height, width); without `hidden`, from zeros."""
        h, c = hidden if hidden is not None else (torch.zeros_like(x), torch.zeros_like(x))
        i, f, o, g = self.gates(torch.cat([x, h], 1)).chunk(4, 1)
        c = torch.sigmoid(f + self.forget_bias) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
