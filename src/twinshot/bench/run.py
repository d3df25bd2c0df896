"""Run systems over a set and gather what they scored."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ..engine import threads
from ..pair import TwinshotError
from .datasets import Triple, triples_in
from .metrics import psnr, ssim
from .systems import System, system, version_of

Results = dict[str, Any]


def run(
    folder: Path, names: Sequence[str], before: Results | None = None, keep: Callable[[Results], None] | None = None
) -> Results:
    """Every system on every triple of a folder: means, and each picture's figures.

    A system that fails becomes a row that says why; the others go on.

    Args:
        folder: the set.
        names: the systems.
        before: earlier results: their rows are taken over where set and system are still the same.
        keep: called with the results after each new row, so that a killed run goes on where it was.
    """
    triples = triples_in(folder)
    results: Results = {
        "set": folder.name,
        "set_sha256": _digest(triples),
        "pictures": len(triples),
        "convention": "paper",
        "machine": f"{platform.machine()}, {threads()} cores",
        "systems": {},
    }
    if before and before["set_sha256"] == results["set_sha256"]:
        results["systems"] |= before["systems"]
    for name in names:
        row = results["systems"].get(name, {"error": "not run"})
        if "error" in row or row["version"] != version_of(name):
            results["systems"] = _ordered({**results["systems"], name: _row(name, triples)}, names)
            if keep:
                keep(results)
    return results


def _ordered(rows: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The rows that were asked for, in that order, then the others."""
    return {name: rows[name] for name in [*names, *rows] if name in rows}


def _digest(triples: Sequence[Triple]) -> str:
    """SHA-256 over all files of the set."""
    files = [path for triple in triples for path in (triple.noisy, triple.blurry, triple.sharp)]
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()


def _row(name: str, triples: Sequence[Triple]) -> dict[str, Any]:
    cases = []
    try:
        chosen = system(name)
        for triple in triples:
            cases.append(_case(chosen, triple))
    except TwinshotError as error:
        return {"error": str(error)}
    except Exception as error:  # systems are others' code too, and raise what they like
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return {"error": f"{triples[len(cases)].name}: {reason}"}
    means = {key: sum(case[key] for case in cases) / len(cases) for key in ("psnr", "ssim")}
    seconds = median(case["seconds"] for case in cases)
    return {**means, "seconds": seconds, "version": version_of(name), "cases": cases}


def _case(chosen: System, triple: Triple) -> dict[str, Any]:
    pair, truth = triple.pair(), triple.truth()
    began = time.perf_counter()
    picture = chosen(pair, triple.meta, truth)
    seconds = time.perf_counter() - began
    if picture.shape != truth.shape:
        raise TwinshotError(f"{triple.name}: the picture has shape {picture.shape}, the truth {truth.shape}")
    return {"name": triple.name, "psnr": psnr(picture, truth), "ssim": ssim(picture, truth), "seconds": seconds}
