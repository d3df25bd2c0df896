"""Which arithmetic or engine should run a network on this machine: measured once, then remembered."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Container, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from ..files.atomic import write_bytes
from ..machine import usable_cores
from ..picture.errors import TwinshotError
from .engine import EXACT, Batch, Run

TOLERANCE = 0.5 / 255  # root mean square of what lower precision may change, half of an 8-bit level
_SHARE = 0.8  # of that, on the frames it is measured on: other pictures may be harder
_SIDE = 256  # px of the frames it is measured on
_SQUARE = 16  # px: side of what they show
_WORTH = 1.1  # times as fast: less is not worth any error
_ROUNDS = 3


def best_precision(key: str, runs: Mapping[str, Callable[[], Run]]) -> str:
    """The name of the fastest arithmetic whose result is as good as exact, as remembered under `key`, or measured now.

    Args:
        key: network, library and processor: whatever may change the choice.
        runs: loaders of the network by the name of the arithmetic; `EXACT` is one of them.
    """
    return remembered(
        key, runs, lambda: fastest({name: load() for name, load in runs.items()}) if len(runs) > 1 else EXACT
    )


def remembered(key: str, choices: Container[str], measure: Callable[[], str]) -> str:
    """What was chosen under `key`, if it still is one of the choices, or what is measured now."""
    known = recalled(key)
    if known is None or known not in choices:
        known = measure()
        keep(key, known)
    return known


def cache_key(checksum: str, library: str, device: str) -> str:
    """What a choice is remembered under: the graph, what runs it, and where."""
    return f"{checksum} {library} {device} {platform.machine()} {usable_cores()}"


def fastest(runs: Mapping[str, Run], clock: Callable[[], float] = time.perf_counter, exact: str = EXACT) -> str:
    """The name of the fastest that stays well within `TOLERANCE` of the exact one on a pair of frames.

    Args:
        runs: the network by name; each computes the pair once before it is timed.
        clock: seconds.
        exact: the name of the exact one, which others have to be clearly faster than.
    """
    noisy, blurry = _frames()
    wanted = runs[exact](noisy, blurry)
    others = [name for name in runs if name != exact]
    good = [exact, *(name for name in others if _error(runs[name](noisy, blurry), wanted) <= _SHARE * TOLERANCE)]
    seconds = _seconds({name: partial(runs[name], noisy, blurry) for name in good}, clock)
    best = min(good, key=lambda name: seconds[name])
    return best if seconds[best] * _WORTH < seconds[exact] else exact


def _frames() -> tuple[Batch, Batch]:
    """A picture of coloured squares, noisy and clean: integers have the ranges of pictures, not of mere noise."""
    rng = np.random.default_rng(0)
    squares = rng.random((1, 3, _SIDE // _SQUARE, _SIDE // _SQUARE), np.float32)
    clean = squares.repeat(_SQUARE, 2).repeat(_SQUARE, 3)
    return (clean + rng.normal(0, 0.08, clean.shape)).clip(0, 1).astype(np.float32), clean


def _error(found: Batch, wanted: Batch) -> float:
    error = float(np.sqrt(np.mean((found - wanted) ** 2)))
    return error if np.isfinite(error) else float("inf")


def _seconds(runs: Mapping[str, Callable[[], Batch]], clock: Callable[[], float]) -> dict[str, float]:
    """Of each at its best, in turn: what else the machine does slows some calls and quickens none."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_ROUNDS):
        for name, run in runs.items():
            began = clock()
            run()
            taken[name].append(clock() - began)
    return {name: min(seconds) for name, seconds in taken.items()}


def cache_path() -> Path | None:
    """Where choices are kept: a cache, which may be removed at any time; None for a user who has no home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twinshot" / "precision.json"
    except RuntimeError:
        return None


def _read(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        known = json.loads(path.read_text("utf-8"))
        return {key: name for key, name in known.items() if isinstance(name, str)}
    except (OSError, ValueError, AttributeError):
        return {}


def recalled(key: str) -> str | None:
    """What is remembered under a key, if anything."""
    return _read(cache_path()).get(key)


def keep(key: str, value: str) -> None:
    """Remember it from now on, where anything can be."""
    path = cache_path()
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, json.dumps({**_read(path), key: value}, indent=1).encode())
    except (OSError, TwinshotError):
        return  # no cache can be written here: it is measured again next time
