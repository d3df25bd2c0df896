"""Muon for convolutions: momentum whose matrix is orthogonalised, AdamW for everything that is no matrix.

Each convolution's weight is taken as a matrix (out, in * k * k). Its update has the root-mean-square size an AdamW
step has, so one learning rate serves both groups (Jordan et al. 2024; Liu et al. 2025, "Muon is scalable").
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_BLOCK = 128  # rows that are orthogonalised together
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # quintic with the steepest slope at 0 (Jordan et al. 2024)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by five Newton-Schulz steps, and decoupled weight decay.

    Args:
        params: weights with two or more dimensions.
        lr: step size, on AdamW's scale.
        momentum: of the Nesterov average.
        weight_decay: decoupled, times lr.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group["lr"], group["momentum"], group["weight_decay"])

    def _update(self, weight: Tensor, gradient: Tensor, lr: float, momentum: float, decay: float) -> None:
        state = self.state[weight]
        if "average" not in state:
            state["average"] = torch.zeros_like(weight)
        average = state["average"].lerp_(gradient, 1 - momentum)
        direction = gradient.lerp(average, momentum)
        matrix = orthogonalise(direction.reshape(len(weight), -1))
        scale = 0.2 * max(matrix.shape) ** 0.5
        weight.mul_(1 - lr * decay).add_(matrix.reshape(weight.shape), alpha=-lr * scale)


def orthogonalise(matrix: Tensor) -> Tensor:
    """U V^T, nearly, for a matrix U S V^T; block by block where its smaller side is long.

    The work grows with the cube of that side, so two blocks of half of it take less than half the time.
    """
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    blocks = x.chunk(-(-len(x) // _BLOCK))
    whole = torch.cat([_newton_schulz(block) for block in blocks])
    return whole.T if matrix.shape[0] > matrix.shape[1] else whole


def _newton_schulz(x: Tensor, steps: int = 5) -> Tensor:
    """X <- (a + b X X^T + c (X X^T)^2) X, several times, for a matrix longer than it is high.

    All these polynomials are in the Gram matrix and commute, so they are gathered there, on the smaller side, and
    applied once: a convolution's matrix is nine times as long as it is high.
    """
    a, b, c = _NEWTON_SCHULZ
    x = x / (x.norm() + 1e-12)
    gram, total = x @ x.T, torch.eye(len(x))
    for _ in range(steps):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        total = factor @ total
        gram = factor @ gram @ factor
    return total @ x
