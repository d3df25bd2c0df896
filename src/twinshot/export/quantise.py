"""A network's graph in 8-bit integers: 1.2 to 1.6 times as fast where one instruction multiplies them (VNNI).

Static quantisation: weights by output channel, activations by the range they have on calibration pairs. Only the wide
3x3 convolutions compute in integers: of `twin` those at 1/8 resolution and below, of `twin-large` at 1/4, too. The
rounding of the finest level goes into the picture as it is: with that the loss is twenty times as large
(docs/notebook/speed.md).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

Frames = tuple[NDArray[np.float32], NDArray[np.float32]]
"""noisy (gain-matched) and blurry (registered), (1, 3, h, w) in [0, 1]; all of one size."""

_WIDE = 96  # channels in and out


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands out the calibration pairs by the graph's input names."""

    def __init__(self, pairs: Iterable[Frames]) -> None:
        self.feeds: Iterator[dict[str, NDArray[np.float32]]] = iter(
            [{"noisy": noisy, "blurry": blurry} for noisy, blurry in pairs]
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next pair; None after the last."""
        return next(self.feeds, None)


def quantised(graph: onnx.ModelProto, calibration: Sequence[Frames]) -> onnx.ModelProto:
    """The graph with its wide convolutions in 8-bit integers.

    Args:
        graph: as `to_onnx` makes it, with `wide_convolutions`.
        calibration: pairs like those of use; the largest and smallest values on them become the ends of the ranges.

    Returns:
        A graph of the same inputs and output.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, target = (Path(folder, f"{name}.onnx") for name in ("plain", "prepared", "integer"))
        onnx.save(graph, plain)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            target,
            _Reader(calibration),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,  # with signed weights: the pair that VNNI multiplies
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_quantize=wide_convolutions(onnx.load(prepared)),
            calibrate_method=CalibrationMethod.MinMax,
        )
        return onnx.load(target)


def wide_convolutions(graph: onnx.ModelProto) -> list[str]:
    """Names of the 3x3 convolutions with many channels in and out, which hold most of the work."""
    shapes = {weight.name: tuple(weight.dims) for weight in graph.graph.initializer}
    nodes = [(node.name, shapes.get(node.input[1], ())) for node in graph.graph.node if node.op_type == "Conv"]
    return [name for name, shape in nodes if shape[2:] == (3, 3) and min(shape[:2]) >= _WIDE]


def rounding(graph: onnx.ModelProto, exact: onnx.ModelProto, pairs: Sequence[Frames]) -> float:
    """Root mean square difference of two graphs' outputs over `pairs`, in [0, 1] units."""
    sessions = [
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        for model in (graph, exact)
    ]
    squares = []
    for noisy, blurry in pairs:
        ours, wanted = (session.run(None, {"noisy": noisy, "blurry": blurry})[0] for session in sessions)
        squares.append(float(np.mean((ours - wanted) ** 2)))
    return float(np.sqrt(np.mean(squares)))
