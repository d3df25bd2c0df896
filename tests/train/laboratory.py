"""A tiny laboratory: a photograph or two, rendered motion, recipes that take milliseconds a step."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from twinshot.synth.frames import images_in
from twinshot.synth.shards import ShardPlan, Sources
from twinshot.train.config import Recipe, recipe_from
from twinshot.train.pool import Triple

PLAN = ShardPlan(shards=2, per_shard=4, side=48)

NETS: dict[str, dict[str, Any]] = {
    "twin": {"channels": [4, 4, 5, 5], "encoder": [1, 1, 1, 1], "decoder": [1, 1, 1]},
    "rnn": {"base_channels": 2, "levels": 3},
    "merger": {"base_channels": 2, "levels": 3},
    "dcdeblurgan": {"base_channels": 2, "levels": 3},
    "deblurgan": {"width": 2, "blocks": 1},
    "srn": {"width": 2},
}
ADAM = {
    "name": "adamw",
    "lr": 2e-4,
    "betas": [0.5, 0.999],
    "weight_decay": 0.0,
    "clip": 0.0,
    "warmup": 0,
    "cooldown": 0.0,
}


@dataclass(frozen=True)
class Lab:
    """Where training material lies."""

    root: Path
    shards: Path

    @property
    def paths(self) -> list[Path]:
        sources = Sources(images_in(self.root / "photos" / "train"))
        return [self.shards / PLAN.name(sources, index) for index in range(PLAN.shards)]


def tiny_table(kind: str) -> dict[str, Any]:
    """The recipe's tables, for a test to change."""
    table: dict[str, Any] = {
        "name": f"tiny-{kind}",
        "steps": 30,
        "seed": 3,
        "log_every": 1,
        "validation": 1,
        "checkpoint_minutes": 0.0,
        "net": {"kind": kind, "settings": NETS[kind]},
        "data": {"profiles": ["paper"], "crop": 32, "batch": 2, "shards": 2, "per_shard": 4, "side": 48},
    }
    if kind == "twin":
        return {**table, "optim": {"warmup": 3}}
    if kind == "srn":
        return {**table, "optim": ADAM, "loss": {"psnr": 0.0, "mse": 1.0}}
    if kind == "deblurgan":
        return {**table, "method": "wgan", "optim": ADAM, "wgan": {"critic_steps": 2, "critic_width": 2}}
    return {**table, "method": "paper", "optim": ADAM, "discriminator": {"base_channels": 2, "levels": 3}}


def tiny(kind: str, **changes: Any) -> Recipe:
    return recipe_from({**tiny_table(kind), **changes})


def some_batch(seed: int = 0) -> Triple:
    generator = torch.Generator().manual_seed(seed)
    noisy, blurry, sharp = torch.rand(3, 2, 3, 32, 32, generator=generator)
    return noisy, blurry, sharp


def without_seconds(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != "seconds"}


def rows_of(run: Path) -> list[dict[str, Any]]:
    """What was logged, in order; a row that is being written is left out."""
    path = run / "metrics.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [without_seconds(json.loads(line)) for line in lines if line.endswith("}")]


def workplace(lab: Lab, folder: Path) -> Path:
    """A folder for runs, with the motion already rendered."""
    shutil.copytree(lab.shards, folder / "shards")
    return folder


TWINSHOT = ("-m", "twinshot")
HELD = (str(Path(__file__).with_name("held.py")),)
"""The command that waits before its last step."""


def kill_at(step: int, recipe: dict[str, Any], root: Path, runs: Path) -> None:
    """Start the command in a process group of its own and end all of it once `step` is logged."""
    with training(recipe, root, runs, (sys.executable, *HELD)) as process:
        wait_for(step, runs / recipe["name"], process)


@contextmanager
def training(
    recipe: dict[str, Any], root: Path, runs: Path, command: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """The command meanwhile, in a process group of its own that is killed in the end."""
    path = runs / "recipe.toml"
    path.write_text(as_toml(recipe), "utf-8")
    process = subprocess.Popen(
        [*command, "train", str(path), "--data", str(root), "--runs", str(runs), "--resume"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(step: int, run: Path, process: subprocess.Popen[bytes]) -> None:
    while not any(row["step"] >= step for row in rows_of(run)):
        assert process.poll() is None, "ended by itself"
        time.sleep(0.003)


def as_toml(table: dict[str, Any]) -> str:
    """Tables as inline TOML, in which JSON's scalars and lists are at home."""

    def value(item: Any) -> str:
        if isinstance(item, dict):
            return "{" + ", ".join(f"{key} = {value(each)}" for key, each in item.items()) + "}"
        return json.dumps(item)

    return "\n".join(f"{key} = {value(item)}" for key, item in table.items())
