"""What a run keeps of itself, read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..picture.pair import TwinshotError

_KEYS = {"recipe", "step", "seconds", "net", "average"}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The table that `train.loop.save` wrote: recipe, step, seconds, states of the networks and optimisers.

    Raises:
        TwinshotError: no such file, or not such a table.
    """
    if not path.is_file():
        raise TwinshotError(f"{path}: no such file; a training run keeps its checkpoint in runs/NAME/checkpoint.pt")
    try:
        table: dict[str, Any] = torch.load(path, "cpu", weights_only=True)
        if not table.keys() >= _KEYS:
            raise ValueError("another table")
    except Exception as error:  # parsers of foreign bytes raise whatever they stumble over
        raise TwinshotError(f"{path}: is damaged, or not a twinshot checkpoint; give a run's checkpoint.pt") from error
    return table
