"""From a checkpoint to the ONNX files that ship: averaged weights, any height and width, stored in half precision."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from msgspec import structs
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..engines.models import Card, IntegerGraph
from ..engines.precision import TOLERANCE
from ..files.atomic import write_bytes
from ..nets import about, build, takes_of
from ..nets.blocks import remove_spectral_norm
from ..picture.pair import TwinshotError
from .checkpoint import Checkpoint, read_checkpoint
from .quantise import Frames, quantised, rounding, wide_convolutions

OPSET = 18


def export(checkpoint: Path, output: Path, calibration: Sequence[Frames] = ()) -> Card:
    """Write the network of a checkpoint as ONNX; returns what a manifest says of it, but for what it is not told.

    Args:
        checkpoint: of a run.
        output: the file; with `calibration`, a graph in 8-bit integers is written beside it, as NAME.int8.onnx.
        calibration: pairs that show the graph in integers its ranges; none: there is no such graph.

    Raises:
        TwinshotError: no such checkpoint, or the stored graph differs from the network by 1/255 or more, or its
            output is not finite, or what `in_integers` says.
    """
    net, kept = averaged(checkpoint)
    graph = to_onnx(net)
    integers, moved = in_integers(graph, calibration, checkpoint) if calibration else (b"", 0.0)
    # After the integers: halving changes the graph itself.
    data = stored_as_fp16(graph).SerializeToString()
    difference = largest_difference(net, data)
    if not difference < 1 / 255:  # nor NaN
        raise TwinshotError(
            f"{checkpoint}: half precision changes the output by {difference:.4f}, too much; nothing was written"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(output, data)
    card = _card(net, kept, output.name, data, difference)
    if not integers:
        return card
    write_bytes(integers_beside(output), integers)
    return structs.replace(card, int8=_integer_graph(integers_beside(output).name, integers, moved))


def _card(net: nn.Module, checkpoint: Checkpoint, file: str, data: bytes, difference: float) -> Card:
    recipe = checkpoint.recipe
    kind, settings = recipe["net"]["kind"], recipe["net"]["settings"]
    what, source = about(kind)
    return Card(
        file=file,
        sha256=hashlib.sha256(data).hexdigest(),
        about=", ".join(filter(None, (what, recipe.get("about")))),
        source=source,
        takes=takes_of(kind, settings),
        multiple=int(net.multiple),  # type: ignore[arg-type]
        parameters=sum(p.numel() for p in net.parameters()),
        flops_per_pixel=flops_per_pixel(net),
        half_precision_error=round(difference, 6),
        training=checkpoint.training,
        trained_on="",
        licence="",
        quality={},
    )


def _integer_graph(name: str, data: bytes, moved: float) -> IntegerGraph:
    return IntegerGraph(name, hashlib.sha256(data).hexdigest(), round(moved, 6))


def integers_beside(output: Path) -> Path:
    """Where the graph in 8-bit integers is, beside the one in floating point."""
    return output.with_suffix(".int8.onnx")


def in_integers(graph: onnx.ModelProto, calibration: Sequence[Frames], source: Path) -> tuple[bytes, float]:
    """The file of the graph in 8-bit integers, and the root mean square of what they change on the pairs.

    Raises:
        TwinshotError: `source` holds a network that has no layers for integers, or whose output they move too far.
    """
    if not wide_convolutions(graph):
        raise TwinshotError(f"{source}: has no layers that gain from 8-bit integers; export it without calibration")
    stored = stored_as_fp16(quantised(graph, calibration))
    moved = rounding(stored, graph, calibration)
    if not moved <= TOLERANCE:
        raise TwinshotError(f"{source}: 8-bit integers change the output by {moved:.4f}; export it without calibration")
    return stored.SerializeToString(), moved


def averaged(checkpoint: Path) -> tuple[nn.Module, Checkpoint]:
    """The network of a checkpoint with its averaged weights, spectral norm written out, and the checkpoint.

    Raises:
        TwinshotError: no such checkpoint, or one of a network that has changed since.
    """
    kept = read_checkpoint(checkpoint)
    net = build(kept.recipe["net"]["kind"], kept.recipe["net"]["settings"])
    try:
        net.load_state_dict(kept.average)
    except RuntimeError as error:
        raise TwinshotError(
            f"{checkpoint}: its weights no longer fit the network in its recipe; train it again"
        ) from error
    return remove_spectral_norm(net.eval()), kept


def to_onnx(net: nn.Module) -> onnx.ModelProto:
    """The network's graph with inputs `noisy` and `blurry`, output `restored`, (1, 3, height, width), both free."""
    side = 64  # every net takes it, and it is far from the sizes of 1 that a trace would freeze
    frames = (torch.rand(1, 3, side, 2 * side), torch.rand(1, 3, side, 2 * side))
    free = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    with _without_remarks():
        program = torch.onnx.export(
            net,
            frames,
            dynamo=True,
            external_data=False,
            input_names=["noisy", "blurry"],
            output_names=["restored"],
            opset_version=OPSET,
            dynamic_shapes=(free, free),
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto
    for node in graph.graph.node:
        del node.metadata_props[:]  # where in the source each came from, with the exporting machine's paths
    return graph


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Hold back what torch says at every export: that torchvision is missing, and what in itself is deprecated."""
    said = logging.getLogger("torch.onnx")
    level = said.level
    said.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        said.setLevel(level)


def stored_as_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights stored as float16, cast back to float32 when the graph is loaded: half the file, the same arithmetic.

    Biases and the scales of integers stay as they are.
    """
    graph = model.graph
    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.ndim > 1:
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


@torch.no_grad()
def flops_per_pixel(net: nn.Module, side: int = 256) -> float:
    """Floating-point operations for each pixel of a picture of `side` squared, as torch counts them."""
    frame = torch.rand(1, 3, side, side)
    with FlopCounterMode(display=False) as counter:
        net(frame, frame)
    return round(float(counter.get_total_flops()) / side**2, 1)


@torch.no_grad()
def largest_difference(net: nn.Module, data: bytes) -> float:
    """Between the network and the stored graph, on noise at three sizes.

    Both frames have texture: an instance norm makes whole features of a flat frame's rounding.
    """
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for height, width in sizes_for(int(net.multiple)):  # type: ignore[arg-type]
        noisy, blurry = torch.rand((2, 1, 3, height, width), generator=generator)
        stored = session.run(None, {"noisy": noisy.numpy(), "blurry": blurry.numpy()})[0]
        worst = float(np.maximum(worst, _difference(net(noisy, blurry), stored)))  # keeps NaN, as max would not
    return worst


def sizes_for(multiple: int) -> list[tuple[int, int]]:
    """Heights and widths to try a network at: the odd ones stay so where its multiple allows."""
    return [(-(-h // multiple) * multiple, -(-w // multiple) * multiple) for h, w in ((96, 64), (48, 176), (53, 83))]


def _difference(ours: Tensor, stored: Any) -> float:
    return float(np.abs(ours.numpy() - stored).max())
