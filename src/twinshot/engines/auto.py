"""The engine that runs a network fastest here: measured once where there are several, then remembered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ..machine import has_cuda_driver, processor
from ..picture.errors import ModelError
from . import onnx, torch
from .engine import Batch, Loaded, Run
from .models import Card
from .precision import cache_key, fastest, remembered

Load = Callable[[Path, Card], Loaded]

FIRST = "onnx"
"""What every installation has: as exact as the others have to be, and what runs a network where they fail."""

_log = logging.getLogger(__name__)


def load(path: Path, card: Card, engines: Mapping[str, Load]) -> Loaded:
    """A network in the engine that is fastest here among those as good as exact; in ONNX Runtime where that one fails.

    What fails is said to the logger. Raises ModelError where ONNX Runtime fails, too.
    """
    names = installed(card)
    known: dict[str, Loaded] = {}

    def measured() -> str:
        known.update(_loaded(path, card, engines, names))
        return fastest({name: _tried(name, loaded.run) for name, loaded in known.items()}, exact=FIRST)

    name = remembered(_key(card, names), names, measured) if len(names) > 1 else FIRST
    known = known or _loaded(path, card, engines, (name,)) or _loaded(path, card, engines, (FIRST,))
    if name not in known or name == FIRST:
        return replace(known[FIRST], engine=FIRST)
    return _or_first(known[name], name, lambda: engines[FIRST](path, card))


def installed(card: Card) -> tuple[str, ...]:
    """The engines whose packages, and whose CUDA device, are here; ONNX Runtime is always the first."""
    cuda = has_cuda_driver()
    there = {
        FIRST: True,
        "int8": card.int8 is not None,
        "openvino": find_spec("openvino") is not None,
        "cuda": cuda and onnx.has_cuda(),
        "torch": cuda and torch.has_cuda(),
    }
    return tuple(name for name, here in there.items() if here)


def _key(card: Card, names: Iterable[str]) -> str:
    import onnxruntime

    others = (f"{name} {version(name)}" if name in ("openvino", "torch") else name for name in names)
    return cache_key(card.sha256, f"onnxruntime {onnxruntime.__version__}: {', '.join(others)}", processor())


def _loaded(path: Path, card: Card, engines: Mapping[str, Load], names: Iterable[str]) -> dict[str, Loaded]:
    """The network in each engine that loads it; others than ONNX Runtime may fail, which is said."""
    found = {}
    for name in names:
        try:
            found[name] = engines[name](path, card)
        except Exception as error:  # packages that do not fit a machine raise what they like
            if name == FIRST:
                raise
            _say(name, error)
    return found


def _tried(name: str, run: Run) -> Run:
    """A run for measuring, whose failure is said and leaves nothing that could be good enough."""

    def call(noisy: Batch, blurry: Batch) -> Batch:
        try:
            return run(noisy, blurry)
        except ModelError as error:
            if name == FIRST:
                raise
            _say(name, error)
            return np.full_like(noisy, np.nan)

    return call


def _say(name: str, error: Exception) -> None:
    _log.warning("Engine %r is installed but cannot be used here (%s), so another one runs the network.", name, error)


def _or_first(loaded: Loaded, name: str, first: Callable[[], Loaded]) -> Loaded:
    """The network in its engine until that one fails, as where a device has too little memory for a whole tile."""
    result = Loaded(loaded.run, loaded.arithmetic, name)

    def run(noisy: Batch, blurry: Batch) -> Batch:
        try:
            return loaded.run(noisy, blurry)
        except ModelError as error:
            _say(name, error)
            other = first()
            result.run, result.arithmetic, result.engine = other.run, other.arithmetic, FIRST
            return other.run(noisy, blurry)

    result.run = run
    return result
