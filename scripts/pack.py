"""Make a checkpoint small enough to keep: averages and momentum in half precision, master weights whole.

    python scripts/pack.py runs/twin/checkpoint.pt twin.pt

To go on from it: copy it to runs/NAME/checkpoint.pt and train with --resume.
"""

import sys
from pathlib import Path
from typing import Any

import torch

from twinshot.export.checkpoint import read_checkpoint


def main(checkpoint: Path, packed: Path) -> None:
    """Write the packed checkpoint and say how large it is."""
    table = packed_value(read_checkpoint(checkpoint).as_table())
    packed.parent.mkdir(parents=True, exist_ok=True)
    torch.save(table, packed)
    print(f"{packed}: step {table['step']}, {packed.stat().st_size / 1e6:.1f} MB")


def packed_value(value: Any, averaged: bool = False) -> Any:
    """The same nested tables and lists; float32 tensors under a key `average` as float16.

    Those are the averaged weights and Muon's momentum. Adam's squares would fall below float16's smallest number.
    """
    if isinstance(value, dict):
        return {key: packed_value(item, averaged or key == "average") for key, item in value.items()}
    if isinstance(value, list):
        return [packed_value(item, averaged) for item in value]
    return value.half() if averaged and value.dtype == torch.float32 else value


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
