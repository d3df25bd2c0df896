"""A trained network becomes a model that ships: ONNX file, manifest entry, measured quality."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from ..engines.models import WEIGHTS, Card, as_table, manifest, read_manifest
from ..files.atomic import write_bytes
from ..picture.pair import TwinshotError
from .quantise import Frames
from .to_onnx import export, integers_beside


def add_to_manifest(
    checkpoint: Path,
    name: str,
    weights: Path,
    trained_on: str = "",
    licence: str = "",
    fallback: str = "",
    calibration: Sequence[Frames] = (),
) -> Card:
    """Export a checkpoint to `weights`/NAME.onnx and enter it in the manifest beside it; returns the entry.

    Args:
        checkpoint: of a run.
        name: what the model will be called.
        weights: a folder of models, made where it is missing.
        trained_on, licence: what to say of the data and the weights.
        fallback: a model that restores the noisy frame alone, for pairs that do not go together; one that has it gives
            way to a sharp long frame, too.
        calibration: pairs for a graph in 8-bit integers, kept in NAME.int8.onnx; none: there is no such graph.

    Raises:
        TwinshotError: a name that cannot be used or that other files there have, or what `export` says.
    """
    _check_name(name, weights)
    if fallback and fallback not in {**read_manifest(weights), **manifest()}:
        raise TwinshotError(f"fallback {fallback!r}: no such model; `twinshot models` lists them")
    graph = weights / f"{name}.onnx"
    card = export(checkpoint, graph, calibration)
    card = replace(card, trained_on=trained_on, licence=licence, fallback=fallback or None, checked=bool(fallback))
    if not calibration:
        integers_beside(graph).unlink(missing_ok=True)
    _update(weights, name, card)
    return card


def _check_name(name: str, weights: Path) -> None:
    """Raises TwinshotError for a name that is none, that the package's own model has, or that foreign files have."""
    if not re.fullmatch(r"[\w-][\w.-]*", name) or name.endswith(".int8"):  # that is another graph of a model
        raise TwinshotError(f"name {name!r}: use letters, digits, '_', '-' and '.', and do not end in .int8")
    if name in read_manifest(WEIGHTS) and weights.resolve() != WEIGHTS.resolve():
        raise TwinshotError(
            f"name {name!r}: a bundled model already has this name and would take precedence; choose another"
        )
    entries = read_manifest(weights)
    graph = weights / f"{name}.onnx"
    for path in (graph, integers_beside(graph)):
        if path.exists() and name not in entries:
            raise TwinshotError(
                f"{path}: exists, but the manifest there does not list it; remove it or choose another name"
            )


def record_quality(name: str, quality: Mapping[str, str], weights: Path) -> None:
    """Enter what a benchmark found of a model's quality, by set; what is there of other sets stays."""
    card = read_manifest(weights)[name]
    _update(weights, name, replace(card, quality={**card.quality, **quality}))


def _update(weights: Path, name: str, card: Card) -> None:
    path = weights / "manifest.json"
    entries = {key: as_table(entry) for key, entry in {**read_manifest(weights), name: card}.items()}
    write_bytes(path, json.dumps(entries, indent=1).encode() + b"\n")
