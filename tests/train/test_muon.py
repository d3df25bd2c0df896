"""Muon: what orthogonalisation does to singular values, and the size of a step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from twinshot.train.muon import Muon, orthogonalised


def orthogonalise(matrix: torch.Tensor) -> torch.Tensor:
    return orthogonalised([matrix])[0]


@pytest.mark.parametrize("shape", [(12, 12), (8, 72), (72, 8), (1, 9)])
def test_singular_vectors_stay_and_values_go_to_one(shape: tuple[int, int]) -> None:
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    values = torch.linspace(1.0, 3.0, min(shape))
    seen = u.T @ orthogonalise(u @ torch.diag(values) @ v) @ v.T
    assert seen.diagonal().min() > 0.6
    assert seen.diagonal().max() < 1.3
    torch.testing.assert_close(seen, torch.diag(seen.diagonal()), rtol=0, atol=1e-4)


def test_a_large_matrix_is_made_orthogonal_in_blocks() -> None:
    matrix = torch.randn(200, 900)
    found = orthogonalise(matrix)
    torch.testing.assert_close(found, torch.cat([orthogonalise(half) for half in matrix.split(100)]))
    torch.testing.assert_close(orthogonalise(matrix.T), found.T)
    assert found.square().mean().sqrt().item() == pytest.approx(900**-0.5, rel=0.2)


def test_scale_does_not_matter() -> None:
    matrix = torch.randn(6, 20)
    torch.testing.assert_close(orthogonalise(matrix), orthogonalise(1000 * matrix))


def test_a_zero_gradient_is_harmless() -> None:
    assert not orthogonalise(torch.zeros(4, 9)).any()


def test_matrices_do_not_see_each_other() -> None:
    matrices = [torch.randn(shape) for shape in [(6, 20), (20, 6), (6, 20), (200, 300), (6, 6)]]
    for found, matrix in zip(orthogonalised(matrices), matrices, strict=True):
        torch.testing.assert_close(found, orthogonalise(matrix))


def test_a_step_has_the_size_of_an_adamw_step() -> None:
    weight = nn.Parameter(torch.randn(16, 16, 3, 3))
    before = weight.detach().clone()
    weight.grad = torch.randn_like(weight)
    Muon([weight], lr=0.01).step()
    assert (weight - before).square().mean().sqrt().item() == pytest.approx(0.2 * 0.01, rel=0.2)


def test_weights_decay_towards_zero_without_a_gradient() -> None:
    weight = nn.Parameter(torch.ones(2, 3))
    weight.grad = torch.zeros(2, 3)
    Muon([weight], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(weight.detach(), torch.full((2, 3), 0.95))


def test_momentum_remembers() -> None:
    weight = nn.Parameter(torch.zeros(3, 3))
    optimiser = Muon([weight], lr=0.1)
    weight.grad = torch.eye(3)
    optimiser.step()
    moved = weight.detach().clone()
    weight.grad = torch.zeros(3, 3)
    optimiser.step()
    assert ((weight - moved).diagonal() < 0).all()
