"""Results to read: a page that needs nothing but itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

from PIL import Image

from ..baselines.system import About
from ..files import atomic, io
from ..picture.pair import TwinshotError
from .analysis import FusionGain, by_blur, fusion_gains
from .classical import CLASSICAL
from .curves import curve_of, styles_of
from .published import PAPER, PUBLISHED, PUBLISHED_SECONDS
from .results import Case, ModelFacts, Results, Row, SetResults, open_results, ssim_of
from .sets import SETS
from .tables import INPUTS, MEASURED, PUBLISHED_FIGURES, TRAINING, Table, speed_table, table_of
from .words import facts_of_set, machines, ranges, size_of, template

Source = tuple[str, tuple[int, int]]
"""A picture's data URL, its width and height."""
TRUTH = "sharp"
_GIVEN = (*INPUTS, TRUTH)
MOST_BYTES = 4_000_000  # bytes of all pictures together
_QUALITIES = (90, 80, 65, 50)  # of WebP: the first at which they are no larger, else the last


@dataclass(frozen=True)
class Picture:
    """A system's picture of a case: a data URL, width and height, its figures."""

    system: str
    source: str
    size: tuple[int, int]
    figures: str


@dataclass(frozen=True)
class Comparison:
    """The pictures of one case; `best` is the place of the restored one with the highest PSNR."""

    name: str
    conditions: str
    pictures: tuple[Picture, ...]
    best: int


@dataclass(frozen=True)
class Section:
    """What the page says of a set."""

    name: str
    what: str
    facts: str
    table: Table
    gains: list[FusionGain]
    cases: list[Comparison]


def write_report(out: Path) -> Path:
    """Write `out`/report.html from results.json and pictures/ beside it; the same input gives the same bytes.

    Raises:
        TwinshotError: no results, a damaged picture, a missing package, or the page cannot be written.
    """
    if not (out / "results.json").is_file():
        raise TwinshotError(f"{out / 'results.json'}: no such file; run `twinshot benchmark` first")
    page: str = template("report.html.j2").render(_view(open_results(out), out / "pictures"))
    atomic.write_bytes(out / "report.html", page.encode())
    return out / "report.html"


def _view(results: Results, pictures: Path) -> dict[str, object]:
    """What the template is given."""
    drawn = [axis for axis in results.robustness.values() if any(axis.systems.values())]
    styles = styles_of(drawn)
    elsewhere = {name: found for name, found in PUBLISHED.items() if name not in results.sets}
    seconds = {name: SimpleNamespace(seconds=seconds) for name, seconds in PUBLISHED_SECONDS.items()}
    return {
        "results": results,
        "machines": machines(results),
        "sections": _sections(results.sets, pictures),
        "elsewhere": {name: table_of({}, (), found, PUBLISHED_FIGURES) for name, found in elsewhere.items()},
        "speed": speed_table(results.speed, seconds),
        "speed_size": size_of(results.speed),
        "models": results.models,
        "reference": results.reference,
        "knowing": by_blur(results.reference),
        "training": table_of(results.models, TRAINING),
        "curves": [curve_of(axis, styles) for axis in drawn],
        "styles": styles,
        "systems": _described(results),
        "paper": PAPER,
    }


def _sections(sets: Mapping[str, SetResults], folder: Path) -> list[Section]:
    shown = {name: _files(found, folder / name) for name, found in sets.items()}
    sources = _embedded([path for cases in shown.values() for systems in cases.values() for path in systems.values()])
    return [_section(name, found, shown[name], sources) for name, found in sets.items()]


def _section(name: str, found: SetResults, shown: dict[str, dict[str, Path]], sources: dict[Path, Source]) -> Section:
    known = SETS.get(name.removesuffix(" (quick)"))
    what = known.what if known else "a folder of triples"
    table = table_of(found.systems, MEASURED, PUBLISHED.get(name, {}), PUBLISHED_FIGURES)
    cases = [_compared(case, systems, found, sources) for case, systems in shown.items()]
    return Section(name, what, facts_of_set(found), table, fusion_gains(found), cases)


def _described(results: Results) -> list[tuple[str, str, About | None]]:
    """Every system once: name, what it takes, what it is."""
    takes: dict[str, str] = {}
    for found in results.sets.values():
        for name, row in found.systems.items():
            takes[name] = takes.get(name) or row.takes
    return [(name, taken, _about(name, results.models.get(name))) for name, taken in takes.items()]


def _about(name: str, facts: ModelFacts | None) -> About | None:
    if facts and facts.about:
        return About(facts.about, facts.source)
    return CLASSICAL[name].about if name in CLASSICAL else None


def _files(found: SetResults, folder: Path) -> dict[str, dict[str, Path]]:
    """The pictures that are there, by case and system; those of a system without figures are an older run's."""
    names = [*(name for name, row in found.systems.items() if not row.error), TRUTH]
    stems = {case: folder / Path(case).stem for case in found.cases}
    paths = {case: {name: stem / f"{name}.png" for name in names} for case, stem in stems.items()}
    there = {case: {name: path for name, path in row.items() if path.is_file()} for case, row in paths.items()}
    return {case: row for case, row in there.items() if row.keys() - {TRUTH}}


def _embedded(paths: Sequence[Path]) -> dict[Path, Source]:
    """Pictures as WebP, as good as leaves the page small."""
    pixels = {path: Image.fromarray(io.read(path).pixels) for path in paths}
    encoded: dict[Path, bytes] = {}
    for quality in _QUALITIES:
        encoded = {path: _webp(image, quality) for path, image in pixels.items()}
        if sum(map(len, encoded.values())) <= MOST_BYTES:
            break
    urls = {path: f"data:image/webp;base64,{b64encode(data).decode()}" for path, data in encoded.items()}
    return {path: (urls[path], image.size) for path, image in pixels.items()}


def _webp(image: Image.Image, quality: int) -> bytes:
    file = BytesIO()
    image.save(file, "WEBP", quality=quality)
    return file.getvalue()


def _compared(name: str, shown: dict[str, Path], found: SetResults, sources: dict[Path, Source]) -> Comparison:
    scores = {system: _case_of(found.systems.get(system), name) for system in shown}
    pictures = [Picture(system, *sources[path], _figures(scores[system])) for system, path in shown.items()]
    restored = {place: scores[picture.system] for place, picture in enumerate(pictures) if picture.system not in _GIVEN}
    best = max(restored, key=lambda place: getattr(restored[place], "psnr", 0.0), default=len(pictures) - 1)
    said = ranges([found.cases[name]], "{:.1f}", "{:.3f}")
    return Comparison(name, ", ".join(said), tuple(pictures), best)


def _case_of(row: Row | None, name: str) -> Case | None:
    return next((case for case in row.cases if case.name == name), None) if row else None


def _figures(case: Case | None) -> str:
    """PSNR and SSIM."""
    return f"{case.psnr:.2f} dB / {ssim_of(case):.4f}" if case else ""
