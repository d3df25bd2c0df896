"""SOAP: what turning the bases is for, and that its state survives."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from twinshot.train.soap import Soap


def stepped(weight: nn.Parameter, gradients: list[torch.Tensor], **settings: float) -> Soap:
    optimiser = Soap([weight], lr=0.1, **settings)
    learned(optimiser, weight, gradients)
    return optimiser


def learned(optimiser: Soap, weight: nn.Parameter, gradients: list[torch.Tensor]) -> None:
    """Steps as the trainer has them, with new bases after every tenth."""
    for number, gradient in enumerate(gradients):
        if number % 10 == 0:
            optimiser.update_bases()
        weight.grad = gradient.clone()
        optimiser.step()


def test_a_vector_takes_adams_steps() -> None:
    start, gradients = torch.randn(7), [torch.randn(7) for _ in range(25)]
    weight, other = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    stepped(weight, [torch.randn(7), *gradients])
    adam = torch.optim.Adam([other], lr=0.1, betas=(0.95, 0.95))
    for gradient in gradients:
        other.grad = gradient.clone()
        adam.step()
    torch.testing.assert_close(weight, other, rtol=1e-4, atol=1e-5)


def test_a_turned_problem_is_solved_by_the_turned_steps() -> None:
    """Adam's steps depend on the basis that weights are written in; these do not."""
    left, right = (torch.linalg.qr(torch.randn(n, n, dtype=torch.float64)).Q for n in (6, 5))
    start = torch.randn(6, 5, dtype=torch.float64)
    gradients = [torch.randn(6, 5, dtype=torch.float64) for _ in range(25)]
    weight, turned = nn.Parameter(start.clone()), nn.Parameter(left @ start @ right)
    stepped(weight, gradients)
    stepped(turned, [left @ gradient @ right for gradient in gradients])
    torch.testing.assert_close(turned.detach(), left @ weight.detach() @ right, rtol=1e-5, atol=1e-6)


def test_entangled_directions_are_learned_faster_than_by_adam() -> None:
    turn = torch.linalg.qr(torch.randn(16, 16)).Q
    scale = torch.logspace(0, -3, 16)
    truth, left = torch.randn(16, 16), {}
    for kind in (Soap, torch.optim.Adam):
        weight = nn.Parameter(torch.zeros(16, 16))
        optimiser = kind([weight], lr=0.03)
        for number in range(300):
            if number % 10 == 0 and isinstance(optimiser, Soap):
                optimiser.update_bases()
            optimiser.zero_grad()
            ((scale.sqrt()[:, None] * (turn @ (weight - truth))) ** 2).sum().backward()
            optimiser.step()
        left[kind] = (weight - truth).square().mean().item()
    assert left[Soap] < 0.2 * left[torch.optim.Adam]


def test_a_convolutions_pixels_are_one_mode_and_long_modes_are_left() -> None:
    weight = nn.Parameter(torch.randn(4, 600, 3, 3))
    state = stepped(weight, [torch.randn_like(weight)]).state[weight]
    assert [tuple(basis.shape) for basis in state["bases"]] == [(1, 4, 4), (1, 0, 0), (1, 9, 9)]


def test_bases_stay_orthogonal() -> None:
    weight = nn.Parameter(torch.randn(8, 6, 3, 3))
    state = stepped(weight, [torch.randn_like(weight) for _ in range(45)]).state[weight]
    for basis in state["bases"]:
        torch.testing.assert_close(basis.mT @ basis, torch.eye(basis.shape[-1])[None], rtol=0, atol=1e-5)


def test_weights_of_one_shape_learn_each_for_itself() -> None:
    gradients = [torch.randn(3, 6, 4, 3, 3) for _ in range(25)]
    together = [nn.Parameter(torch.zeros(6, 4, 3, 3)) for _ in range(3)]
    optimiser = Soap(together, lr=0.1)
    for number, several in enumerate(gradients):
        if number % 10 == 0:
            optimiser.update_bases()
        for weight, gradient in zip(together, several, strict=True):
            weight.grad = gradient.clone()
        optimiser.step()
    for place, weight in enumerate(together):
        alone = nn.Parameter(torch.zeros(6, 4, 3, 3))
        stepped(alone, [several[place] for several in gradients])
        torch.testing.assert_close(weight, alone, rtol=1e-3, atol=1e-4)


def test_the_bases_become_the_eigenvectors() -> None:
    """Of gradients whose rows differ in size, and are mixed: the mean outer product's, largest first."""
    mixing = torch.linalg.qr(torch.randn(6, 6)).Q
    gradients = [mixing @ (torch.logspace(0, -2, 6)[:, None] * torch.randn(6, 200)) for _ in range(150)]
    weight = nn.Parameter(torch.zeros(6, 200))
    basis = stepped(weight, gradients).state[weight]["bases"][0][0]
    torch.testing.assert_close((mixing.T @ basis).abs(), torch.eye(6), rtol=0, atol=0.1)


def test_the_first_gradient_moves_nothing() -> None:
    weight = nn.Parameter(torch.ones(8, 8))
    stepped(weight, [torch.randn(8, 8)], weight_decay=0.5)
    assert torch.equal(weight.detach(), torch.ones(8, 8))


def test_no_gradient_at_first_is_harmless() -> None:
    """As upstream of a layer that starts at zero."""
    weight = nn.Parameter(torch.ones(5, 4, 3, 3))
    stepped(weight, [torch.zeros_like(weight), *(torch.randn_like(weight) for _ in range(20))])
    assert weight.isfinite().all()


@pytest.mark.parametrize("seed", [13, 18, 20, 33])
def test_dead_channels_are_harmless(seed: int) -> None:
    """Their gradients are zero, or next to it. In single precision LAPACK has no eigenvectors for these."""
    torch.manual_seed(seed)
    size = 1e-5 * torch.logspace(0, -(seed % 20), 96)[torch.randperm(96), None, None, None]
    dead = torch.rand(96, 1, 1, 1) < (seed % 7) / 7
    weight = nn.Parameter(torch.zeros(96, 96, 3, 3))
    stepped(weight, [torch.where(dead, 0.0, size * torch.randn_like(weight)) for _ in range(12)])
    assert weight.isfinite().all()


def test_weights_decay() -> None:
    weight = nn.Parameter(torch.ones(2, 3))
    stepped(weight, [torch.randn(2, 3), torch.zeros(2, 3)], weight_decay=0.5)
    torch.testing.assert_close(weight.detach(), torch.full((2, 3), 0.95))


def test_a_saved_state_goes_on_to_the_last_bit() -> None:
    gradients = [torch.randn(6, 4, 3, 3) for _ in range(15)]
    weight = nn.Parameter(torch.zeros(6, 4, 3, 3))
    unbroken = stepped(weight, gradients)
    other = nn.Parameter(weight.detach().clone())
    resumed = Soap([other], lr=0.1)
    resumed.load_state_dict(copy.deepcopy(unbroken.state_dict()))
    for kept, parameter in ((resumed, other), (unbroken, weight)):
        learned(kept, parameter, gradients)
    assert torch.equal(weight, other)
