"""ONNX Runtime: what comes with every installation."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from types import MappingProxyType

from ..machine import processor, usable_cores
from ..picture.errors import ModelError
from .engine import EXACT, Batch, Loaded, Run, failed
from .models import Card, check_file
from .precision import best_precision, cache_key

_CUDA = "CUDAExecutionProvider"
_NONE: Mapping[str, str] = MappingProxyType({})


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


def has_cuda() -> bool:
    """Whether the ONNX Runtime that is installed was built for CUDA."""
    import onnxruntime

    return _CUDA in onnxruntime.get_available_providers()


def load_cuda(path: Path, card: Card) -> Loaded:
    """On a CUDA device in single precision, where onnxruntime-gpu is installed in the place of onnxruntime."""
    import onnxruntime

    if not has_cuda():
        raise ModelError("engine 'cuda' needs onnxruntime-gpu in the place of onnxruntime; docs/install.md says how")
    with redirect_stdout(sys.stderr):  # it prints what it misses
        onnxruntime.preload_dlls()  # CUDA and cuDNN, where pip installed them
    return Loaded(session(path, _CUDA, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}))


def session(path: Path, provider: str = "CPUExecutionProvider", settings: Mapping[str, str] = _NONE) -> Run:
    """A graph on the processor, or in another provider of ONNX Runtime.

    Raises ModelError for a file that is none, and where the provider cannot be started; so does what it returns.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # its plan of one block takes twice the memory, and no less time
    try:
        session = onnxruntime.InferenceSession(path, options, providers=[(provider, dict(settings))])
    except Exception as error:  # its types have no family of their own
        raise failed(path, error) from error
    if provider not in session.get_providers():  # it goes to the processor without a word
        raise ModelError(f"{provider} could not be started; check the driver, CUDA and cuDNN")

    def run(noisy: Batch, blurry: Batch) -> Batch:
        try:
            restored: Batch = session.run(None, {"noisy": noisy, "blurry": blurry})[0]
        except Exception as error:
            raise failed(path, error) from error
        return restored

    return run
