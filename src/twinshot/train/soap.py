"""SOAP: Adam in the eigenbases of Shampoo's statistics (Vyas et al. 2024, "SOAP").

A convolution's weight has three modes: outputs, inputs, pixels. Of each the mean of G G^T is kept, G being the gradient
unfolded along it. Adam's squares live in the eigenbases of these means, where gradients are least entangled: a mix of
channels is learned as fast as one channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_LONGEST = 512  # a mode that is longer keeps its own basis
_EPSILON = 1e-8
_SHIFT = 1e-5  # of a Gram matrix's largest eigenvalue: what is smaller than that is rounding error


class Soap(torch.optim.Optimizer):
    """Adam in bases that `update_bases` renews, and decoupled weight decay; plain Adam for weights of one dimension.

    Weights of one shape are worked on together: a graphics processor takes longer to be told of each than to do it. The
    first of them has the state of all, so all or none must have gradients. A step waits for nothing, so that one may be
    recorded as a CUDA graph.

    Args:
        params: weights; all that follows the second dimension is one mode.
        lr: step size, on Adam's scale; a graph reads a tensor anew each time.
        beta: of all running means: of the gradient, of its squares and its statistics.
        weight_decay: decoupled, times lr.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float | Tensor, beta: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One update; the first gradient only sets the bases, in which all of it but the diagonal is rounding error."""
        for group in self.param_groups:
            for weights in _of_one_shape([weight for weight in group["params"] if weight.grad is not None]):
                gradients = _gradients(weights)
                state = self.state[weights[0]]
                if not state:
                    state |= _begun(gradients)
                    continue
                changes = _directions(gradients, state, group["beta"]) * group["lr"]
                for weight, change in zip(weights, changes, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.sub_(change.reshape(weight.shape))

    @torch.no_grad()
    def update_bases(self) -> None:
        """Renew the bases, which costs more than a step; they turn slowly, so every tenth step or so will do."""
        for state in self.state.values():
            _renew(state)


def _of_one_shape(weights: Sequence[Tensor]) -> list[list[Tensor]]:
    families: dict[torch.Size, list[Tensor]] = {}
    for weight in weights:
        families.setdefault(weight.shape, []).append(weight)
    return list(families.values())


def _gradients(weights: Sequence[Tensor]) -> Tensor:
    """(n, outputs, inputs, pixels), or fewer modes."""
    every = torch.stack([weight.grad for weight in weights if weight.grad is not None])
    return every.flatten(3) if every.ndim > 3 else every


def _begun(gradients: Tensor) -> dict[str, Any]:
    """State of weights of one shape."""
    grams = _grams(gradients)
    means = {"average": torch.zeros_like(gradients), "squares": torch.zeros_like(gradients), "grams": grams}
    # What running means of ones would be, as all means start at zero.
    return {"seen": gradients.new_zeros(()), **means, "bases": [_eigenvectors(gram) for gram in grams]}


def _eigenvectors(grams: Tensor) -> Tensor:
    """In double precision: where a net has dead channels, LAPACK's answer in single precision may be NaN."""
    vectors: Tensor = torch.linalg.eigh(grams.double()).eigenvectors
    return vectors.to(grams.dtype)


def _directions(gradients: Tensor, state: dict[str, Any], beta: float) -> Tensor:
    """Adam's steps, taken in the bases there are."""
    bases, average, squares = state["bases"], state["average"], state["squares"]
    state["seen"].lerp_(torch.ones_like(state["seen"]), 1 - beta)
    average.lerp_(gradients, 1 - beta)
    squares.lerp_(_rotated(gradients, bases).square(), 1 - beta)
    for gram, latest in zip(state["grams"], _grams(gradients), strict=True):
        gram.lerp_(latest, 1 - beta)
    steps = _rotated(average, bases) / (squares.sqrt() + _EPSILON)
    directions: Tensor = _rotated(steps, [basis.mT for basis in bases]) * state["seen"].rsqrt()
    return directions


def _grams(gradients: Tensor) -> list[Tensor]:
    """G G^T along each mode, (n, length, length); nothing for one that keeps its basis; no modes for vectors."""
    modes = range(1, gradients.ndim) if gradients.ndim > 2 else ()
    flat = [gradients.movedim(mode, 1).flatten(2) for mode in modes]
    return [x @ x.mT if x.shape[1] <= _LONGEST else x.new_zeros(len(x), 0, 0) for x in flat]


def _rotated(x: Tensor, bases: Sequence[Tensor]) -> Tensor:
    """Each mode in its basis; the modes pass through the last place, one by one, and end where they were."""
    for basis in bases:
        first_last = x.flatten(2).mT
        turned = first_last @ basis if basis.numel() else first_last
        x = turned.reshape(len(x), *x.shape[2:], x.shape[1])
    return x


def _renew(state: dict[str, Any]) -> None:
    """One round of orthogonal iteration towards each Gram matrix's eigenvectors, largest first; the squares follow."""
    squares = state["squares"]
    for mode, (gram, basis) in enumerate(zip(state["grams"], state["bases"], strict=True), 1):
        if not basis.numel():
            continue
        product, old = gram.double() @ basis.double(), basis.double()
        sizes = (old * product).sum(1)  # (n, length)
        order = sizes.argsort(1, descending=True)
        # A shift leaves the eigenvectors as they are, and keeps apart the columns of those that hardly count.
        product += _SHIFT * sizes.amax(1).clamp_min(1e-30)[:, None, None] * old
        basis.copy_(_orthonormal(product.take_along_dim(order[:, None], 2), old.take_along_dim(order[:, None], 2)))
        places = order[(..., *[None] * (squares.ndim - 2))].movedim(1, mode)
        squares.copy_(squares.take_along_dim(places, mode))


def _orthonormal(x: Tensor, otherwise: Tensor) -> Tensor:
    """Q of x = Q R by Cholesky's factors of x^T x, which graphics processors are quicker at than at reflections.

    To be exact that takes columns far from dependent, as those of a nearly orthogonal basis are once of one length.
    Matrices that have no such factors all the same become `otherwise`.
    """
    x = x / torch.linalg.vector_norm(x, dim=1, keepdim=True)
    factors, failed = torch.linalg.cholesky_ex(x.mT @ x, upper=True)
    q = torch.linalg.solve_triangular(factors, x, upper=True, left=False)
    return torch.where(failed[:, None, None] == 0, q, otherwise)
