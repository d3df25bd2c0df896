"""Recipes: one TOML file a training run, small overlays over a base, every default and its bounds on this screen."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from sys import float_info
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, field

from ..picture.errors import TwinshotError

Method = Literal["restoration", "paper", "wgan"]
Optimiser = Literal["soap", "muon", "adamw"]
AdversarialForm = Literal["minimax", "non_saturating"]
Target = Literal["clean", "noisy"]
Source = Literal["mixed", "gopro2"]

Count = Annotated[int, Meta(ge=1)]
Number = Annotated[float, Meta(ge=-float_info.max, le=float_info.max)]  # finite, that is
Positive = Annotated[float, Meta(ge=0, le=float_info.max)]
Share = Annotated[float, Meta(ge=0, le=1)]
Decay = Annotated[float, Meta(ge=0, le=0.999999)]

SHARDS = "shards"
"""The folder of rendered motion, among those of the runs."""


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a recipe."""


class NetConfig(_Table, frozen=True):
    """Which network, its own settings, and what it begins with."""

    kind: str = "twin"
    settings: dict[str, Any] = {}
    start: str = ""  # a model at hand, to fine-tune; else the weights are random


class DataConfig(_Table, frozen=True):
    """What the trainer reads. Recipes whose side, per_shard and kinds of motion are alike share what is rendered."""

    profiles: Annotated[tuple[str, ...], Meta(min_length=1)] = ("paper", "camera")  # in turn
    source: Source = "mixed"  # photographs and a share of films; gopro2: films alone, exactly as section III-C
    crop: Count = 160
    batch: Count = 12
    shards: Count = 40
    per_shard: Count = 500
    side: Count = 256
    reuse: Count = 1  # crops of a picture, in the mean, once its noise is drawn: a GPU learns faster than that is done
    gain_error: Positive = 0.03  # sigma of the log gain that the exposure match leaves behind
    hot_pixels: Share = 0.0  # share of the short files that have some; the profile bracket draws its own
    grey: Share = 0.0  # share of the samples turned black and white, whose noise is alike in all channels
    bursts: Share = 0.0  # share of the short frames that are the mean of 2 to 8
    target: Target = "clean"  # noisy: a second short frame, with noise of its own (Noise2Noise)

    def __post_init__(self) -> None:
        if self.crop > self.side:
            raise ValueError(f"crop = {self.crop} is larger than side = {self.side}; make it smaller")
        if self.batch % self.reuse:
            raise ValueError(f"reuse = {self.reuse} does not divide the batch of {self.batch}; give a divisor")


class OptimConfig(_Table, frozen=True):
    """SOAP, AdamW, or Muon for the weights that are matrices; warm-up, then constant, then a cosine down to zero.

    AdamW without weight decay is Adam. With `warmup` and `cooldown` 0 the rate is constant.
    """

    name: Optimiser = "muon"
    lr: Positive = 1e-3
    betas: tuple[Decay, Decay] = (0.9, 0.99)  # AdamW's alone
    weight_decay: Positive = 0.01
    clip: Positive = 1.0  # largest norm of the gradient; 0: none
    warmup: Annotated[int, Meta(ge=0)] = 300
    cooldown: Share = 0.4  # share of the steps
    ema: Share = 0.999


class LossConfig(_Table, frozen=True):
    """What the method `restoration` minimises: weights of the terms, summed over the scales a net gives."""

    psnr: Number = 1.0
    floor: Annotated[float, Meta(gt=0, le=1)] = 1e-4  # added to the psnr term's MSE: past it a picture's pull fades
    mse: Number = 0.0
    l1: Number = 0.0
    spectrum: Number = 0.0
    teacher: str = ""  # a model at hand: what it makes of the pair is aimed at beside the truth (distillation)
    trust: Share = 0.8  # the teacher's share of the aim


class PaperWeights(_Table, frozen=True):
    """What the method `paper` minimises: Table I, and the form of the generator's adversarial term.

    A term of weight 0 is not computed; without an adversarial one there is no discriminator.

    `minimax` is the paper's: its second term of eq. (4), log(1 - D), which fades where the discriminator is sure. That
    costs little here, as the other terms, fifty times as heavy, do not need D to have a gradient. `non_saturating`,
    -log D, keeps its pull there.
    """

    content: Number = 50.0
    gradient: Number = 50.0
    dark_channel: Number = 250.0
    adversarial: Number = 1.0
    denoising: Number = 50.0  # content loss of DeblurRNN's denoising net
    adversarial_form: AdversarialForm = "minimax"
    generator_steps: Count = 1  # updates of the generator for each of the discriminator


class DiscriminatorConfig(_Table, frozen=True):
    """The discriminator of the method `paper`, which Adam trains, whatever trains the net."""

    base_channels: Count = 64
    levels: Count = 4
    spectral: bool = True
    lr: Positive = 2e-4  # follows the net's schedule


class WganConfig(_Table, frozen=True):
    """What the method `wgan` minimises, and its critic: as published for DeblurGAN. The adversarial term weighs 1."""

    content: Number = 100.0
    penalty: Number = 10.0  # for slopes of the critic other than 1
    critic_steps: Count = 5  # updates of the critic for each of the generator
    critic_width: Count = 64


class Recipe(_Table, frozen=True):
    """A whole training run."""

    name: str
    about: str = ""  # where the run differs from what its network's class says of itself: "half as wide as published"
    method: Method = "restoration"
    steps: Count = 1000
    seed: Annotated[int, Meta(ge=0)] = 0
    bf16: bool = True  # where the processor has it
    log_every: Count = 50
    validate_every: Count = 1000
    validation: Count = 24  # simulated triples a profile
    checkpoint_minutes: Positive = 5.0
    net: NetConfig = field(default_factory=NetConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    paper: PaperWeights = field(default_factory=PaperWeights)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    wgan: WganConfig = field(default_factory=WganConfig)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-]([\w.-]*[\w-])?", self.name) or self.name.casefold() == SHARDS:
            raise ValueError(f"name = {self.name!r}; give a plain folder name other than {SHARDS!r}")
        if not any(self._weights_of_terms()):
            raise ValueError("all loss terms have weight 0; give at least one a weight")

    def _weights_of_terms(self) -> tuple[float, ...]:
        """The weights of what the method minimises."""
        loss, paper = self.loss, self.paper
        if self.method == "restoration":
            return loss.psnr, loss.mse, loss.l1, loss.spectrum
        if self.method == "paper":
            return paper.content, paper.gradient, paper.dark_channel, paper.adversarial
        return (1.0,)  # the adversarial term of `wgan`


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; `base = "other.toml"` names the one it overlays, by its path from this one.

    Raises:
        TwinshotError: the file is missing or no TOML, overlays itself, or names a setting or value that does not exist.
    """
    return recipe_from(_read(path), str(path))


def recipe_from(table: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from plain tables, as TOML has them and a checkpoint stores them.

    Raises:
        TwinshotError: as above; `where` is what it calls the file.
    """
    try:
        return msgspec.convert(table, Recipe)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        keys = re.findall(r"[.](\w+)", path)
        raise TwinshotError(f"{where}: {_complaint(problem, keys, table)}") from error


def as_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain tables, for a checkpoint or a manifest."""
    table: dict[str, Any] = msgspec.to_builtins(recipe)
    return table


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
    if not base:
        return table
    below = _read(path.parent / str(base), (*above, path.resolve()))
    below.pop("about", None)  # what is said of one run is not true of another
    return _merge(below, table)


def _merge(base: dict[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overlay.items():
        nested = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merge(base[key], value) if nested else value
    return merged


def _complaint(problem: str, keys: Sequence[str], table: Mapping[str, Any]) -> str:
    """What msgspec said of the setting that these keys lead to, in the words of recipes, and what it could be."""
    if problem.startswith("Object missing"):
        return 'has no name; give the run one, as in name = "mine"'
    kind = reduce(lambda kind, key: get_type_hints(kind)[key], keys, Recipe)
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", problem):
        place = "".join(f"{key}: " for key in keys)
        return f"{place}unknown setting {unknown[1]!r}; choose from {', '.join(sorted(kind.__struct_fields__))}"
    if not problem.startswith(("Expected", "Invalid")):
        return problem  # a check of our own
    value = reduce(lambda table, key: table[key], keys, table)
    wanted = problem.replace("`object`", "a table").replace("`", "").removeprefix("Expected ")
    if get_origin(kind) is Literal:
        wanted = f"one of {', '.join(get_args(kind))}"
    return f"{'.'.join(keys)} = {value!r}; give {wanted}"
