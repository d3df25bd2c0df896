"""One of the paper's networks, trained at full size in a given time, on a GPU if there is one; then measured.

    python scripts/gpu_paper.py recipes/gpu-merger.toml --data DATA_ROOT --minutes 25 --set paper --set real --out full

Renders what is missing, times some steps, and takes as many as fit, at most the recipe's; the rate falls over these. A
fifth of the time is left for export and measuring. OUT gets runs/NAME (curve, pictures, checkpoint), weights/ and the
benchmark's results, which are small enough to keep where the weights are not. Started again, it goes on: with the steps
that it once chose, and from its last checkpoint.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace

from twinshot.bench.benchmark import Options, benchmark
from twinshot.export.checkpoint import read_checkpoint
from twinshot.export.release import add_to_manifest
from twinshot.machine import usable_cores
from twinshot.picture.pair import TwinshotError
from twinshot.train.config import SHARDS, Recipe, load_recipe
from twinshot.train.data import batches, prepare_shards
from twinshot.train.loop import train
from twinshot.train.step import STEPS, fastest, new_state

FOR_TRAINING = 0.8  # share of the time
WARM, TIMED = 5, 60  # steps


def main() -> None:
    """Train, export, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--set", action="append", default=[], help="as of `twinshot benchmark`; repeat it")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    last = time.monotonic() + 60 * options.minutes * FOR_TRAINING
    recipe, runs = load_recipe(options.recipe), options.out / "runs"
    recipe = replace(recipe, steps=steps_within(recipe, options.data, runs, last))
    (checkpoint,) = train([recipe], options.data, runs, resume=True, report=until(last))
    measure(checkpoint, recipe.name, options)


def steps_within(recipe: Recipe, root: Path, runs: Path, last: float) -> int:
    """What an earlier call chose, or as many steps as fit before `last`, at most the recipe's."""
    if (checkpoint := runs / recipe.name / "checkpoint.pt").exists():
        return int(read_checkpoint(checkpoint).recipe["steps"])
    shards = prepare_shards(recipe, root, runs / SHARDS, usable_cores())
    seconds = seconds_a_step(recipe, shards)
    steps = min(recipe.steps, max(1, int((last - time.monotonic()) / seconds)))
    print(f"{recipe.name}: {seconds:.3f} s a step, {steps} of {recipe.steps} steps", flush=True)
    return steps


def seconds_a_step(recipe: Recipe, shards: list[Path]) -> float:
    """Of a network that is thrown away, waiting for its data too."""
    device = fastest()
    state, began = new_state(recipe, device), 0.0
    for number, batch in enumerate(batches(replace(recipe, steps=WARM + TIMED), shards, 0, device)):
        if number == WARM:
            began = time.monotonic()
        STEPS[recipe.method](state, batch, recipe)  # asks for its losses, and so waits for the device
    del state
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return (time.monotonic() - began) / TIMED


def until(last: float) -> Callable[[dict[str, Any]], None]:
    """A report that prints, and ends the run when its time is over."""

    def report(row: dict[str, Any]) -> None:
        print(row, flush=True)
        if time.monotonic() > last + 60:
            raise TwinshotError("steps took longer than those that were timed; start again, and it goes on")

    return report


def measure(checkpoint: Path, name: str, options: argparse.Namespace) -> None:
    """Export, and run the benchmark's quality part beside both frames as they are."""
    weights = options.out / "weights"
    add_to_manifest(checkpoint, name, weights)
    os.environ["TWINSHOT_WEIGHTS"] = str(weights)
    systems = ("noisy", "blurry", name)
    benchmark(Options(tuple(options.set), systems, options.data, options.out, 0, False, ("quality",)), print)


if __name__ == "__main__":
    main()
