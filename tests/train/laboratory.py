"""A tiny laboratory: a photograph or two, rendered motion, recipes that take milliseconds a step."""

from __future__ import annotations

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
