"""Pictures that are cropped several times: which are there, and what is cut from them."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from laboratory import Lab, tiny, tiny_table
from msgspec.structs import replace

from twinshot.picture.pair import TwinshotError
from twinshot.train import pool
from twinshot.train.config import Recipe, load_recipe
from twinshot.train.data import ShardDataset, batches
from twinshot.train.pool import CPU, Pictures, Pool


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "FIRST", 3)
    monkeypatch.setattr(pool, "KEPT", 8)


def reusing(steps: int = 12, batch: int = 4, reuse: int = 2) -> Recipe:
    data = {**tiny_table("twin")["data"], "batch": batch, "reuse": reuse}
    return tiny("twin", steps=steps, data=data)


def numbered(recipe: Recipe, refill: int) -> torch.Tensor:
    """Pictures whose every value is their number."""
    numbers = torch.arange(2.0) + 2 * refill
    return numbers[:, None, None, None].expand(2, recipe.data.side, recipe.data.side, 9).half()


def seen(recipe: Recipe, first_step: int, steps: int) -> list[list[int]]:
    """The numbers of the pictures that each batch is cut from."""
    pool = Pool(recipe, CPU)
    numbers = list(pool.numbers(first_step, first_step + steps))
    stream = pool.batches((numbered(recipe, number // 2) for number in numbers[::2]), first_step)
    return [[int(crop[0, 0, 0]) for crop in noisy] for noisy, _, _ in stream]


def test_batches_come_from_the_last_refills() -> None:
    for step, numbers in enumerate(seen(reusing(), 0, 40)):
        newest = step + 3
        assert all(max(0, newest - 7) <= number // 2 <= newest for number in numbers)


def test_a_picture_is_cropped_as_often_as_the_recipe_says() -> None:
    counts = Counter(number for numbers in seen(reusing(), 0, 400) for number in numbers)
    inner = [counts[number] for number in range(100, 600)]
    assert np.mean(inner) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("first", [2, 30])
def test_the_stream_goes_on_from_any_step(first: int) -> None:
    assert seen(reusing(), first, 5) == seen(reusing(), 0, first + 5)[first:]


def test_crops_are_windows_of_the_pictures(lab: Lab) -> None:
    recipe = reusing()
    whole = ShardDataset(replace(recipe.data, crop=recipe.data.side), lab.paths, recipe.seed)
    pictures = [torch.cat(whole[number]) for number in range(2 * 4)]
    for batch in islice(batches(recipe, lab.paths, 0), 1):
        for crop in torch.cat(batch, 1):
            windows = (picture.unfold(1, 32, 1).unfold(2, 32, 1).permute(1, 2, 0, 3, 4) for picture in pictures)
            assert any(((each - crop).abs().amax((2, 3, 4)) < 1e-3).any() for each in windows)


def test_a_picture_loses_next_to_nothing_by_half_precision(lab: Lab) -> None:
    triples = ShardDataset(reusing().data, lab.paths, 0)
    kept = Pictures(triples)[1]
    assert (kept.shape, kept.dtype) == ((32, 32, 9), torch.float16)
    torch.testing.assert_close(kept.permute(2, 0, 1).float(), torch.cat(triples[1]), rtol=0, atol=2**-12)


def test_a_finished_run_draws_nothing(lab: Lab) -> None:
    assert list(batches(reusing(steps=4), lab.paths, 4)) == []


def test_a_batch_is_of_whole_refills(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('name = "x"\n[data]\nbatch = 12\nreuse = 8\n', "utf-8")
    with pytest.raises(TwinshotError, match="reuse = 8 does not divide the batch of 12; give a divisor"):
        load_recipe(path)
