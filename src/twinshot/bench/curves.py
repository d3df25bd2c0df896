"""Curves of PSNR along a difficulty: drawn, and as figures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import cycle, product
from types import SimpleNamespace
from typing import Any

from ..picture.pair import TwinshotError
from .results import Curves
from .tables import Column, Table, most, table_of

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


def styles_of(drawn: Iterable[Curves]) -> dict[str, Style]:
    """The same look for a system in all curves."""
    names = dict.fromkeys(name for axis in drawn for name, scores in axis.systems.items() if scores)
    looks = product(_DASHES, _COLOURS)
    # More systems than looks: the last ones look alike, and their figures stand below.
    return {name: Style(colour, dash) for name, (dash, colour) in zip(names, cycle(looks), strict=False)}


def curve_of(axis: Curves, styles: Mapping[str, Style]) -> Curve:
    """One difficulty's curves. Raises TwinshotError for a missing package."""
    columns = [Column(str(place), f"{value:g}", ".2f", most) for place, value in enumerate(axis.values)]
    lines = {name: scores for name, scores in axis.systems.items() if scores}
    rows = {
        name: SimpleNamespace(**{str(place): s for place, s in enumerate(scores)}) for name, scores in lines.items()
    }
    title = f"{axis.label}, {axis.unit}"
    return Curve(title, axis.pictures, _svg(title, axis.values, lines, styles), table_of(rows, columns))


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
