"""Sets to measure on: folders of triples."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..io import read
from ..light import Image
from ..pair import Pair, TwinshotError, as_float
from ..restoration import read_pair


@dataclass(frozen=True)
class Triple:
    """One test case: files, and what meta.jsonl says of it (empty where there is none)."""

    name: str
    noisy: Path
    blurry: Path
    sharp: Path
    meta: dict[str, Any]

    def pair(self) -> Pair:
        """Both frames."""
        return read_pair(self.noisy, self.blurry)

    def truth(self) -> Image:
        """The sharp frame, float32 in [0, 1]."""
        return as_float(read(self.sharp).pixels)


def triples_in(folder: Path) -> list[Triple]:
    """The triples noisy/NAME, blurry/NAME, sharp/NAME of a folder, by name.

    Raises:
        TwinshotError: a folder or a file of a triple is missing.
    """
    kinds = [folder / kind for kind in ("noisy", "blurry", "sharp")]
    for kind in kinds:
        if not kind.is_dir():
            raise TwinshotError(f"{kind}: no such folder; a set of triples has noisy/, blurry/ and sharp/")
    names = sorted(path.name for path in kinds[2].iterdir() if not path.name.startswith("."))
    if not names:
        raise TwinshotError(f"{kinds[2]}: holds no pictures")
    meta = _meta(folder / "meta.jsonl")
    return [_triple(name, kinds, meta.get(name, {})) for name in names]


def _triple(name: str, kinds: list[Path], meta: dict[str, Any]) -> Triple:
    for kind in kinds:
        if not (kind / name).is_file():
            raise TwinshotError(f"{kind / name}: missing, but {kinds[2] / name} is there; a triple needs all three")
    return Triple(name, kinds[0] / name, kinds[1] / name, kinds[2] / name, meta)


def _meta(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    rows = [json.loads(row) for row in path.read_text("utf-8").splitlines() if row.endswith("}")]
    return {row["name"]: row for row in rows}
