"""Tables of figures: which columns there are, and which of a column's values is the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from msgspec import structs

from .analysis import ratio
from .results import Speed

INPUTS = ("noisy", "blurry", "registered")  # nobody restored them, so they are never the best of a column


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


def most(value: float) -> float:
    """The rank where the largest value is the best."""
    return -value


_PSNR = Column("psnr", "PSNR, dB", ".2f", most)
_SSIM = Column("ssim_paper", "SSIM paper", ".4f", most)
_MATLAB = Column("ssim_matlab", "SSIM matlab", ".4f", most)
_SKIMAGE = Column("ssim_skimage", "SSIM skimage", ".4f", most)
_LOW = Column("psnr_p5", "5th percentile, dB", ".2f", most)
_DETAIL = Column("detail", "detail, dB", ".2f", most)
_COLOUR = Column("colour", "colour, CIEDE2000", ".2f", float)
_HARM = (
    Column("harm_psnr", "harmed by PSNR", ".0%", float),
    Column("worst_psnr", "at worst, dB", ".2f", float),
    Column("harm_ssim", "harmed by SSIM", ".0%", float),
    Column("worst_ssim", "at worst, SSIM", ".3f", float),
)
_GRID = Column("checkerboard", "checkerboard, dB", ".2f", abs)
_SECONDS = Column("seconds", "seconds", ".2f", float)
MEASURED = (_PSNR, _LOW, _SSIM, _MATLAB, _SKIMAGE, _DETAIL, _COLOUR, *_HARM, _GRID, _SECONDS)
IN_SHORT = (_PSNR, _LOW, _SSIM, _DETAIL, _COLOUR, *_HARM, _GRID, _SECONDS)
PUBLISHED_FIGURES = (_PSNR, Column("ssim", "SSIM", ".4f", most))
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
TRAINING = (
    Column("parameters", "parameters", ",.0f"),
    Column("samples", "crops seen", ",.0f"),
    Column("crop", "crop, px", ".0f"),
    Column("hours", "hours of a CPU", ".1f"),
    Column("gpu_hours", "of a GPU", ".2f"),
)


def table_of(
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


def speed_table(speed: Speed | None, published: Mapping[str, object] | None = None) -> Table | None:
    """Seconds and memory, and their ratios to DeblurRNN's."""
    if speed is None:
        return None
    rows = {name: SimpleNamespace(**structs.asdict(row)) for name, row in speed.systems.items()}
    for name, row in rows.items():
        row.seconds_ratio = ratio(speed.systems, name, "seconds")
        row.memory_mb_ratio = ratio(speed.systems, name, "memory_mb")
    return table_of(rows, _SPEED, published, _PUBLISHED_SPEED)


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
    texts = ["" if value is None else shown(value, column.spec) for value in values]
    rank = column.rank
    if rank is None:
        return [Cell(text, False) for text in texts]
    rivals = [text for name, text in zip(names, texts, strict=True) if text and name not in INPUTS]
    best = min(rivals, key=lambda text: rank(_value(text)), default="")
    return [Cell(text, text == best != "" and name not in INPUTS) for name, text in zip(names, texts, strict=True)]


def shown(value: float, spec: str) -> str:
    """As text, never -0.00."""
    text = format(value, spec)
    return text if _value(text) else format(0.0, spec)


def decibels(gain: float) -> str:
    """With its sign."""
    return shown(gain, "+.2f")


def give_or_take(gain: float, error: float | None) -> str:
    """A mean and, where it is known, its standard error."""
    return decibels(gain) if error is None else f"{decibels(gain)} ± {error:.2f}"


def _value(text: str) -> float:
    return float(text.replace(",", "").rstrip("%"))
