"""The compared systems by name: inputs as they are, classical methods, and networks."""

from __future__ import annotations

import sys

from .. import files, restoration
from ..baselines.system import Shot, System
from ..engines.loading import Model, load_model
from ..engines.models import manifest
from ..match import borders, prepare, swap, tone
from ..picture import errors, levels, pair
from ..picture.encoding import Image
from ..picture.errors import TwinshotError
from ..picture.pair import as_float
from ..picture.window import window
from ..restoration import restore_pair
from ..tiled import over_tiles
from . import classical, datasets
from .classical import CLASSICAL, Plain
from .rows import RowKey, code_checksum, own_checksum

_SHOWING = (borders, prepare, swap, tone, files, pair, errors)
"""What a system is shown comes of these; of matching, the check that comes after a network is not among them."""


def system(name: str, engine: str = "onnx") -> System:
    """A system by its name; `engine` is what runs it, if it is a network.

    Raises:
        TwinshotError: unknown name or engine, or a network's weights are missing.
    """
    if name in CLASSICAL:
        return CLASSICAL[name]
    models = manifest()
    if name not in models:
        raise TwinshotError(f"no system is called {name!r}; choose from {', '.join(known_systems())}")
    takes = models[name].takes
    method = _from_blurry if takes == "blurry" else _from_pair
    model = load_model(name, engine)
    _ = model.run  # loaded now, so that no picture's seconds have it
    return Plain(name, takes, lambda shot: method(shot, model))


def known_systems() -> list[str]:
    """All names: inputs, classical methods, the networks at hand."""
    return [*CLASSICAL, *manifest()]


def key_of(name: str, engine: str = "onnx", *, whole: bool = False) -> RowKey:
    """What a figure of a system depends on, besides what it is shown and how the result is measured.

    Args:
        name: the system.
        engine: what runs it, if it is a network.
        whole: whether matching and registering count, too: where figures are not of a set that was looked at.
    """
    if name in CLASSICAL:
        code = own_checksum(classical, levels, *CLASSICAL[name].modules)
        return RowKey(code=f"{code} {code_checksum(datasets)}" if whole else code)
    models = manifest()
    if name not in models:
        return RowKey()
    card, fallback = models[name], models.get(models[name].fallback or "")
    graph = card.int8.sha256[:12] if engine == "int8" and card.int8 else engine
    parts = [card.sha256[:12], *([fallback.sha256[:12]] if fallback else []), *([graph] if engine != "onnx" else [])]
    code = f"{own_checksum(sys.modules[__name__])} {code_checksum(restoration, without=() if whole else _SHOWING)}"
    return RowKey(" ".join(parts), code)


def _from_pair(shot: Shot, model: Model) -> Image:
    return restore_pair(shot.pair, model).image


def _from_blurry(shot: Shot, model: Model) -> Image:
    """The blurry frame as it is: the system is not told where the noisy one would have it."""
    frame = shot.pair.blurry

    def parts(top: int, left: int, size: tuple[int, int]) -> tuple[Image, Image]:
        part = as_float(window(frame.pixels, top, left, size))
        return part, part

    return as_float(over_tiles(model, frame.size, parts))
