"""OpenVINO, where it is installed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..machine import usable_cores
from ..picture.errors import ModelError
from .engine import EXACT, Batch, Loaded, Run, failed
from .models import Card
from .precision import best_precision, cache_key


def load(path: Path, card: Card) -> Loaded:
    """In bf16 where the processor has it, gains by it and stays as good as exact."""
    try:
        import openvino
    except ImportError as error:
        raise ModelError("engine 'openvino' needs its packages; run pip install 'twinshot[openvino]'") from error
    core = openvino.Core()
    graph = core.read_model(path)

    def compiled(hint: str) -> Run:
        # Without the hint it would compute in bf16 silently, wherever the processor can.
        hints = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": usable_cores()}
        network = core.compile_model(graph, "CPU", hints)

        def run(noisy: Batch, blurry: Batch) -> Batch:
            try:
                request = network.create_infer_request()  # of its own, as threads may share a model
                request.start_async({"noisy": noisy, "blurry": blurry})
                request.wait()  # `infer` on one thread would be silent about a failure, and give an empty picture
            except RuntimeError as error:
                raise failed(path, error) from error
            restored: Batch = request.results[0]
            if restored.shape != noisy.shape:
                raise failed(path, f"its result has the shape {restored.shape}, the frames have {noisy.shape}")
            return restored

        return run

    able = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    hints = (EXACT, "bf16") if able else (EXACT,)
    key = cache_key(card.sha256, f"openvino {openvino.__version__}", core.get_property("CPU", "FULL_DEVICE_NAME"))
    hint = best_precision(key, {hint: partial(compiled, hint) for hint in hints})
    return Loaded(compiled(hint), hint)
