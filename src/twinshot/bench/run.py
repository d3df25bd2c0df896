"""Run systems over a set and gather what they scored."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ..engine import threads
from ..pair import TwinshotError
from .datasets import Triple, triples_in
from .metrics import psnr, ssim
from .systems import System, system


def run(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Every system on every triple of a folder: means, and each picture's figures.

    A system that fails becomes a row that says why; the others go on.
    """
    triples = triples_in(folder)
    return {
        "set": folder.name,
        "pictures": len(triples),
        "convention": "paper",
        "machine": f"{platform.machine()}, {threads()} cores",
        "systems": {name: _row(name, triples) for name in names},
    }


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
    return {**means, "seconds": median(case["seconds"] for case in cases), "cases": cases}


def _case(chosen: System, triple: Triple) -> dict[str, Any]:
    pair, truth = triple.pair(), triple.truth()
    began = time.perf_counter()
    picture = chosen(pair, triple.meta, truth)
    seconds = time.perf_counter() - began
    if picture.shape != truth.shape:
        raise TwinshotError(f"{triple.name}: the picture has shape {picture.shape}, the truth {truth.shape}")
    return {"name": triple.name, "psnr": psnr(picture, truth), "ssim": ssim(picture, truth), "seconds": seconds}
