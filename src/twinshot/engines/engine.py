"""What runs a network: one interface, and the models that ship with it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..machine import processor, threads
from ..picture.pair import TwinshotError
from . import precision

Tensor = NDArray[np.float32]
Run = Callable[[Tensor, Tensor], Tensor]
"""(noisy, blurry) -> restored: float32 (1, 3, h, w), RGB, sRGB-encoded, in [0, 1]; h, w multiples of the model's."""

WEIGHTS = Path(__file__).parents[1] / "weights"
MORE_WEIGHTS = Path(__file__).parents[3] / "weights"
"""In a checkout: models too large, or too little use to photographers, for the package."""
_AGAIN = "install twinshot again, or export the model anew"
_CARD = {"file", "sha256", "multiple", "quality", "trained_on", "licence"}  # what every entry of a manifest has


@dataclass(frozen=True)
class Loaded:
    """A network in its engine, and the arithmetic it computes in: f32, or what was found quicker and good enough."""

    run: Run
    arithmetic: str = precision.EXACT


@dataclass(frozen=True)
class Model:
    """A network ready to run.

    Attributes:
        name: as in the manifest.
        card: the manifest's entry: settings, training, licence, checksum, measured quality.
        engine: what runs it.
        path: its ONNX file.
    """

    name: str
    card: dict[str, Any]
    engine: str
    path: Path

    @property
    def multiple(self) -> int:
        """What sides and places of the tiles it is given are multiples of."""
        return int(self.card["multiple"])

    @property
    def run(self) -> Run:
        """The loaded network; the file is read and planned at first use."""
        return self.loaded.run

    @cached_property
    def loaded(self) -> Loaded:
        """The network in its engine."""
        return ENGINES[self.engine](self)

    @cached_property
    def fallback(self) -> Model:
        """What restores the noisy frame alone, for pairs whose other frame is no use; itself if the card names none."""
        name = self.card.get("fallback")
        return load_model(name, self.engine) if name else self


def manifest() -> dict[str, dict[str, Any]]:
    """The models at hand, by name: the package's, then those of TWINSHOT_WEIGHTS, or else of a checkout's `weights`.

    Each entry is that of the manifest.json beside the model, and `folder`. Raises TwinshotError for a broken manifest,
    or where the folder that was named is none.
    """
    entries: dict[str, dict[str, Any]] = {}
    named = os.environ.get("TWINSHOT_WEIGHTS")
    if named and not Path(named).is_dir():
        raise TwinshotError(f"{named}: no such folder; let TWINSHOT_WEIGHTS name a folder of models, or unset it")
    for folder in (Path(named or MORE_WEIGHTS), WEIGHTS):  # the package's names go first
        for name, card in read_manifest(folder).items():
            entries[name] = {**card, "folder": str(folder)}
    return dict(sorted(entries.items(), key=lambda entry: entry[1]["folder"] != str(WEIGHTS)))


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The entries of a folder of models; none where it has no manifest.json. Raises TwinshotError for a broken one."""
    path = folder / "manifest.json"
    try:
        entries: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        lacking = [name for name, card in entries.items() if not card.keys() >= _CARD or None in card.values()]
    except (OSError, ValueError, AttributeError) as error:
        raise TwinshotError(f"{path}: cannot be read as a list of models ({error}); export them anew") from error
    if lacking:
        raise TwinshotError(f"{path}: says too little of {lacking[0]!r}; export it anew")
    return entries


def load_model(name: str = "twin", engine: str = "onnx") -> Model:
    """A model at hand by its name.

    Raises:
        TwinshotError: no such model or engine, or its file is missing or not the one the manifest lists.
    """
    models = manifest()
    if not isinstance(name, str) or name not in models:
        raise TwinshotError(f"no model is called {name!r}; `twinshot models` lists: {', '.join(models)}")
    if not isinstance(engine, str) or engine not in ENGINES:
        raise TwinshotError(f"no engine is called {engine!r}; choose one of {', '.join(ENGINES)}")
    path = Path(models[name]["folder"]) / models[name]["file"]
    check_file(path, models[name]["sha256"])
    return Model(name, models[name], engine, path)


def check_file(path: Path, checksum: str) -> None:
    """Raises TwinshotError where a file cannot be read, or its SHA-256 is another."""
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise TwinshotError(f"{path}: cannot be read ({error.strerror}); {_AGAIN}") from error
    if found != checksum:
        raise TwinshotError(f"{path}: is not the file the manifest lists; {_AGAIN}")


def _onnx(model: Model) -> Loaded:
    return Loaded(_session(model.path))


def _int8(model: Model) -> Loaded:
    """ONNX Runtime in 8-bit integers, where the model has such a graph, gains by it here and stays as good as exact.

    Without VNNI sums of two products may overflow. ONNX Runtime's way around it (session.x64quantprecision) takes the
    gain away where there is VNNI, too, so it is left to the measured error.
    """
    import onnxruntime

    if "int8" not in model.card:
        return _onnx(model)
    kept = model.card["int8"]
    path = model.path.with_name(kept["file"])
    check_file(path, kept["sha256"])
    runs = {precision.EXACT: partial(_session, model.path), "int8": partial(_session, path)}
    arithmetic = precision.chosen(_here(kept["sha256"], f"onnxruntime {onnxruntime.__version__}", processor()), runs)
    return Loaded(runs[arithmetic](), arithmetic)


def _here(checksum: str, library: str, device: str) -> str:
    """What a choice of arithmetic is remembered under: the graph, what runs it, and where."""
    return f"{checksum} {library} {device} {platform.machine()} {threads()}"


def _session(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # its plan of one block takes twice the memory, and no less time
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its types have no family of their own
        raise _failed(path, error) from error

    def run(noisy: Tensor, blurry: Tensor) -> Tensor:
        try:
            restored: Tensor = session.run(None, {"noisy": noisy, "blurry": blurry})[0]
        except Exception as error:
            raise _failed(path, error) from error
        return restored

    return run


def _failed(path: Path, error: Exception) -> TwinshotError:
    return TwinshotError(f"{path}: could not be run ({error}); if memory ran out, crop the pictures")


def _openvino(model: Model) -> Loaded:
    """OpenVINO, in bf16 where the processor has it, gains by it and stays as good as exact."""
    try:
        import openvino
    except ImportError as error:
        raise TwinshotError("engine 'openvino' needs its packages: pip install 'twinshot[openvino]'") from error
    core = openvino.Core()
    graph = core.read_model(model.path)

    def load(hint: str) -> Run:
        # Without the hint it would compute in bf16 silently, wherever the processor can.
        compiled = core.compile_model(
            graph, "CPU", {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads()}
        )

        def run(noisy: Tensor, blurry: Tensor) -> Tensor:
            try:
                request = compiled.create_infer_request()  # of its own, as threads may share a model
                restored: Tensor = request.infer({"noisy": noisy, "blurry": blurry})[0]
            except RuntimeError as error:
                raise _failed(model.path, error) from error
            return restored

        return run

    able = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    hints = (precision.EXACT, "bf16") if able else (precision.EXACT,)
    device = core.get_property("CPU", "FULL_DEVICE_NAME")
    key = _here(model.card["sha256"], f"openvino {openvino.__version__}", device)
    hint = precision.chosen(key, {hint: partial(load, hint) for hint in hints})
    return Loaded(load(hint), hint)


def _torch(model: Model) -> Loaded:
    """torch, on a CUDA device where there is one."""
    try:
        import torch

        from ..export.release import network_of
    except ImportError as error:
        raise TwinshotError("engine 'torch' needs its packages: pip install 'twinshot[train]'") from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = network_of(model).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def run(noisy: Tensor, blurry: Tensor) -> Tensor:
        try:
            frames = [torch.from_numpy(frame).to(device) for frame in (noisy, blurry)]
            restored: Tensor = net(*frames).cpu().numpy()
        except RuntimeError as error:  # CUDA's memory is the usual one
            raise _failed(model.path, error) from error
        return restored

    return Loaded(run)


ENGINES: dict[str, Callable[[Model], Loaded]] = {
    "onnx": _onnx,
    "int8": _int8,
    "openvino": _openvino,
    "torch": _torch,
}
"""What can run a model; ONNX Runtime, which the first two use, comes with every installation."""
