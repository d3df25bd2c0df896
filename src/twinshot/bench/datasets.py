"""Sets to measure on: folders of triples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import exposure
from ..baselines.system import Shot
from ..io import read
from ..light import Image
from ..pair import TwinshotError, as_float
from ..restoration import Source, read_pair, register

KINDS = ("noisy", "blurry", "sharp")


@dataclass(frozen=True)
class Triple:
    """One test case: files, and what meta.jsonl says of it (empty where there is none)."""

    name: str
    noisy: Path
    blurry: Path
    sharp: Path
    burst: tuple[Path, ...]
    truths: tuple[Path, ...]  # where a result may fit any of several (Koehler et al.); else empty
    meta: dict[str, Any]

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.noisy, self.blurry, self.sharp, *self.burst)

    def truth(self) -> Image:
        """The sharp frame, float32 in [0, 1]."""
        return as_float(read(self.sharp).pixels)

    def shot(self) -> Shot:
        """What systems get; see `shot_of`."""
        burst = tuple(as_float(read(path).pixels) for path in self.burst)
        return shot_of(self.noisy, self.blurry, burst, self.truth())


def shot_of(noisy: Source, blurry: Source, burst: Sequence[Image], truth: Image) -> Shot:
    """What systems get: every short frame is brought to the blurry frame's exposure, as `restore` does it.

    Args:
        noisy, blurry: as `restore` takes them.
        burst: short frames, exposed as `noisy`.
        truth: what the noisy frame's error is measured against.
    """
    pair = read_pair(noisy, blurry)
    match = exposure.estimate(pair.noisy.pixels, pair.blurry.pixels, exposure.exif_gain(pair))
    _, match = register(pair, match)
    matched = exposure.apply(as_float(pair.noisy.pixels), match)
    sigma = float(np.sqrt(np.mean((matched - truth) ** 2)))
    return Shot(pair, matched, as_float(pair.blurry.pixels), tuple(exposure.apply(f, match) for f in burst), sigma)


def triples_in(folder: Path) -> list[Triple]:
    """The triples noisy/NAME, blurry/NAME, sharp/NAME of a folder, by name.

    Where they are there: bursts in burst/STEM/*.png, what is known of each in meta.jsonl, several truths of one picture
    in truths.json.

    Raises:
        TwinshotError: a folder or a file of a triple is missing.
    """
    kinds = [folder / kind for kind in KINDS]
    for kind in kinds:
        if not kind.is_dir():
            raise TwinshotError(f"{kind}: no such folder; a set of triples has noisy/, blurry/ and sharp/")
    names = sorted(path.name for path in kinds[2].iterdir() if not path.name.startswith("."))
    if not names:
        raise TwinshotError(f"{kinds[2]}: holds no pictures")
    meta, truths = _meta(folder / "meta.jsonl"), _truths(folder / "truths.json")
    return [_triple(name, kinds, truths.get(name, []), meta.get(name, {})) for name in names]


def digest(triples: Sequence[Triple]) -> str:
    """SHA-256 over all files of a set."""
    files = [path for triple in triples for path in triple.files]
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()


def _triple(name: str, kinds: list[Path], truths: list[str], meta: dict[str, Any]) -> Triple:
    for kind in kinds:
        if not (kind / name).is_file():
            raise TwinshotError(f"{kind / name}: missing, but {kinds[2] / name} is there; a triple needs all three")
    burst = tuple(sorted((kinds[0].parent / "burst" / Path(name).stem).glob("*.png")))
    noisy, blurry, sharp = (kind / name for kind in kinds)
    return Triple(name, noisy, blurry, sharp, burst, tuple(map(Path, truths)), meta)


def _truths(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def _meta(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    rows = [json.loads(row) for row in path.read_text("utf-8").splitlines() if row.endswith("}")]
    return {row["name"]: row for row in rows}
