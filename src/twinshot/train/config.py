"""Recipes: one TOML file a training run, small overlays over a base, every default on this screen."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from ..pair import TwinshotError


@dataclass(frozen=True)
class NetConfig:
    """Which network, and its own settings."""

    kind: str = "twin"
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataConfig:
    """What the trainer reads. Rendered motion is shared by all recipes with the same shards, side and seed."""

    profiles: tuple[str, ...] = ("paper", "camera")  # in turn
    crop: int = 160
    batch: int = 12
    shards: int = 40
    per_shard: int = 500
    side: int = 256
    gain_error: float = 0.03  # sigma of the log gain that the exposure match leaves behind


@dataclass(frozen=True)
class OptimConfig:
    """AdamW, or Muon for the weights that are matrices; warm-up, then constant, then a cosine down to zero."""

    name: str = "muon"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient
    warmup: int = 300
    cooldown: float = 0.4  # share of the steps
    ema: float = 0.999


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms; a term of weight 0 is not computed."""

    psnr: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """A whole training run."""

    name: str
    steps: int = 1000
    seed: int = 0
    bf16: bool = True  # where the processor has it
    validate_every: int = 1000
    checkpoint_minutes: float = 5.0
    net: NetConfig = NetConfig()
    data: DataConfig = DataConfig()
    optim: OptimConfig = OptimConfig()
    loss: LossConfig = LossConfig()


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; `base = "other.toml"` names the one it overlays, beside it.

    Raises:
        TwinshotError: the file is missing or no TOML, or it names a setting that does not exist.
    """
    return recipe_from(_read(path), str(path))


def recipe_from(table: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from plain tables, as a checkpoint stores them."""
    return _fill(Recipe, table, where)


def as_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain tables, for a checkpoint or a manifest."""
    return asdict(recipe)


def _read(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise TwinshotError(f"{path}: no such recipe") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TwinshotError(f"{path}: cannot be read as TOML: {error}") from error
    base = table.pop("base", None)
    return _merge(_read(path.with_name(base)), table) if base else table


def _merge(base: dict[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overlay.items():
        nested = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merge(base[key], value) if nested else value
    return merged


def _fill(kind: type[Any], table: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    known = {entry.name for entry in fields(kind)}
    if unknown := sorted(set(table) - known):
        raise TwinshotError(f"{where}: unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}")
    values = {}
    for key, value in table.items():
        if is_dataclass(hints[key]):
            values[key] = _fill(hints[key], value, f"{where}: {key}")  # type: ignore[arg-type]
        else:
            values[key] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**values)
    except TypeError as error:
        raise TwinshotError(f"{where}: {error}") from error
