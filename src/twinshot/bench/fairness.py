"""What lies behind figures: how each network was trained, here and as published, and which rows compare designs.

Rows of networks that were trained by different losses, on different numbers of crops, compare trainings as much as
networks. So there are two tables: `BY_DESIGN`, whose networks have all but their design in common, and `AS_PUBLISHED`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .results import ModelFacts, Row, SetResults, ssim_of

Values = Mapping[str, Any]
"""A recipe's table, as a model's card has it."""

BY_DESIGN = ("twin-pair", "unet", "merger-pair", "rnn-pair")
"""One loss, optimiser, schedule and data, and about the same hours of a processor."""
AS_PUBLISHED = ("merger", "rnn", "dcdeblurgan", "deblurgan", "srn", "deepdeblur", "noise2noise", "noise2noise-gaussian")
"""Each by the loss and the updates that it was published with, as far as two cores go."""


@dataclass(frozen=True)
class Trained:
    """How a network was trained by those who published it; None or nothing where they do not say.

    Attributes:
        width: channels of its finest level.
        crops: seen in training. Epochs count GOPRO_Large's 2,103 pictures, or GOPRO2's 2,058 windows.
        updates: of the network that restores.
        side: of a crop, px.
        loss: in words.
    """

    width: int
    loss: str
    crops: int | None = None
    updates: int | None = None
    side: int | None = 256


_TABLE_I = "50 L1 + 50 gradient + 250 dark channel + GAN"
PUBLISHED_TRAINING = {
    "deblurgan": Trained(64, "100 VGG features + WGAN-GP", 300 * 2103, 300 * 2103),
    "srn": Trained(32, "squared error", 4000 * 2103, 4000 * 2103 // 16),
    "deepdeblur": Trained(64, "L1", 1000 * 2103, 1000 * 2103 // 16),
    "dcdeblurgan": Trained(64, "100 L1 + 250 dark channel + GAN", side=None),
    "noise2noise": Trained(48, "squared error"),
    "noise2noise-gaussian": Trained(48, "squared error"),
    "merger": Trained(64, _TABLE_I, 10 * 2058),
    "rnn": Trained(64, _TABLE_I, 10 * 2058),
}
"""By our names. The width of the last two is their predecessor's."""


def width_of(net: Values) -> int | None:
    """Channels of a network's finest level, by its recipe's settings; None where these leave it at its default."""
    settings = net["settings"]
    width = settings.get("base_channels", settings.get("width", settings.get("channels", [None])[0]))
    return None if width is None else int(width)


def loss_of(recipe: Values) -> str:
    """What a recipe's network learned to make small, in words; nothing where the recipe does not say."""
    if recipe.get("method") == "wgan":
        return f"{_weighed(recipe['wgan']['content'], 'L1')} + WGAN-GP"
    if recipe.get("method") == "paper":
        names = {"content": "L1", "gradient": "gradient", "dark_channel": "dark channel", "adversarial": "GAN"}
        return _sum(recipe["paper"], names)
    loss = recipe.get("loss", {})
    said = _sum(loss, {"psnr": "PSNR", "mse": "squared error", "l1": "L1", "spectrum": "spectrum"})
    return f"{said}, taught by {loss['teacher']}" if loss.get("teacher") else said


def _sum(weights: Values, names: Mapping[str, str]) -> str:
    return " + ".join(_weighed(weights[key], name) for key, name in names.items() if weights.get(key))


def _weighed(weight: float, name: str) -> str:
    return name if weight == 1 else f"{weight:g} {name}"


def trainings(models: Mapping[str, ModelFacts]) -> list[list[str]]:
    """How each network was trained, here / as published: name, width, crops, side, updates, loss here, as published."""
    return [_training(name, facts) for name, facts in models.items() if facts.loss]


def _training(name: str, facts: ModelFacts) -> list[str]:
    here = [facts.width, facts.samples, facts.crop, facts.steps]
    cells, published = [_count(value) for value in here], PUBLISHED_TRAINING.get(name)
    if published:
        there = [published.width, published.crops, published.side, published.updates]
        cells = [f"{cell} / {_count(value)}" for cell, value in zip(cells, there, strict=True)]
    return [name, *cells, facts.loss, published.loss if published else ""]


def _count(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def compared(sets: Mapping[str, SetResults], names: Sequence[str]) -> list[list[str]]:
    """These systems' PSNR in dB / SSIM on every set, their names first; nothing where fewer than two were run."""
    scores = {name: [_score(found.systems.get(name, Row())) for found in sets.values()] for name in names}
    rows = [[name, *cells] for name, cells in scores.items() if any(cells)]
    return rows if len(rows) > 1 else []


def lacking(rows: Sequence[Sequence[str]], names: Sequence[str]) -> list[str]:
    """Those of `names` that have no row in what `compared` found of them."""
    return [name for name in names if name not in {row[0] for row in rows}]


def _score(row: Row) -> str:
    return "" if row.psnr is None else f"{row.psnr:.2f} / {ssim_of(row) or 0:.4f}"
