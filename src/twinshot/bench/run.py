"""Run systems over sets and gather what they scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from msgspec.structs import replace

from .._version import __version__
from ..baselines.system import Shot, System
from ..files import io
from ..machine import opencv_threads, processor, usable_cores
from ..picture import errors, pair
from ..picture.encoding import Image
from ..picture.levels import eight_bit
from ..picture.pair import Metadata, TwinshotError, as_float
from . import koehler, metrics
from .analysis import harm
from .datasets import Triple, fingerprint, left_out, prepared, triples_in
from .metrics import CONVENTIONS, checkerboard, colour, detail
from .results import MEASURES, Case, Facts, Results, Row, SetResults, keep_results, open_results
from .rows import code_checksum
from .systems import key_of, system

SHOWN = 3  # cases a set whose pictures are kept for the report
CROP = 256  # px: side of those pictures
IDENTICAL = 100.0  # dB: what stands for infinity, which JSON has no number for
_ROUNDING = {"sigma": 1e-4, "best_psnr": 0.01, "best_ssim": 0.001, "registered": 0.01, "doubt": 0.01, "shown": 0.005}
"""By how much a set's facts may differ from those of another processor: 0.00003, 0.006 dB and 0.0004 were seen."""
_SMALLEST_GRID = 64  # px: the checkerboard's window


@dataclass(frozen=True)
class Bench:
    """What is run.

    Attributes:
        sets: folders of triples by the name they have in the results.
        systems: by name.
        seed: which the sets were made with.
        out: gets results.json and pictures/.
        limit: cases a set at most.
    """

    sets: dict[str, Path]
    systems: tuple[str, ...]
    seed: int
    out: Path
    limit: int | None = None


def run(bench: Bench, say: Callable[[str], None] = lambda line: None) -> Results:
    """Every system on every set: means, and each picture's figures, in `out`/results.json and returned.

    A system that fails becomes a row that says why; the others go on. Rows that an earlier, perhaps killed run left in
    `out` are kept where set and system are still the same; all else it left there, too.

    Args:
        bench: what to run.
        say: called with a line for each row.

    Raises:
        TwinshotError: a set is incomplete, or `out` holds another file of that name.
    """
    with opencv_threads(usable_cores()):
        return _run(bench, say)


def _run(bench: Bench, say: Callable[[str], None]) -> Results:
    results = open_results(bench.out)
    results.twinshot, results.seed = __version__, bench.seed
    for name, folder in bench.sets.items():
        triples = triples_in(folder)[: bench.limit]
        found = replace(_same_set(results.sets.get(name), triples), left_out=left_out(folder))
        results.sets[name] = found
        for source, why in found.left_out.items():
            say(f"{name}: {source} is left out: {why}")
        for chosen in bench.systems:
            row, pictures = found.systems.get(chosen, Row()), bench.out / "pictures" / name
            if not row.version or row.version != str(key_of(chosen)):
                row = row_of(chosen, triples, pictures)
            else:
                _draw_missing(chosen, _shown(triples), pictures, say)
            row = replace(row, **harm(row, found.cases))
            if row != found.systems.get(chosen):
                found.systems[chosen] = row
                keep_results(results, bench.out)
            say(f"{name}: {chosen} {row.error or f'{row.psnr:.2f} dB'}")
    keep_results(results, bench.out)
    return results


def measures() -> str:
    """Checksum of the code that compares a picture with the truth; records and errors are no part of that."""
    return code_checksum(metrics, koehler, without=(pair, errors))


def _same_set(before: SetResults | None, triples: Sequence[Triple]) -> SetResults:
    """A set's results so far; none where what it shows, or how pictures are compared, is no longer the same."""
    files = f"{fingerprint(triples)[:16]} {measures()}"
    if before and before.files == files:
        return replace(before, cases=_with_origins(before.cases, triples))
    found = prepared(triples, _of_inputs)
    checksum = f"{found.sha256[:16]} {measures()}"
    if before and (before.sha256 == checksum or _but_for_rounding(before, found.facts)):
        return replace(before, files=files, cases=_with_origins(before.cases, triples))
    return SetResults(sha256=checksum, files=files, pictures=len(triples), cases=_with_origins(found.facts, triples))


def _but_for_rounding(before: SetResults, facts: dict[str, Facts]) -> bool:
    """Whether a set was measured likewise, and its pictures are the same to what another processor rounds."""
    measured = before.sha256.partition(" ")[2] == measures() and before.cases.keys() == facts.keys()
    return measured and all(_alike(before.cases[name], now) for name, now in facts.items())


def _alike(first: Facts, second: Facts) -> bool:
    if first.registered is None or (first.same_scene, first.lost) != (second.same_scene, second.lost):
        return False
    return all(abs(getattr(first, key) - getattr(second, key)) <= most for key, most in _ROUNDING.items())


def _of_inputs(triple: Triple, shot: Shot) -> Facts:
    """The noisy frame's error, how near to the truth the better of the inputs is, which nothing may be worse than, and
    what matching decided."""
    truth, given = triple.truth(), (shot.noisy, shot.blurry, shot.registered)
    psnrs, ssims = zip(*(_closeness(picture, triple, truth).values() for picture in given), strict=True)
    return Facts(round(shot.sigma, 5), max(psnrs), max(ssims), registered=psnrs[2], **asdict(shot.decided))


def _with_origins(cases: dict[str, Facts], triples: Sequence[Triple]) -> dict[str, Facts]:
    """The same, with what the triples' meta.jsonl says now."""
    return {t.name: replace(cases[t.name], blur=t.meta.get("blur"), source=_origin(t.meta)) for t in triples}


def _origin(meta: dict[str, Any]) -> str | None:
    """The photograph that a case was made of or, as a film's frames are alike, the scene; None where it is not said."""
    source: str | None = meta.get("source")
    return source.rpartition("/")[0] or source if source and meta.get("blur") is None else source


def machine() -> str:
    """Processor and cores, as far as the system tells."""
    return f"{processor()}, {usable_cores()} cores"


def row_of(name: str, triples: Sequence[Triple], pictures: Path) -> Row:
    """One system's figures on a set, or why there are none."""
    cases: list[Case] = []
    try:
        chosen = system(name)
        shown = _shown(triples)
        for triple in triples:
            cases.append(_case(chosen, triple, pictures if triple in shown else None))
    except Exception as error:  # systems are others' code too, and raise what they like
        where = "" if isinstance(error, TwinshotError) else f"{triples[len(cases)].name}: "
        return Row(error=f"{where}{reason(error)}")
    figures = {key: [getattr(case, key) for case in cases] for key in MEASURES}
    means = {key: round(fmean(values), 4) for key, values in figures.items() if None not in values}
    means["psnr_p5"] = round(float(np.percentile(figures["psnr"], 5)), 4)
    means["seconds"] = median(case.seconds for case in cases)
    row = Row(takes=chosen.takes, version=str(key_of(name)), machine=machine(), cases=tuple(cases))
    return replace(row, **means)


def reason(error: Exception) -> str:
    """Why something failed, in one line."""
    said = str(error) if isinstance(error, TwinshotError) else f"{type(error).__name__}: {error}"
    return " ".join(said.split())


def _case(chosen: System, triple: Triple, pictures: Path | None) -> Case:
    shot, truth = triple.shot(burst=chosen.takes == "burst"), triple.truth()
    began = time.perf_counter()
    picture = chosen.restore(shot)
    seconds = time.perf_counter() - began
    if picture.shape != truth.shape:
        raise TwinshotError(f"{triple.name}: the result has shape {picture.shape}, but the true picture {truth.shape}")
    if not np.isfinite(picture).all():
        raise TwinshotError(f"{triple.name}: the result has values that are not finite")
    if pictures:
        _draw(picture, chosen, triple, pictures)
    return Case(name=triple.name, **score(picture, triple, truth), seconds=round(seconds, 4))


def _picture(pictures: Path, triple: Triple, name: str) -> Path:
    """Where a system's picture of a case, or the `sharp` one, is kept."""
    return pictures / Path(triple.name).stem / f"{name}.png"


def _draw_missing(name: str, triples: Sequence[Triple], pictures: Path, say: Callable[[str], None]) -> None:
    """The pictures of a row that was measured elsewhere, as in a checkout, which has the figures alone."""
    missing = [t for t in triples if not all(_picture(pictures, t, each).exists() for each in (name, "sharp"))]
    if not missing:
        return
    try:
        chosen = system(name)
        for triple in missing:
            _draw(chosen.restore(triple.shot(burst=chosen.takes == "burst")), chosen, triple, pictures)
    except Exception as error:  # systems are others' code too, and raise what they like
        say(f"{name}: its pictures are left out: {reason(error)}")


def _draw(picture: Image, chosen: System, triple: Triple, pictures: Path) -> None:
    """Keep what a system made of a case, and the truth beside it."""
    _keep_middle(picture, _picture(pictures, triple, chosen.name))
    _keep_middle(triple.truth(), _picture(pictures, triple, "sharp"))


def score(picture: Image, triple: Triple, truth: Image) -> dict[str, float]:
    """All measures of one picture: PSNR, SSIM by each convention, detail, colour, and the grid of period 2, 4, 8."""
    found = _closeness(picture, triple, truth)
    if triple.truths:
        return found
    others = [(name, convention) for name, convention in CONVENTIONS.items() if f"ssim_{name}" not in found]
    found |= {f"ssim_{name}": round(convention.ssim(picture, truth), 4) for name, convention in others}
    found |= {"detail": _finite(detail(picture, truth)), "colour": round(colour(picture, truth), 3)}
    if min(truth.shape[:2]) >= _SMALLEST_GRID:
        found["checkerboard"] = round(checkerboard(picture, truth), 3)
    return found


def _closeness(picture: Image, triple: Triple, truth: Image) -> dict[str, float]:
    """PSNR and SSIM by the convention `paper` or, where there are several truths, by Koehler's protocol."""
    if triple.truths:
        psnr, ssim = koehler.score(picture, (as_float(io.read(path).pixels) for path in triple.truths))
        return {"psnr": _finite(psnr), "ssim_matlab": round(ssim, 4)}
    paper = CONVENTIONS["paper"]
    return {"psnr": _finite(paper.psnr(picture, truth)), "ssim_paper": round(paper.ssim(picture, truth), 4)}


def _shown(triples: Sequence[Triple]) -> list[Triple]:
    """The first ones that a report may show."""
    return [triple for triple in triples if triple.shown][:SHOWN]


def _finite(psnr: float) -> float:
    return round(min(psnr, IDENTICAL), 4)


def _keep_middle(image: Image, path: Path) -> None:
    """Keep the middle of a picture at 100 %."""
    height, width = image.shape[:2]
    top, left = max(0, (height - CROP) // 2), max(0, (width - CROP) // 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    crop = image[top : top + CROP, left : left + CROP]
    io.write(path, eight_bit(crop), Metadata())
