"""The training loop: resumable at any moment, with checkpoints, metrics and validation pictures."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor

from ..export.checkpoint import Checkpoint, read_checkpoint
from ..files import atomic, io
from ..machine import usable_cores
from ..picture.encoding import Image
from ..picture.levels import eight_bit, psnr
from ..picture.pair import Metadata, TwinshotError
from . import ranks
from .config import SHARDS, Recipe, as_table, recipe_from
from .data import Validation, batches, prepare_shards, validation
from .pool import CPU, Triple
from .step import STEPS, State, fastest, fingerprint, new_state

CHECKPOINT = "checkpoint.pt"
"""A run's state, in its folder."""
Row = dict[str, float | str | dict[str, float]]
"""Of metrics.jsonl: a step's numbers, or the PSNR in dB on each validation set; the run's name where several train."""
Report = Callable[[Row], None]


def train(
    recipes: Sequence[Recipe],
    root: Path,
    folder: Path,
    resume: bool,
    report: Report = lambda row: None,
    device: torch.device | None = None,
) -> list[Path]:
    """Train recipes of the same data, seed and steps side by side, on the same batches; returns the checkpoints.

    Processes that `torchrun` started train together, each on its part of every batch; the first alone writes, and
    returns the checkpoints.

    Args:
        recipes: the runs; one, mostly. Several share the work of drawing samples, which keeps a GPU waiting.
        root: the data root (photos/train, photos/val and, optionally, frames/train, frames/val; with the source
            `gopro2` the frames alone, or GOPRO_Large_all).
        folder: holds the runs; each gets `folder`/NAME, rendered motion is shared in `folder`/shards.
        resume: go on from the last checkpoint where there is one; otherwise an existing run is an error.
        report: called with every row that goes to metrics.jsonl.
        device: where to learn; None: on a GPU, if there is one.

    Raises:
        TwinshotError: recipes that do not see the same batches, what reading, rendering or resuming say, another
            process trains a run, a batch that processes cannot share or another one that has ended, or a loss or
            gradient is no longer finite.
    """
    _must_agree(recipes)
    with ranks.joined(), ExitStack() as stack:
        ranks.check_split(recipes[0].data.batch, recipes[0].data.reuse)
        for recipe in recipes if ranks.rank() == 0 else ():
            stack.enter_context(atomic.locked(folder / recipe.name))
        reports = [report] if len(recipes) == 1 else [_named(recipe.name, report) for recipe in recipes]
        runs = [
            Run(recipe, folder / recipe.name, resume, tell, device or fastest())
            for recipe, tell in zip(recipes, reports, strict=True)
        ]
        _train(runs, root, folder)
        return [run.checkpoint for run in runs] if ranks.rank() == 0 else []


def _named(name: str, report: Report) -> Report:
    return lambda row: report({"run": name, **row})


def _must_agree(recipes: Sequence[Recipe]) -> None:
    """Raises TwinshotError unless all see the same batches, in folders of their own."""
    first, shared = recipes[0], ("data", "seed", "steps", "validation")
    for recipe in recipes[1:]:
        if changed := [key for key in shared if getattr(recipe, key) != getattr(first, key)]:
            raise TwinshotError(
                f"{recipe.name}: its {changed[0]} differs from that of {first.name}; train it on its own"
            )
    if len({recipe.name for recipe in recipes}) < len(recipes):
        raise TwinshotError(f"{first.name}: two recipes have this name; rename one")


def _train(runs: Sequence[Run], root: Path, folder: Path) -> None:
    recipe, device = runs[0].recipe, runs[0].state.device
    held_out = Validation({})
    if ranks.rank() == 0:
        held_out = validation(root, recipe.data.profiles, recipe.validation, source=recipe.data.source)
    shards = prepare_shards(recipe, root, folder / SHARDS, workers=usable_cores())
    first = min(run.state.step for run in runs)
    began = time.monotonic()
    for step, batch in enumerate(batches(recipe, shards, first, device), first):
        waited = time.monotonic() - began
        for run in runs:
            if run.state.step == step:  # one that was killed between two checkpoints has others ahead of it
                run.advance(batch, waited, held_out)
        began = time.monotonic()


class Run:
    """One recipe's training: its state, its log and its folder."""

    def __init__(self, recipe: Recipe, folder: Path, resume: bool, report: Report, device: torch.device) -> None:
        self.recipe, self.folder = recipe, folder
        self.state = start_or_resume(recipe, folder, resume, device)
        ranks.check_same(self._beginning())
        self.log = Log(folder / "metrics.jsonl", self.state.step, report) if ranks.rank() == 0 else None
        self.saved = time.monotonic()

    @property
    def checkpoint(self) -> Path:
        """Where its state is kept."""
        return self.folder / CHECKPOINT

    def _beginning(self) -> str:
        settings = crc32(repr(self.recipe).encode())
        weights = fingerprint(self.state.net)
        return f"step {self.state.step} of {self.recipe.name!r} (weights {weights:08x}, recipe {settings:08x})"

    def advance(self, batch: Triple, waited: float, held_out: Validation) -> None:
        """One step on a batch that took `waited` seconds to come; then what is due: log, validation, checkpoint."""
        state, recipe, began = self.state, self.recipe, time.monotonic()
        ranks.own_stream(recipe.seed, state.step)
        row = ranks.mean(STEPS[recipe.method](state, batch, recipe))
        _check(row, state.step, self.folder)
        state.seconds += waited + time.monotonic() - began
        if self.log:
            self._keep(self.log, row, held_out)

    def _keep(self, log: Log, row: dict[str, float], held_out: Validation) -> None:
        state, recipe, now = self.state, self.recipe, time.monotonic()
        last = state.step == recipe.steps
        if state.step % recipe.log_every == 0 or last:
            log.write({"step": state.step, **row, "seconds": round(state.seconds, 1)})
        if state.step % recipe.validate_every == 0 or last:
            log.write({"step": state.step, "validation": validate(state, held_out, self.folder)})
        if now - self.saved > 60 * recipe.checkpoint_minutes or last:
            save(state, recipe, self.checkpoint)
            self.saved = now


def _check(row: dict[str, float], step: int, run: Path) -> None:
    """Raises TwinshotError where a step has blown up, before a checkpoint of it could be written."""
    if wrong := [name for name, value in row.items() if not math.isfinite(value)]:
        raise TwinshotError(
            f"{run}: {wrong[0]} is {row[wrong[0]]} at step {step}: training has diverged. The last checkpoint is "
            "fine: resume from it with a lower rate (optim.lr), or start again"
        )


class Log:
    """metrics.jsonl, one row a line, and the same for TensorBoard where it is installed.

    Rows after the checkpoint that a run resumes from are dropped.
    """

    def __init__(self, path: Path, step: int, report: Report) -> None:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        atomic.write_bytes(path, "".join(f"{line}\n" for line in lines if _step_of(line) <= step).encode())
        self.path, self.report, self.board = path, report, _tensorboard(path.parent, step)

    def write(self, row: Row) -> None:
        """Append one row."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.report(row)
        if self.board:
            for name, value in row.items():
                for each, number in (value if isinstance(value, dict) else {name: value}).items():
                    if isinstance(number, float):
                        self.board.add_scalar(each, number, row["step"])


def _tensorboard(run: Path, step: int) -> Any:
    """Its writer, in the run's folder, or None where the package is missing."""
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run), purge_step=step + 1)


def _step_of(line: str) -> float:
    """The step a row was logged at; infinity for one that a kill cut short."""
    try:
        return float(json.loads(line)["step"])
    except ValueError:
        return math.inf


def start_or_resume(recipe: Recipe, run: Path, resume: bool, device: torch.device = CPU) -> State:
    """A fresh state from the recipe's seed, or the checkpoint's."""
    path = run / CHECKPOINT
    if not resume:
        check_new(run)
    if not path.exists():
        return new_state(recipe, device)
    # The model that it began with is not read again: it may have been exported anew, or have gone.
    bare = replace(recipe, net=replace(recipe.net, start=""))
    return load_into(new_state(bare, device), recipe, path)


def check_new(run: Path) -> None:
    """Raises TwinshotError where a run has a checkpoint."""
    if (path := run / CHECKPOINT).exists():
        raise TwinshotError(f"{path}: this run exists; resume it (resume), or remove its folder to start again")


def save(state: State, recipe: Recipe, path: Path) -> None:
    """Write a checkpoint; a kill leaves the old one or the new one."""
    gpu = state.device.type == "cuda"
    checkpoint = Checkpoint(
        recipe=as_table(recipe),
        step=state.step,
        seconds=state.seconds,
        net=state.net.state_dict(),
        average=state.average.state_dict(),
        optimisers=[optimiser.state_dict() for optimiser in state.optimisers],
        generator=torch.get_rng_state(),
        device=state.device.type,
        before=state.before,
        teacher=None if state.teacher is None else fingerprint(state.teacher),
        generator_cuda=torch.cuda.get_rng_state(state.device) if gpu else None,
        discriminator=None if state.discriminator is None else state.discriminator.state_dict(),
    )
    atomic.write_atomically(path, partial(torch.save, checkpoint.as_table()))


def load_into(state: State, recipe: Recipe, path: Path) -> State:
    """Continue from a checkpoint, whose recipe may differ in the budget, the log's rhythm and the optimiser's settings.

    Raises:
        TwinshotError: another seed, network, method, optimiser, teacher or data stream than the checkpoint's.
    """
    checkpoint = read_checkpoint(path)
    before = recipe_from(checkpoint.recipe)
    fixed = ("method", "seed", "net", "data", "loss", "paper", "discriminator", "wgan")
    changed = [key for key in fixed if getattr(before, key) != getattr(recipe, key)]
    changed += ["optim.name"] if before.optim.name != recipe.optim.name else []
    if changed:
        raise TwinshotError(f"{path}: was trained with other settings of {', '.join(changed)}; give the run a new name")
    if state.teacher is not None and checkpoint.teacher not in (None, fingerprint(state.teacher)):
        raise TwinshotError(
            f"{path}: its teacher {recipe.loss.teacher!r} has changed since; put the old weights back, or give the "
            "run a new name"
        )
    state.net.load_state_dict(checkpoint.net)
    state.average.load_state_dict(checkpoint.average)
    if state.discriminator is not None:
        assert checkpoint.discriminator is not None
        state.discriminator.load_state_dict(checkpoint.discriminator)
    for optimiser, saved in zip(state.optimisers, checkpoint.optimisers, strict=True):
        groups = [{key: value for key, value in group.items() if key != "params"} for group in optimiser.param_groups]
        optimiser.load_state_dict(saved)
        for group, settings in zip(optimiser.param_groups, groups, strict=True):
            group |= settings  # the recipe's, not those it was saved with
    state.step, state.seconds, state.before = checkpoint.step, checkpoint.seconds, checkpoint.before
    torch.set_rng_state(checkpoint.generator)
    if state.device.type == "cuda" and checkpoint.generator_cuda is not None:
        torch.cuda.set_rng_state(checkpoint.generator_cuda, state.device)
    return state


@torch.no_grad()
def validate(state: State, held_out: Validation, run: Path) -> dict[str, float]:
    """Mean PSNR in dB of the averaged weights by group, and a sheet of pictures."""
    result = {}
    state.average.eval()
    for name, triples in held_out.groups.items():
        restored = [_restore(state, triple) for triple in triples]
        scores = [psnr(_picture(image), _picture(triple[2])) for image, triple in zip(restored, triples, strict=True)]
        result[name] = round(float(np.mean(scores)), 3)
        rows = [torch.cat([n, b, r, s], 2) for r, (n, b, s) in list(zip(restored, triples, strict=True))[:4]]
        io.write(run / f"validation-{name}.png", eight_bit(_picture(torch.cat(rows, 1))), Metadata())
    return result


def _restore(state: State, triple: Triple) -> Tensor:
    noisy, blurry = (image[None].to(state.device, memory_format=torch.channels_last) for image in triple[:2])
    restored: Tensor = state.average(noisy, blurry)[0].clamp(0, 1).cpu()
    return restored


def _picture(image: Tensor) -> Image:
    """(3, H, W) as the other rooms have it."""
    return image.permute(1, 2, 0).numpy()
