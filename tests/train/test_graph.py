"""On a GPU a step is recorded and repeated, and must learn what a plain one does; without one nothing is tested."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from laboratory import some_batch, tiny

from twinshot.train.config import Recipe
from twinshot.train.loop import load_into, save
from twinshot.train.step import STEPS, State, new_state

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="takes a GPU")

GPU = torch.device("cuda")


def losses(state: State, optimiser: str, seeds: range) -> list[float]:
    batches = [tuple(image.to(GPU) for image in some_batch(seed)) for seed in seeds]
    return [STEPS["restoration"](state, batch, recipe(optimiser))["loss"] for batch in batches]


def recipe(optimiser: str) -> Recipe:
    return tiny("twin", bf16=False, optim={"name": optimiser, "lr": 1e-3, "warmup": 10})


@pytest.mark.parametrize("optimiser", ["soap", "muon", "adamw"])
def test_recorded_steps_are_the_plain_ones(optimiser: str) -> None:
    recorded, plain = (new_state(recipe(optimiser), GPU) for _ in range(2))
    plain.recorded = None
    expected = losses(plain, optimiser, range(25))
    assert losses(recorded, optimiser, range(25)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("optimiser", ["soap", "muon", "adamw"])
def test_a_saved_state_goes_on(tmp_path: Path, optimiser: str) -> None:
    state = new_state(recipe(optimiser), GPU)
    losses(state, optimiser, range(15))
    save(state, recipe(optimiser), tmp_path / "checkpoint.pt")
    resumed = load_into(new_state(recipe(optimiser), GPU), recipe(optimiser), tmp_path / "checkpoint.pt")
    expected = losses(state, optimiser, range(15, 30))
    assert losses(resumed, optimiser, range(15, 30)) == pytest.approx(expected, rel=1e-3)
