"""The stream of samples: sample i is the same whoever asks, and whenever."""

from __future__ import annotations

from itertools import islice

import torch
from laboratory import Lab, tiny

from twinshot.train.data import ShardDataset, batches


def test_a_sample_depends_on_its_number_alone(lab: Lab) -> None:
    recipe = tiny("twin")
    first, again = ShardDataset(recipe.data, lab.paths, 3), ShardDataset(recipe.data, lab.paths, 3)
    forwards = [first[i] for i in range(6)]
    backwards = [again[i] for i in reversed(range(6))]
    for a, b in zip(forwards, reversed(backwards), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    other = ShardDataset(recipe.data, lab.paths, 4)[0]
    assert not torch.equal(other[0], forwards[0][0])


def test_samples_are_crops_in_range(lab: Lab) -> None:
    for image in ShardDataset(tiny("twin").data, lab.paths, 0)[0]:
        assert (image.shape, image.dtype) == ((3, 32, 32), torch.float32)
        assert image.min() >= 0
        assert image.max() <= 1.5  # the gain may take a clipped noisy pixel past white


def test_the_stream_goes_on_from_any_step(lab: Lab) -> None:
    recipe = tiny("twin", steps=4)
    dataset = ShardDataset(recipe.data, lab.paths, recipe.seed)
    state = torch.get_rng_state()
    late = list(islice(batches(recipe, lab.paths, 2), 3))
    assert torch.equal(torch.get_rng_state(), state)  # the nets' dropout draws from it
    assert len(late) == 2
    for step, batch in enumerate(late, start=2):
        expected = [torch.stack(images) for images in zip(dataset[2 * step], dataset[2 * step + 1], strict=True)]
        assert all(torch.equal(a, b) for a, b in zip(batch, expected, strict=True))
