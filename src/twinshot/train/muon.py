"""Muon for convolutions: momentum whose matrix is orthogonalised, AdamW for everything that is no matrix.

Each convolution's weight is taken as a matrix (out, in * k * k). Its update has the root-mean-square size an AdamW
step has, so one learning rate serves both groups (Jordan et al. 2024; Liu et al. 2025, "Muon is scalable").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

_BLOCK = 128  # rows that are orthogonalised together
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # quintic with the steepest slope at 0 (Jordan et al. 2024)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by five Newton-Schulz steps, and decoupled weight decay.

    Args:
        params: weights with two or more dimensions.
        lr: step size, on AdamW's scale; a CUDA graph reads a tensor anew each time.
        momentum: of the Nesterov average.
        weight_decay: decoupled, times lr.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float | Tensor, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            directions = [self._direction(weight, group["momentum"]) for weight in weights]
            for weight, matrix in zip(weights, orthogonalised(directions), strict=True):
                scale = 0.2 * max(matrix.shape) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(matrix.reshape(weight.shape) * (group["lr"] * scale))

    def _direction(self, weight: Tensor, momentum: float) -> Tensor:
        """Nesterov's look ahead, as a matrix."""
        gradient, state = weight.grad, self.state[weight]
        assert gradient is not None
        if "average" not in state:
            state["average"] = torch.zeros_like(weight)
        average = state["average"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(average, momentum).reshape(len(weight), -1)


def orthogonalised(matrices: Sequence[Tensor]) -> list[Tensor]:
    """U V^T, nearly, for each matrix U S V^T; block by block where its smaller side is long.

    The work grows with the cube of that side, so two blocks of half of it take less than half the time. Blocks of one
    shape are worked on together: a graphics processor takes longer to be told of each than to do it.
    """
    wide = [matrix.T if matrix.shape[0] > matrix.shape[1] else matrix for matrix in matrices]
    parts = [x.chunk(-(-len(x) // _BLOCK)) for x in wide]
    done = iter(_by_shape([block for blocks in parts for block in blocks]))
    whole = [torch.cat([next(done) for _ in blocks]) for blocks in parts]
    return [x.T if m.shape[0] > m.shape[1] else x for x, m in zip(whole, matrices, strict=True)]


def _by_shape(blocks: Sequence[Tensor]) -> list[Tensor]:
    """`_newton_schulz` of each block."""
    places: dict[torch.Size, list[int]] = {}
    for place, block in enumerate(blocks):
        places.setdefault(block.shape, []).append(place)
    done = dict[int, Tensor]()
    for alike in places.values():
        done |= zip(alike, _newton_schulz(torch.stack([blocks[place] for place in alike])), strict=True)
    return [done[place] for place in range(len(blocks))]


def _newton_schulz(x: Tensor, steps: int = 5) -> Tensor:
    """X <- (a + b X X^T + c (X X^T)^2) X, several times, for matrices (n, rows, columns) longer than they are high.

    All these polynomials are in the Gram matrix and commute, so they are gathered there, on the smaller side, and
    applied once: a convolution's matrix is nine times as long as it is high.
    """
    a, b, c = _NEWTON_SCHULZ
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-12)
    gram, total = x @ x.mT, torch.eye(x.shape[1], device=x.device)
    for _ in range(steps):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        total = factor @ total
        gram = factor @ gram @ factor
    return total @ x
