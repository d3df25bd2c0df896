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

_RENEWED = 10  # steps: bases turn slowly, and it is they that cost
_LONGEST = 512  # a mode that is longer keeps its own basis
_EPSILON = 1e-8


class Soap(torch.optim.Optimizer):
    """Adam in slowly turning bases, and decoupled weight decay; plain Adam for weights of one dimension.

    Args:
        params: weights; all that follows the second dimension is one mode.
        lr: step size, on Adam's scale.
        beta: of all running means: of the gradient, of its squares and its statistics.
        weight_decay: decoupled, times lr.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, beta: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One update; the first gradient only sets the bases, in which all of it but the diagonal is rounding error."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                gradient, state = weight.grad.flatten(2) if weight.ndim > 2 else weight.grad, self.state[weight]
                if not state:
                    state |= _begun(gradient)
                    continue
                change = _direction(gradient, state, group["beta"])
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(change.reshape(weight.shape), alpha=-group["lr"])


def _begun(gradient: Tensor) -> dict[str, Any]:
    grams = _grams(gradient)
    means = {"average": torch.zeros_like(gradient), "squares": torch.zeros_like(gradient), "grams": grams}
    return {"step": 0, **means, "bases": [_eigenvectors(gram) for gram in grams]}


def _eigenvectors(gram: Tensor) -> Tensor:
    """In double precision: where a net has dead channels, LAPACK's answer in single precision may be NaN."""
    found: Tensor = torch.linalg.eigh(gram.double()).eigenvectors
    return found.to(gram.dtype)


def _direction(gradient: Tensor, state: dict[str, Any], beta: float) -> Tensor:
    """Adam's step, taken in the bases there are; they are renewed afterwards."""
    bases, average, squares = state["bases"], state["average"], state["squares"]
    state["step"] += 1
    average.lerp_(gradient, 1 - beta)
    squares.lerp_(_rotated(gradient, bases).square(), 1 - beta)
    step = _rotated(average, bases) / (squares.sqrt() + _EPSILON)
    for gram, seen in zip(state["grams"], _grams(gradient), strict=True):
        gram.lerp_(seen, 1 - beta)
    if state["step"] % _RENEWED == 0:
        state["bases"], state["squares"] = _renewed(state["grams"], bases, squares)
    started_at_zero = (1 - beta ** state["step"]) ** -0.5  # as both means did
    change: Tensor = _rotated(step, [basis.T for basis in bases]) * started_at_zero
    return change


def _grams(gradient: Tensor) -> list[Tensor]:
    """G G^T along each mode; an empty matrix for one that keeps its basis, as a vector does."""
    if gradient.ndim < 2:
        return [gradient.new_zeros(0, 0)]
    flat = [gradient.movedim(mode, 0).flatten(1) for mode in range(gradient.ndim)]
    return [x @ x.T if len(x) <= _LONGEST else x.new_zeros(0, 0) for x in flat]


def _rotated(x: Tensor, bases: Sequence[Tensor]) -> Tensor:
    """Each mode in its basis; the modes pass through the last place, one by one, and end where they were."""
    for basis in bases:
        x = torch.tensordot(x, basis, ([0], [0])) if len(basis) else x.movedim(0, -1)
    return x


def _renewed(grams: Sequence[Tensor], bases: Sequence[Tensor], squares: Tensor) -> tuple[list[Tensor], Tensor]:
    """One round of orthogonal iteration towards each Gram matrix's eigenvectors, largest first; the squares follow."""
    turned = []
    for mode, (gram, basis) in enumerate(zip(grams, bases, strict=True)):
        product = gram @ basis
        order = (basis * product).sum(0).argsort(descending=True)
        turned.append(torch.linalg.qr(product[:, order]).Q)
        squares = squares.index_select(mode, order) if len(order) else squares
    return turned, squares
