"""What a training run keeps of itself: written by `train.loop`, read by it and for export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from msgspec import convert, to_builtins
from torch import Tensor

from ..engines.models import Training
from ..picture.pair import TwinshotError

Weights = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A run's state.

    Attributes:
        recipe: the whole recipe as a table, as `train.config` reads it.
        step: the last that was made.
        seconds: of all steps.
        net, average, discriminator: weights.
        optimisers: their states, as torch has them.
        generator, generator_cuda: states of torch's random numbers.
        device: cpu or cuda; older ones do not say.
        before: the training of the model that the run began with.
        teacher: checksum of the teacher's weights.
    """

    recipe: dict[str, Any]
    step: int
    seconds: float
    net: Weights
    average: Weights
    optimisers: list[dict[str, Any]]
    generator: Tensor
    device: str = "cpu"
    before: Training | None = None
    teacher: int | None = None
    generator_cuda: Tensor | None = None
    discriminator: Weights | None = None

    @property
    def training(self) -> Training:
        """How the network was trained, as a card says it."""
        return Training(self.recipe, self.step, round(self.seconds / 3600, 2), self.device, self.before)

    def as_table(self) -> dict[str, object]:
        """What is in the file: tensors and plain values, without what is None."""
        table = {key: value for key, value in vars(self).items() if value is not None}
        return table | ({"before": to_builtins(self.before)} if self.before else {})


def read_checkpoint(path: Path) -> Checkpoint:
    """A run's checkpoint.pt.

    Raises:
        TwinshotError: no such file, or something else is in it.
    """
    if not path.is_file():
        raise TwinshotError(f"{path}: no such file; a training run keeps its checkpoint in runs/NAME/checkpoint.pt")
    try:
        table = torch.load(path, "cpu", weights_only=True)
        checkpoint = Checkpoint(**table | {"before": convert(table.get("before"), Training | None)})
        _ = checkpoint.training  # checks the recipe
    except Exception as error:  # parsers of foreign bytes raise whatever they stumble over
        raise TwinshotError(f"{path}: is damaged, or not a twinshot checkpoint; give a run's checkpoint.pt") from error
    return checkpoint
