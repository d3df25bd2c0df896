"""A model by its name, loaded once: pictures that come one by one, and from several threads, share it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock

import msgspec

from ..picture.errors import ModelError
from . import auto, onnx, openvino, torch
from .eightfold import ORIENTATIONS, eightfold
from .engine import Loaded, Run
from .models import Card, check_file, manifest

ENGINES: dict[str, Callable[[Path, Card], Loaded]] = {
    "onnx": onnx.load,
    "int8": onnx.load_integers,
    "openvino": openvino.load,
    "cuda": onnx.load_cuda,
    "torch": torch.load,
}
"""What can run a model; ONNX Runtime, which the first two use, comes with every installation."""
AUTO = "auto"
"""Whichever of them is fastest here."""
_KEPT = 4  # models that stay in memory: one for pairs and its fallback, in two engines

_one_at_a_time = Lock()


@dataclass(frozen=True, eq=False)
class Model:
    """A network ready to run, in as many threads as there are.

    Attributes:
        name: as in the manifest.
        card: the manifest's entry: settings, training, licence, checksum, measured quality.
        engine: what runs it; "auto" where that is left open, until it is loaded.
        path: its ONNX file.
    """

    name: str
    card: Card
    engine: str
    path: Path
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def multiple(self) -> int:
        """What sides and places of the tiles it is given are multiples of."""
        return self.card.multiple

    @property
    def run(self) -> Run:
        """The loaded network; the file is read and planned at first use."""
        return self.loaded.run

    @property
    def loaded(self) -> Loaded:
        """The network in its engine. Threads that ask at the same time wait for the first one to load it."""
        with self._lock:
            return self._loaded

    @property
    def orientations(self) -> int:
        """In how many orientations the network sees a picture; the result is their mean."""
        return 1

    @property
    def best(self) -> Model:
        """The same network over all orientations of a picture: better by a little, and eight times as slow."""
        return _Best(self.name, self.card, self.engine, self.path, plain=self)

    @cached_property
    def _loaded(self) -> Loaded:
        if self.engine == AUTO:
            return auto.load(self.path, self.card, ENGINES)
        return ENGINES[self.engine](self.path, self.card)

    @property
    def fallback(self) -> Model:
        """What restores the noisy frame alone, for pairs whose other frame is no use; itself if the card names none."""
        return load_model(self.card.fallback, self.engine) if self.card.fallback else self


@dataclass(frozen=True, eq=False, kw_only=True)
class _Best(Model):
    """See `Model.best`; what is loaded is the plain one, so that memory holds it once."""

    plain: Model

    @property
    def loaded(self) -> Loaded:
        loaded = self.plain.loaded
        return replace(loaded, run=eightfold(loaded.run))

    @property
    def orientations(self) -> int:
        return len(ORIENTATIONS)

    @property
    def best(self) -> Model:
        return self

    @property
    def fallback(self) -> Model:
        return self.plain.fallback.best


def load_model(name: str = "twin", engine: str | None = None) -> Model:
    """A model at hand by its name: the same one as long as its file stays as it is, so that it is loaded once.

    Args:
        name: as `twinshot models` lists them.
        engine: "auto", whichever is fastest here; "onnx"; "int8", 8-bit integers where the model has them; or, if
            installed, "openvino", "cuda" (by ONNX Runtime) or "torch". None: what TWINSHOT_ENGINE says, or else "auto".

    Raises:
        ModelError: no such model or engine, or its file is missing or not the one the manifest lists.
    """
    models = manifest()
    if not isinstance(name, str) or name not in models:
        raise ModelError(f"no model is called {name!r}; the models here are {', '.join(models)}")
    engine = os.environ.get("TWINSHOT_ENGINE") or AUTO if engine is None else engine
    if not isinstance(engine, str) or engine not in (AUTO, *ENGINES):
        raise ModelError(f"no engine is called {engine!r}; choose from {', '.join((AUTO, *ENGINES))}")
    path = models[name].path
    as_it_is = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None
    with _one_at_a_time:
        return _model(name, msgspec.json.encode(models[name]), engine, as_it_is)


def forget() -> None:
    """Let go of the models kept in memory; who still holds one goes on using it."""
    _model.cache_clear()


@lru_cache(_KEPT)
def _model(name: str, card: bytes, engine: str, as_it_is: tuple[int, int] | None) -> Model:
    """A model whose file has been checked; the card as bytes, which a cache can tell apart."""
    known = msgspec.json.decode(card, type=Card)
    check_file(known.path, known.sha256)
    return Model(name, known, engine, known.path)
