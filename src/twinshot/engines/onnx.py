"""ONNX Runtime: what comes with every installation."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..machine import processor, threads
from .engine import EXACT, Batch, Loaded, Run, failed
from .models import Card, check_file
from .precision import best_precision, cache_key


def load(path: Path, card: Card) -> Loaded:
    """In single precision."""
    return Loaded(session(path))


def load_integers(path: Path, card: Card) -> Loaded:
    """In 8-bit integers, where the model has such a graph, gains by it here and stays as good as exact.

    Without VNNI sums of two products may overflow. ONNX Runtime's way around it (session.x64quantprecision) takes the
    gain away where there is VNNI, too, so it is left to the measured error.
    """
    if card.int8 is None:
        return load(path, card)
    import onnxruntime

    integers = path.with_name(card.int8.file)
    check_file(integers, card.int8.sha256)
    runs = {EXACT: partial(session, path), "int8": partial(session, integers)}
    key = cache_key(card.int8.sha256, f"onnxruntime {onnxruntime.__version__}", processor())
    arithmetic = best_precision(key, runs)
    return Loaded(runs[arithmetic](), arithmetic)


def session(path: Path) -> Run:
    """A graph on the processor. Raises ModelError for a file that is none, and so does what it returns."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # its plan of one block takes twice the memory, and no less time
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its types have no family of their own
        raise failed(path, error) from error

    def run(noisy: Batch, blurry: Batch) -> Batch:
        try:
            restored: Batch = session.run(None, {"noisy": noisy, "blurry": blurry})[0]
        except Exception as error:
            raise failed(path, error) from error
        return restored

    return run
