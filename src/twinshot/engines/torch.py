"""torch, where it is installed: on a CUDA device if there is one, and for whatever trains a model further."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..picture.errors import ModelError
from .engine import Batch, Loaded, failed
from .models import Card, check_file

if TYPE_CHECKING:
    from torch import nn


def load(path: Path, card: Card) -> Loaded:
    """In single precision."""
    try:
        import torch

        net = network_of(path, card)
    except ImportError as error:
        raise ModelError("engine 'torch' needs its packages: pip install 'twinshot[train]'") from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = net.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def run(noisy: Batch, blurry: Batch) -> Batch:
        try:
            frames = [torch.from_numpy(frame).to(device) for frame in (noisy, blurry)]
            restored: Batch = net(*frames).cpu().numpy()
        except RuntimeError as error:  # CUDA's memory is the usual one
            raise failed(path, error) from error
        return restored

    return Loaded(run)


def network_of(path: Path, card: Card) -> nn.Module:
    """The torch network of a model: of the safetensors beside its graph, or else of the graph's own weights.

    Raises:
        ModelError: the safetensors are not those the manifest lists; or there are none, and the graph's weights are
            no longer those of the network, as where batch norm was folded in.
    """
    import onnx
    import torch
    from onnx import numpy_helper

    from ..nets import build

    kept = path.with_suffix(".safetensors")
    if card.safetensors:
        check_file(kept, card.safetensors)
        return load_weights(kept)
    weights = onnx.load(path).graph.initializer
    state = {w.name.removesuffix("_half"): torch.tensor(numpy_helper.to_array(w)) for w in weights}
    recipe = card.training.recipe["net"]
    net = build(recipe["kind"], recipe["settings"])
    if missing := sorted(set(net.state_dict()) - set(state)):
        raise ModelError(f"{kept}: needed to run this model with torch, as its graph lacks {missing[0]}")
    net.load_state_dict({name: state[name] for name in net.state_dict()})
    return net.eval()


def load_weights(path: Path) -> nn.Module:
    """The network of a safetensors file that `export.release.save_weights` wrote, float32, in evaluation mode.

    Raises:
        ModelError: not such a file.
    """
    from safetensors import SafetensorError, safe_open

    from ..nets import build

    try:
        with safe_open(path, "pt") as file:
            about = file.metadata()
            state = {name: file.get_tensor(name) for name in list(file.keys())}
        net = build(about["kind"], json.loads(about["settings"]))
        net.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: holds no network of twinshot ({error}); export it again") from error
    return net.eval()
