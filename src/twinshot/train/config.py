"""Recipes: one TOML file a training run, small overlays over a base, every default on this screen."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from ..picture.pair import TwinshotError

Method = Literal["restoration", "paper", "wgan"]
Optimiser = Literal["soap", "muon", "adamw"]
AdversarialForm = Literal["minimax", "non_saturating"]
Target = Literal["clean", "noisy"]
Source = Literal["mixed", "gopro2"]
Table = TypeVar("Table")

SHARDS = "shards"
"""The folder of rendered motion, among those of the runs."""
_BOUNDS = {
    **dict.fromkeys(("steps", "log_every", "validate_every", "validation"), (1, inf)),
    **dict.fromkeys(("crop", "batch", "shards", "per_shard", "reuse"), (1, inf)),
    **dict.fromkeys(("generator_steps", "critic_steps", "critic_width", "base_channels", "levels"), (1, inf)),
    **dict.fromkeys(("seed", "warmup", "lr", "weight_decay", "clip"), (0, inf)),
    **dict.fromkeys(("cooldown", "ema", "trust"), (0, 1)),
    "betas": (0, 0.999999),
}
"""Least and most of the numbers that have such."""


@dataclass(frozen=True)
class NetConfig:
    """Which network, its own settings, and what it begins with."""

    kind: str = "twin"
    settings: dict[str, Any] = field(default_factory=dict)
    start: str = ""  # a model at hand, to fine-tune; else the weights are random


@dataclass(frozen=True)
class DataConfig:
    """What the trainer reads. Recipes whose side, per_shard and kinds of motion are alike share what is rendered."""

    profiles: tuple[str, ...] = ("paper", "camera")  # in turn
    source: Source = "mixed"  # photographs and a share of films; gopro2: films alone, exactly as section III-C
    crop: int = 160
    batch: int = 12
    shards: int = 40
    per_shard: int = 500
    side: int = 256
    reuse: int = 1  # crops of a picture, in the mean, once its noise is drawn: a GPU learns faster than that is done
    gain_error: float = 0.03  # sigma of the log gain that the exposure match leaves behind
    target: Target = "clean"  # noisy: a second short frame, with noise of its own (Noise2Noise)


@dataclass(frozen=True)
class OptimConfig:
    """SOAP, AdamW, or Muon for the weights that are matrices; warm-up, then constant, then a cosine down to zero.

    AdamW without weight decay is Adam. With `warmup` and `cooldown` 0 the rate is constant.
    """

    name: Optimiser = "muon"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)  # AdamW's alone
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient; 0: none
    warmup: int = 300
    cooldown: float = 0.4  # share of the steps
    ema: float = 0.999


@dataclass(frozen=True)
class LossConfig:
    """What the method `restoration` minimises: weights of the terms, summed over the scales a net gives."""

    psnr: float = 1.0
    mse: float = 0.0
    l1: float = 0.0
    spectrum: float = 0.0
    teacher: str = ""  # a model at hand: what it makes of the pair is aimed at beside the truth (distillation)
    trust: float = 0.8  # the teacher's share of the aim


@dataclass(frozen=True)
class PaperWeights:
    """What the method `paper` minimises: Table I, and the form of the generator's adversarial term.

    A term of weight 0 is not computed; without an adversarial one there is no discriminator.

    `minimax` is the paper's: its second term of eq. (4), log(1 - D), which fades where the discriminator is sure. That
    costs little here, as the other terms, fifty times as heavy, do not need D to have a gradient. `non_saturating`,
    -log D, keeps its pull there.
    """

    content: float = 50.0
    gradient: float = 50.0
    dark_channel: float = 250.0
    adversarial: float = 1.0
    denoising: float = 50.0  # content loss of DeblurRNN's denoising net
    adversarial_form: AdversarialForm = "minimax"
    generator_steps: int = 1  # updates of the generator for each of the discriminator


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The discriminator of the method `paper`, which Adam trains, whatever trains the net."""

    base_channels: int = 64
    levels: int = 4
    spectral: bool = True
    lr: float = 2e-4  # follows the net's schedule


@dataclass(frozen=True)
class WganConfig:
    """What the method `wgan` minimises, and its critic: as published for DeblurGAN. The adversarial term weighs 1."""

    content: float = 100.0
    penalty: float = 10.0  # for slopes of the critic other than 1
    critic_steps: int = 5  # updates of the critic for each of the generator
    critic_width: int = 64


@dataclass(frozen=True)
class Recipe:
    """A whole training run."""

    name: str
    method: Method = "restoration"
    steps: int = 1000
    seed: int = 0
    bf16: bool = True  # where the processor has it
    log_every: int = 50
    validate_every: int = 1000
    validation: int = 24  # simulated triples a profile
    checkpoint_minutes: float = 5.0
    net: NetConfig = NetConfig()
    data: DataConfig = DataConfig()
    optim: OptimConfig = OptimConfig()
    loss: LossConfig = LossConfig()
    paper: PaperWeights = PaperWeights()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    wgan: WganConfig = WganConfig()


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; `base = "other.toml"` names the one it overlays, by its path from this one.

    Raises:
        TwinshotError: the file is missing or no TOML, overlays itself, or names a setting or value that does not exist.
    """
    where = str(path)
    recipe = recipe_from(_read(path), where)
    if not re.fullmatch(r"[\w-]([\w.-]*[\w-])?", recipe.name) or recipe.name.casefold() == SHARDS:
        raise TwinshotError(f"{where}: name = {recipe.name!r}; give a plain folder name other than {SHARDS!r}")
    if wrong := next(_out_of_bounds(recipe), None):
        raise TwinshotError(f"{where}: {wrong}")
    if not any(_weights_of_terms(recipe)):
        raise TwinshotError(f"{where}: all loss terms have weight 0; give at least one a weight")
    if not recipe.data.profiles:
        raise TwinshotError(f"{where}: profiles = []; name at least one")
    if recipe.data.crop > recipe.data.side:
        raise TwinshotError(
            f"{where}: crop = {recipe.data.crop} is larger than side = {recipe.data.side}; make it smaller"
        )
    if recipe.data.batch % recipe.data.reuse:
        raise TwinshotError(
            f"{where}: reuse = {recipe.data.reuse} does not divide the batch of {recipe.data.batch}; give a divisor"
        )
    return recipe


def recipe_from(table: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from plain tables, as a checkpoint stores them; its numbers are not looked at."""
    if "name" not in table:
        raise TwinshotError(f'{where}: has no name; give the run one, as in name = "mine"')
    return _fill(Recipe, table, where)


def _weights_of_terms(recipe: Recipe) -> tuple[float, ...]:
    """Of what the method minimises."""
    loss, paper = recipe.loss, recipe.paper
    if recipe.method == "restoration":
        return loss.psnr, loss.mse, loss.l1, loss.spectrum
    if recipe.method == "paper":
        return paper.content, paper.gradient, paper.dark_channel, paper.adversarial
    return (1.0,)  # the adversarial term of `wgan`


def _out_of_bounds(table: Any) -> Iterator[str]:
    """What is wrong with numbers that nothing could be trained with, in this table and those in it."""
    for entry in fields(table):
        value = getattr(table, entry.name)
        least, most = _BOUNDS.get(entry.name, (-inf, inf))
        if is_dataclass(value):
            yield from _out_of_bounds(value)
        elif not all(isfinite(number) and least <= number <= most for number in _numbers(value)):
            wanted = f"{least:g} to {most:g}" if most < inf else f"{least:g} or more"
            yield f"{entry.name} = {value}; give {'a finite number' if least == -inf else wanted}"


def _numbers(value: Any) -> list[float]:
    return [number for number in (value if isinstance(value, tuple) else (value,)) if isinstance(number, int | float)]


def as_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain tables, for a checkpoint or a manifest."""
    return asdict(recipe)


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    if path.resolve() in above:
        raise TwinshotError(f"{path}: this recipe is its own base; name another file as its base")
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise TwinshotError(f"{path}: no such recipe") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TwinshotError(f"{path}: cannot be read as TOML: {error}") from error
    base = table.pop("base", None)
    return _merge(_read(path.parent / str(base), (*above, path.resolve())), table) if base else table


def _merge(base: dict[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overlay.items():
        nested = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merge(base[key], value) if nested else value
    return merged


def _fill(kind: type[Table], table: Any, where: str) -> Table:
    if not isinstance(table, Mapping):
        raise TwinshotError(f"{where}: {table!r} is not a table of settings")
    hints = get_type_hints(kind)
    known = {entry.name for entry in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(table) - known):
        raise TwinshotError(f"{where}: unknown setting {unknown[0]!r}; choose from {', '.join(sorted(known))}")
    try:
        return kind(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in table.items()})
    except TypeError as error:
        raise TwinshotError(f"{where}: {error}") from error


def _value(kind: Any, value: Any, where: str) -> Any:
    """The value as a record keeps it; TOML's lists become tuples."""
    if is_dataclass(kind):
        return _fill(kind, value, where)  # type: ignore[arg-type]
    if not _fits(kind, value):
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        wanted = f"one of {', '.join(choices)}" if choices else getattr(kind, "__name__", kind)
        raise TwinshotError(f"{where} = {value!r}; give {wanted}")
    return tuple(value) if isinstance(value, list) else value


def _fits(kind: Any, value: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            return False
        each = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return len(each) == len(value) and all(_fits(part, item) for part, item in zip(each, value, strict=True))
    if kind in (int, float):
        numbers = int if kind is int else (int, float)
        return isinstance(value, numbers) and not isinstance(value, bool)
    return isinstance(value, origin or kind)
