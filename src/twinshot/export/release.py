"""A trained network becomes a model that ships: ONNX file, manifest entry, measured quality."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from ..engines.engine import WEIGHTS, Model, check_file, manifest, read_manifest
from ..files.atomic import write_bytes
from ..nets import build
from ..picture.pair import TwinshotError
from .quantise import Frames
from .to_onnx import averaged, export, integers_beside


def add_to_manifest(
    checkpoint: Path,
    name: str,
    weights: Path,
    safetensors: bool = False,
    trained_on: str = "",
    licence: str = "",
    fallback: str = "",
    calibration: Sequence[Frames] = (),
) -> dict[str, Any]:
    """Export a checkpoint to `weights`/NAME.onnx and enter it in the manifest beside it; returns the entry.

    Args:
        checkpoint: of a run.
        name: what the model will be called.
        weights: a folder of models, made where it is missing.
        safetensors: whether to keep the weights for torch, too, in NAME.safetensors.
        trained_on, licence: what to say of the data and the weights.
        fallback: a model that restores the noisy frame alone, for pairs that do not go together.
        calibration: pairs for a graph in 8-bit integers, kept in NAME.int8.onnx; none: there is no such graph.

    Raises:
        TwinshotError: a name that cannot be used or that other files there have, or what `export` says.
    """
    _check_name(name, weights)
    if fallback and fallback not in {**read_manifest(weights), **manifest()}:
        raise TwinshotError(f"--fallback {fallback}: no such model; `twinshot models` lists those at hand")
    graph = weights / f"{name}.onnx"
    card = export(checkpoint, graph, calibration)
    card |= {"trained_on": trained_on, "licence": licence, "quality": {}}
    if fallback:
        card["fallback"] = fallback
    kept = weights / f"{name}.safetensors"
    if safetensors:
        save_weights(checkpoint, kept)
        card["safetensors"] = hashlib.sha256(kept.read_bytes()).hexdigest()
    else:
        kept.unlink(missing_ok=True)  # those of an earlier export
    if not calibration:
        integers_beside(graph).unlink(missing_ok=True)
    _update(weights, name, card)
    return card


def _check_name(name: str, weights: Path) -> None:
    """Raises TwinshotError for a name that is none, that the package's own model has, or that foreign files have."""
    if not re.fullmatch(r"[\w-][\w.-]*", name) or name.endswith(".int8"):  # that is another graph of a model
        raise TwinshotError(
            f"--name {name}: give a plain name of letters, digits, '_', '-' and '.', not ending in .int8"
        )
    if name in read_manifest(WEIGHTS) and weights.resolve() != WEIGHTS.resolve():
        raise TwinshotError(f"--name {name}: a model of the package is called so, and goes first; choose another name")
    known = read_manifest(weights)
    graph = weights / f"{name}.onnx"
    for path in (graph, integers_beside(graph), weights / f"{name}.safetensors"):
        if path.exists() and name not in known:
            raise TwinshotError(
                f"{path}: exists, but the manifest there does not list it; remove it or choose another name"
            )


def save_weights(checkpoint: Path, output: Path) -> None:
    """The averaged weights as safetensors in half precision (1-D ones whole), with what `load_weights` builds.

    Spectral norm is written out: the weights are those the network computes with.
    """
    net, table = averaged(checkpoint)
    settings = table["recipe"]["net"]["settings"]
    if "spectral" in signature(type(net)).parameters:
        settings = {**settings, "spectral": False}
    state = {name: value.half() if value.ndim > 1 else value for name, value in net.state_dict().items()}
    contiguous = {name: value.contiguous() for name, value in state.items()}
    write_bytes(output, save(contiguous, {"kind": table["recipe"]["net"]["kind"], "settings": json.dumps(settings)}))


def load_weights(path: Path) -> nn.Module:
    """The network of a safetensors file that `save_weights` wrote, float32, in evaluation mode.

    Raises:
        TwinshotError: not such a file.
    """
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata()
            state = {name: file.get_tensor(name) for name in list(file.keys())}
        net = build(about["kind"], json.loads(about["settings"]))
        net.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TwinshotError(f"{path}: holds no network of twinshot ({error}); export it anew") from error
    return net.eval()


def network_of(model: Model) -> nn.Module:
    """The torch network of a model: of the safetensors beside its graph, or else of the graph's own weights.

    Raises:
        TwinshotError: the safetensors are not those the manifest lists; or there are none, and the graph's weights are
            no longer those of the network, as where batch norm was folded in.
    """
    kept = model.path.with_suffix(".safetensors")
    if "safetensors" in model.card:
        check_file(kept, model.card["safetensors"])
        return load_weights(kept)
    weights = onnx.load(model.path).graph.initializer
    state = {w.name.removesuffix("_half"): torch.tensor(numpy_helper.to_array(w)) for w in weights}
    recipe = model.card["training"]["recipe"]["net"]
    net = build(recipe["kind"], recipe["settings"])
    if missing := sorted(set(net.state_dict()) - set(state)):
        raise TwinshotError(f"{kept}: needed to run this model with torch, as its graph lacks {missing[0]}")
    net.load_state_dict({name: state[name] for name in net.state_dict()})
    return net.eval()


def record_quality(name: str, results: dict[str, Any], weights: Path) -> None:
    """Enter the model's PSNR and SSIM on each set of a benchmark's results; rows of other weights are passed over."""
    card = json.loads((weights / "manifest.json").read_text("utf-8"))[name]
    for set_name, result in results["sets"].items():
        row = result["systems"].get(name, {})
        if "ssim_paper" in row and row["version"].startswith(card["sha256"][:12]):
            card["quality"][set_name] = f"{row['psnr']:.2f} dB / {row['ssim_paper']:.4f}"
    _update(weights, name, card)


def _update(weights: Path, name: str, card: dict[str, Any]) -> None:
    path = weights / "manifest.json"
    write_bytes(path, json.dumps({**read_manifest(weights), name: card}, indent=1).encode() + b"\n")
