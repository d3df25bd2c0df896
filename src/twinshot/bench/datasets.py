"""Sets to measure on: folders of triples."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import PIL

from ..baselines.system import Decided, Shot
from ..files.io import read
from ..files.pairs import read_pair
from ..machine import processor, usable_cores
from ..match import tone
from ..match.prepare import prepare
from ..picture.encoding import Image
from ..picture.pair import Pair, TwinshotError, as_float
from ..picture.settings import Settings
from ..synth.triples import KINDS
from .rows import code_checksum

if TYPE_CHECKING:  # what is done with the facts is no part of the sets' code
    from .results import Facts


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
    def shown(self) -> bool:
        """Whether a report may show its pictures; else they are for measuring alone."""
        return bool(self.meta.get("shown", True))

    @property
    def files(self) -> tuple[Path, ...]:
        """All that figures depend on."""
        return (self.noisy, self.blurry, self.sharp, *self.burst, *self.truths)

    def truth(self) -> Image:
        """The sharp frame, float32 in [0, 1]."""
        return as_float(read(self.sharp).pixels)

    def shot(self, burst: bool = False) -> Shot:
        """What systems get; see `shot_of`. The burst is read only where it is asked for."""
        frames = tuple(as_float(read(path).pixels) for path in self.burst) if burst else ()
        return shot_of(read_pair(self.noisy, self.blurry), frames, self.truth())


def shot_of(pair: Pair, burst: Sequence[Image], truth: Image) -> Shot:
    """What systems get: every short frame is brought to the blurry frame's exposure, as `restore` does it.

    Args:
        pair: the frames as their files have them.
        burst: short frames, exposed as `noisy`.
        truth: what the noisy frame's error is measured against.

    Raises:
        TwinshotError: frames are not of one size.
    """
    others = [("the blurry frame", pair.blurry.pixels), ("the sharp frame", truth)]
    for name, image in [*others, *(("a frame of the burst", frame) for frame in burst)]:
        if image.shape != pair.noisy.pixels.shape:
            raise TwinshotError(
                f"{pair.noisy.name}: differs in size from {name}; all frames of one case need the same size"
            )
    ready = prepare(pair, Settings(keep_order=True))
    matched = ready.short
    sigma = float(np.sqrt(np.mean((matched - truth) ** 2)))
    frames = tuple(tone.apply(frame, ready.tone) for frame in burst)
    decided = Decided(ready.same_scene, round(ready.tone.doubt, 3), ready.tone.lost, round(ready.shown.share, 3))
    return Shot(pair, matched, as_float(pair.blurry.pixels), ready.long, frames, sigma, decided)


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


def left_out(folder: Path) -> dict[str, str]:
    """What could not become a triple of a set, and why, as its meta.jsonl says."""
    rows = _meta(folder / "meta.jsonl").values()
    return {str(row["source"]): str(row["left_out"]) for row in rows if "left_out" in row}


def fingerprint(triples: Sequence[Triple]) -> str:
    """Checksum of a set's files and of all that shows them to systems: quick to tell, and different without need.

    What `prepared` finds is the same as long as this is.
    """
    around = (
        code_checksum(sys.modules[__name__]),
        cv2.__version__,
        np.__version__,
        PIL.__version__,
        processor(),
        usable_cores(),
    )
    total = hashlib.sha256(repr(around).encode())
    for path in (file for triple in triples for file in triple.files):
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@dataclass(frozen=True)
class PreparedSet:
    """What systems see of a set.

    Attributes:
        sha256: over its files, what becomes of them, and what is decided on the way; code that leaves that alone may
            change. A frame of a burst is brought to its exposure as the noisy one is, so that its file will do.
        facts: what was measured of each, by the triples' names.
    """

    sha256: str
    facts: dict[str, Facts]


def prepared(triples: Sequence[Triple], measure: Callable[[Triple, Shot], Facts]) -> PreparedSet:
    """Match and register a whole set, and measure what systems are shown."""
    total = hashlib.sha256()
    facts: dict[str, Facts] = {}
    for triple in triples:
        shot = triple.shot()
        parts = [path.read_bytes() for path in triple.files] + [shot.noisy.tobytes(), shot.registered.tobytes()]
        parts.append(repr(astuple(shot.decided)).encode())
        total.update(b"".join(hashlib.sha256(part).digest() for part in parts))
        facts[triple.name] = measure(triple, shot)
    return PreparedSet(total.hexdigest(), facts)


def _triple(name: str, kinds: list[Path], truths: list[str], meta: dict[str, Any]) -> Triple:
    for kind in kinds:
        if not (kind / name).is_file():
            raise TwinshotError(f"{kind / name}: missing, but {kinds[2] / name} is there; a triple needs all three")
    burst = tuple(sorted((kinds[0].parent / "burst" / Path(name).stem).glob("*.png")))
    noisy, blurry, sharp = (kind / name for kind in kinds)
    return Triple(name, noisy, blurry, sharp, burst, tuple(map(Path, truths)), meta)


def _truths(path: Path) -> dict[str, list[str]]:
    found = _json(path, path.read_text("utf-8")) if path.is_file() else {}
    if not isinstance(found, dict) or not all(isinstance(names, list) for names in found.values()):
        raise TwinshotError(f"{path}: is not valid; it should list the files of each picture")
    return found


def _meta(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    rows = [_json(path, row) for row in path.read_text("utf-8").splitlines() if row.endswith("}")]
    if not all(isinstance(row, dict) and "name" in row for row in rows):
        raise TwinshotError(f"{path}: a line names no picture; remove the file, or make the set again")
    return {row["name"]: row for row in rows}


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise TwinshotError(
            f"{path}: cannot be read as JSON ({error}); remove the file, or make the set again"
        ) from error
