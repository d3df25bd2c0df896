"""How fast a machine convolves at best: what a network's own speed is held against."""

from __future__ import annotations

import hashlib
import tempfile
import time
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ..engines.loading import Model
from ..engines.models import Card, Training

WIDTHS = (64, 128, 192)  # channels: engines are at their best at one of them
_LAYERS = 6
SIDE = 160  # px: the maps of all layers together leave the caches, as a network's do
_ROUNDS = 5


def gflops(engine: str) -> float | None:
    """Billions of operations a second in plain 3x3 convolutions, in the arithmetic the engine chooses here.

    A multiplication and an addition count as two. None for an engine that runs no bare graphs (torch) or would have to
    be shown their ranges (int8), and without the package onnx (of the extra `train`), which makes one.
    """
    if engine in ("int8", "torch") or find_spec("onnx") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        return max(_measured(Path(folder, f"{width}.onnx"), width, engine) for width in WIDTHS)


def network_gflops(model: Model, height: int, width: int) -> tuple[float, float]:
    """A network's billions of operations for a picture, and the seconds (median) the network alone takes for them."""
    height, width = (-(-side // model.multiple) * model.multiple for side in (height, width))
    frames = np.random.default_rng(0).random((2, 1, 3, height, width), np.float32)
    assert model.card.flops_per_pixel is not None
    return model.card.flops_per_pixel * height * width / 1e9, _seconds(model, frames)


def _measured(path: Path, width: int, engine: str) -> float:
    data = chain_of_convolutions(width)
    path.write_bytes(data)
    model = Model("convolutions", _card(path.name, hashlib.sha256(data).hexdigest()), engine, path)
    frames = np.random.default_rng(0).random((2, 1, 3, SIDE, SIDE), np.float32)
    operations = 18 * SIDE**2 * (2 * 3 * width + _LAYERS * width**2)
    return operations / _seconds(model, frames) / 1e9


def _card(file: str, sha256: str) -> Card:
    recipe = {"name": "", "net": {"kind": "", "settings": {}}, "data": {"batch": 1, "crop": 1}}
    return Card(
        file=file,
        sha256=sha256,
        multiple=1,
        parameters=0,
        training=Training(recipe, 0, 0.0),
        trained_on="",
        licence="",
        quality={},
    )


def _seconds(model: Model, frames: Any) -> float:
    taken = []
    for _ in range(_ROUNDS + 1):  # the first one plans
        began = time.perf_counter()
        model.run(*frames)
        taken.append(time.perf_counter() - began)
    return median(taken[1:])


def chain_of_convolutions(width: int) -> bytes:
    """A graph of 3x3 convolutions one after the other, with a network's inputs and output."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    widths = [3, *[width] * (_LAYERS + 1), 3]
    nodes, weights = [], []
    for index, (taken, given) in enumerate(pairwise(widths)):
        scale = (0.05 if given == 3 else 1.0) / np.sqrt(9 * taken)
        values = rng.normal(0, scale, (given, taken, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{index}"))
        source, target = f"x{index}" if index else "noisy", f"x{index + 1}" if given != 3 else "restored"
        nodes.append(helper.make_node("Conv", [source, f"w{index}"], [target], pads=[1] * 4))
    shape: list[str | int | None] = [1, 3, "height", "width"]
    frames = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("noisy", "blurry")]
    result = [helper.make_tensor_value_info("restored", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(nodes, "convolutions", frames, result, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data
