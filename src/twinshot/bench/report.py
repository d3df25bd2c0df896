"""Results to read: a page that needs nothing but itself, and a summary in Markdown."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO, StringIO
from itertools import cycle, product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from msgspec import structs
from PIL import Image

from ..baselines.system import About
from ..files import atomic, io
from ..picture.pair import TwinshotError
from .analysis import FusionGain, Group, KnownMotionRow, by_blur, fusion_gains, ratio
from .classical import CLASSICAL
from .fairness import AS_PUBLISHED, BY_DESIGN, compared, trainings
from .published import PAPER, PUBLISHED, PUBLISHED_SECONDS
from .results import Case, Curves, Facts, ModelFacts, Results, Row, SetResults, Speed, open_results, ssim_of
from .sets import SETS

Source = tuple[str, tuple[int, int]]
"""A picture's data URL, its width and height."""

TRUTH = "sharp"
_INPUTS = ("noisy", "blurry", "registered")  # nobody restored them, so they are never the best of a column
_GIVEN = (*_INPUTS, TRUTH)

MOST_BYTES = 4_000_000  # bytes of all pictures together
_QUALITIES = (90, 80, 65, 50)  # of WebP: the first at which they are no larger, else the last

_COLOURS = ("#3b82c4", "#d97706", "#2a9d6f", "#d64550", "#9b6bd6", "#17a2b8", "#a9744f", "#d4619f")  # on light and dark
_DASHES = ("", "5 2", "1.5 2")
_INK = "#010203"  # becomes the page's own text colour, which changes with the scheme
_STAMPS = ("Date", "Creator", "Format", "Type")
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color")
_DRAWING: dict[Any, Any] = dict.fromkeys(_INKED, _INK) | {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9,
    "lines.linewidth": 1.5,
    "lines.scale_dashes": False,
}


@dataclass(frozen=True)
class Column:
    """Of a table: the figure's name in a row, its title and format; the best value is the one of least `rank`."""

    key: str
    title: str
    spec: str
    rank: Callable[[float], float] | None = None


@dataclass(frozen=True)
class Cell:
    """A figure as it is shown; empty where there is none."""

    text: str
    best: bool


@dataclass(frozen=True)
class Line:
    """One system: its figures, or why it has none, and what was published of it."""

    name: str
    takes: str
    reason: str
    cells: tuple[Cell, ...]
    published: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """Rows under columns; `published` are the columns of figures that were not measured here."""

    columns: tuple[Column, ...]
    published: tuple[Column, ...]
    rows: tuple[Line, ...]

    @property
    def has_takes(self) -> bool:
        """Whether it is known of any system what it takes."""
        return any(row.takes for row in self.rows)


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


@dataclass(frozen=True)
class Curve:
    """Restored pictures' PSNR along one difficulty: drawn, and as figures."""

    title: str
    pictures: int
    svg: str
    table: Table


@dataclass(frozen=True)
class Style:
    """Of a system's curves."""

    colour: str
    dash: str


def _most(value: float) -> float:
    return -value


_PSNR = Column("psnr", "PSNR, dB", ".2f", _most)
_SSIM = Column("ssim_paper", "SSIM paper", ".4f", _most)
_MATLAB = Column("ssim_matlab", "SSIM matlab", ".4f", _most)
_SKIMAGE = Column("ssim_skimage", "SSIM skimage", ".4f", _most)
_LOW = Column("psnr_p5", "5th percentile, dB", ".2f", _most)
_DETAIL = Column("detail", "detail, dB", ".2f", _most)
_COLOUR = Column("colour", "colour, CIEDE2000", ".2f", float)
_HARM = (
    Column("harm_psnr", "harmed by PSNR", ".0%", float),
    Column("worst_psnr", "at worst, dB", ".2f", float),
    Column("harm_ssim", "harmed by SSIM", ".0%", float),
    Column("worst_ssim", "at worst, SSIM", ".3f", float),
)
_GRID = Column("checkerboard", "checkerboard, dB", ".2f", abs)
_SECONDS = Column("seconds", "seconds", ".2f", float)
_MEASURED = (_PSNR, _LOW, _SSIM, _MATLAB, _SKIMAGE, _DETAIL, _COLOUR, *_HARM, _GRID, _SECONDS)
_IN_SHORT = (_PSNR, _LOW, _SSIM, _DETAIL, _COLOUR, *_HARM, _GRID, _SECONDS)
_PUBLISHED = (_PSNR, Column("ssim", "SSIM", ".4f", _most))
_PUBLISHED_SPEED = (Column("seconds", "seconds, GTX 1080 Ti", ".1f", float),)
_SPEED = (
    _SECONDS,
    Column("seconds_ratio", "time / rnn", ".2f"),
    Column("memory_mb", "peak memory, MB", ",.0f", float),
    Column("memory_mb_ratio", "memory / rnn", ".2f"),
    Column("runs", "runs", ".0f"),
    Column("network_seconds", "network alone, s", ".3f", float),
    Column("gflops", "GFLOP/s", ".0f"),
    Column("share", "of convolutions' peak", ".0%"),
)
_TRAINING = (
    Column("parameters", "parameters", ",.0f"),
    Column("samples", "crops seen", ",.0f"),
    Column("crop", "crop, px", ".0f"),
    Column("hours", "hours of a CPU", ".1f"),
    Column("gpu_hours", "of a GPU", ".2f"),
)


def write_report(out: Path) -> Path:
    """Write `out`/report.html from results.json and pictures/ beside it; the same input gives the same bytes.

    Raises:
        TwinshotError: no results, a damaged picture, a missing package, or the page cannot be written.
    """
    if not (out / "results.json").is_file():
        raise TwinshotError(f"{out / 'results.json'}: no such file; run `twinshot benchmark` first")
    page: str = _template("report.html.j2").render(_view(open_results(out), out / "pictures"))
    atomic.write_bytes(out / "report.html", page.encode())
    return out / "report.html"


def markdown(results: Results) -> str:
    """The results in Markdown: a table a set, how networks were trained, speed, fusion gain and known motion.

    Raises TwinshotError for a missing package.
    """
    sets, models = results.sets, results.models
    found = {
        "results": results,
        "machines": machines(results),
        "sets": [_summary(name, found) for name, found in sets.items()],
        "by_design": compared(sets, BY_DESIGN),
        "as_published": compared(sets, AS_PUBLISHED),
        "training": trainings(models),
        "speed": _speed(results.speed),
        "speed_size": _size(results.speed),
        "gains": [_gain(name, gain, models) for name, found in sets.items() for gain in fusion_gains(found)],
        "reference": results.reference,
        "knowing": [_known_motion(row) for row in by_blur(results.reference)],
    }
    text: str = _template("summary.md.j2", autoescape=False).render(found)
    return text


def machines(results: Results) -> str:
    """Every machine that some row was measured on; rows of before each said so were all measured on `machine`."""
    tables: list[SetResults | Speed] = [*results.sets.values(), *([results.speed] if results.speed else [])]
    rows = [row for table in tables for row in table.systems.values() if not row.error]
    return "; ".join(sorted({row.machine or results.machine or "unknown" for row in rows}))


@dataclass(frozen=True)
class Summary:
    """What the summary says of a set."""

    name: str
    facts: str
    table: Table


def _summary(name: str, found: SetResults) -> Summary:
    return Summary(name, _facts(found), _table(found.systems, _IN_SHORT))


def _gain(name: str, gain: FusionGain, models: Mapping[str, ModelFacts]) -> list[str]:
    parts = [" / ".join(_decibels(group.gain) for group in part) for part in (gain.blur_fifths, gain.noise_thirds)]
    both = [models.get(one) for one in (gain.pair, gain.alone)]
    size = " / ".join(f"{model.parameters / 1e6:.1f} M, {model.samples:,}" if model else "?" for model in both)
    figures = [str(gain.cases), _give_or_take(gain.mean, gain.error), _decibels(gain.median), f"{gain.ahead:.0%}"]
    return [_plain(name), f"{gain.pair} over {gain.alone}", size, *figures, *parts]


def _known_motion(row: KnownMotionRow) -> list[str]:
    return [row.blur, str(row.cases), f"{row.alone:.2f}", f"{row.pair:.2f}", f"{row.reference:.2f}"]


def _plain(text: str) -> str:
    """Text that neither ends a table's cell nor becomes markup."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(text.split()))


def _template(name: str, autoescape: bool = True) -> Any:
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise TwinshotError("the report needs Jinja; run pip install 'twinshot[bench]'") from error
    source = files(__package__).joinpath(name).read_text("utf-8")
    env = Environment(
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    env.filters |= {"extent": _extent, "decibels": _decibels, "give_or_take": _give_or_take, "plain": _plain}
    return env.from_string(source)


def _view(results: Results, pictures: Path) -> dict[str, object]:
    """What the template is given."""
    drawn = [axis for axis in results.robustness.values() if any(axis.systems.values())]
    styles = _styles(drawn)
    elsewhere = {name: found for name, found in PUBLISHED.items() if name not in results.sets}
    seconds = {name: SimpleNamespace(seconds=seconds) for name, seconds in PUBLISHED_SECONDS.items()}
    return {
        "results": results,
        "machines": machines(results),
        "sections": _sections(results.sets, pictures),
        "elsewhere": {name: _table({}, (), found, _PUBLISHED) for name, found in elsewhere.items()},
        "speed": _speed(results.speed, seconds),
        "speed_size": _size(results.speed),
        "models": results.models,
        "reference": results.reference,
        "knowing": by_blur(results.reference),
        "training": _table(results.models, _TRAINING),
        "curves": [_curve(axis, styles) for axis in drawn],
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
    table = _table(found.systems, _MEASURED, PUBLISHED.get(name, {}), _PUBLISHED)
    cases = [_compared(case, systems, found, sources) for case, systems in shown.items()]
    return Section(name, what, _facts(found), table, fusion_gains(found), cases)


def _facts(found: SetResults) -> str:
    """A set's size, checksum, and range of difficulties."""
    said = [f"{found.pictures} pictures", *_ranges(found.cases.values(), "{:.1f} to {:.1f}", "{:.3f} to {:.3f}")]
    if left_out := len(found.left_out):
        said.append(f"left out, as they could not be registered: {left_out}")
    return f"{', '.join(said)}; SHA-256 {found.sha256[:12]}"


def _ranges(cases: Iterable[Facts], of_blur: str, of_sigma: str) -> list[str]:
    """Of blur, where it is known, and noise."""
    cases = list(cases)
    blurs, sigmas = [case.blur for case in cases if case.blur is not None], [case.sigma for case in cases]
    said = [f"{of_blur.format(min(blurs), max(blurs))} px of blur"] if blurs else []
    return [*said, f"noise sigma {of_sigma.format(min(sigmas), max(sigmas))}"] if sigmas else said


def _table(
    rows: Mapping[str, object],
    columns: Sequence[Column],
    copied: Mapping[str, object] | None = None,
    beside: Sequence[Column] = (),
) -> Table:
    """A table of systems in their order, then of those that are only published.

    Args:
        rows: what has the figures, by system.
        columns: of those; where no system has a figure, the column is left out.
        copied: what has the published figures, by system.
        beside: columns of those; none where there are no such figures.
    """
    copied = copied or {}
    names = [*rows, *(name for name in copied if name not in rows)]
    ours, others = [rows.get(name) for name in names], [copied.get(name) for name in names]
    columns = tuple(column for column in columns if any(_figure(row, column) is not None for row in ours))
    beside = tuple(beside) if copied else ()
    cells = zip(_cells(names, ours, columns), _cells(names, others, beside), strict=True)
    told = [(name, getattr(row, "takes", ""), _reason(row)) for name, row in zip(names, ours, strict=True)]
    return Table(columns, beside, tuple(Line(*said, *figures) for said, figures in zip(told, cells, strict=True)))


def _reason(row: object) -> str:
    """Why a row has no figures; empty where it has some."""
    return getattr(row, "error", "") if row else "not run here"


def _cells(names: Sequence[str], rows: Sequence[object], columns: Sequence[Column]) -> list[tuple[Cell, ...]]:
    by_column = [_marked(names, [_figure(row, column) for row in rows], column) for column in columns]
    return [tuple(cells[index] for cells in by_column) for index in range(len(rows))]


def _figure(row: object, column: Column) -> float | None:
    figure: float | None = getattr(row, column.key, None)
    return figure


def _marked(names: Sequence[str], values: Sequence[float | None], column: Column) -> list[Cell]:
    """A column's figures; all that are printed alike with the best one are best."""
    texts = ["" if value is None else _shown(value, column.spec) for value in values]
    rank = column.rank
    if rank is None:
        return [Cell(text, False) for text in texts]
    rivals = [text for name, text in zip(names, texts, strict=True) if text and name not in _INPUTS]
    best = min(rivals, key=lambda text: rank(_value(text)), default="")
    return [Cell(text, text == best != "" and name not in _INPUTS) for name, text in zip(names, texts, strict=True)]


def _shown(value: float, spec: str) -> str:
    text = format(value, spec)
    return text if _value(text) else format(0.0, spec)  # never -0.00


def _decibels(gain: float) -> str:
    return _shown(gain, "+.2f")


def _give_or_take(gain: float, error: float | None) -> str:
    """A mean and, where it is known, its standard error."""
    return _decibels(gain) if error is None else f"{_decibels(gain)} ± {error:.2f}"


def _value(text: str) -> float:
    return float(text.replace(",", "").rstrip("%"))


def _speed(speed: Speed | None, published: Mapping[str, object] | None = None) -> Table | None:
    """Seconds and memory, and their ratios to DeblurRNN's."""
    if speed is None:
        return None
    rows = {name: SimpleNamespace(**structs.asdict(row)) for name, row in speed.systems.items()}
    for name, row in rows.items():
        row.seconds_ratio = ratio(speed.systems, name, "seconds")
        row.memory_mb_ratio = ratio(speed.systems, name, "memory_mb")
    return _table(rows, _SPEED, published, _PUBLISHED_SPEED)


def _size(speed: Speed | None) -> str:
    return "x".join(map(str, speed.size)) if speed else ""


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


def _extent(group: Group, digits: int) -> str:
    return f"{group.low:.{digits}f} to {group.high:.{digits}f}"


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
    said = _ranges([found.cases[name]], "{:.1f}", "{:.3f}")
    return Comparison(name, ", ".join(said), tuple(pictures), best)


def _case_of(row: Row | None, name: str) -> Case | None:
    return next((case for case in row.cases if case.name == name), None) if row else None


def _figures(case: Case | None) -> str:
    """PSNR and SSIM."""
    return f"{case.psnr:.2f} dB / {ssim_of(case):.4f}" if case else ""


def _styles(drawn: Iterable[Curves]) -> dict[str, Style]:
    names = dict.fromkeys(name for axis in drawn for name, scores in axis.systems.items() if scores)
    looks = product(_DASHES, _COLOURS)
    # More systems than looks: the last ones look alike, and their figures stand below.
    return {name: Style(colour, dash) for name, (dash, colour) in zip(names, cycle(looks), strict=False)}


def _curve(axis: Curves, styles: Mapping[str, Style]) -> Curve:
    columns = [Column(str(place), f"{value:g}", ".2f", _most) for place, value in enumerate(axis.values)]
    lines = {name: scores for name, scores in axis.systems.items() if scores}
    rows = {
        name: SimpleNamespace(**{str(place): s for place, s in enumerate(scores)}) for name, scores in lines.items()
    }
    title = f"{axis.label}, {axis.unit}"
    return Curve(title, axis.pictures, _svg(title, axis.values, lines, styles), _table(rows, columns))


def _svg(
    title: str, values: Sequence[float], lines: Mapping[str, Sequence[float | None]], styles: Mapping[str, Style]
) -> str:
    """Curves as SVG to stand in a page: text as text, in the page's own colour, no background, no legend."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TwinshotError("the report needs Matplotlib; run pip install 'twinshot[bench]'") from error
    file = StringIO()
    with rc_context({**_DRAWING, "svg.hashsalt": title}):
        figure = Figure(figsize=(4.4, 2.9), layout="constrained")
        axes = figure.subplots()
        for name, scores in lines.items():
            look, drawn = styles[name], [float("nan") if score is None else score for score in scores]
            axes.plot(values, drawn, color=look.colour, linestyle=_linestyle(look), marker="o", markersize=3)
        axes.set(xlabel=title, ylabel="PSNR, dB")
        axes.grid(alpha=0.15)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(file, format="svg", transparent=True, metadata=dict.fromkeys(_STAMPS))
    return _inline(file.getvalue())


def _linestyle(look: Style) -> Any:
    return (0, tuple(map(float, look.dash.split()))) if look.dash else "solid"


def _inline(svg: str) -> str:
    """A document as an element: no prologue, no namespaces, no names that a second one would have too."""
    element = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    return re.sub(r' xmlns(:xlink)?="[^"]*"|(?<=<g) id="[^"]*"', "", element)
