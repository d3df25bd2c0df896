"""What the page and the summary both say, and the templates they say it by."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from ..picture.pair import TwinshotError
from .analysis import Group
from .results import Facts, Results, SetResults, Speed
from .tables import decibels, give_or_take


def template(name: str, autoescape: bool = True) -> Any:
    """A template of this folder. Raises TwinshotError for a missing package."""
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
    env.filters |= {"extent": _extent, "decibels": decibels, "give_or_take": give_or_take, "plain": plain}
    return env.from_string(source)


def plain(text: str) -> str:
    """Text that neither ends a table's cell nor becomes markup."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(text.split()))


def _extent(group: Group, digits: int) -> str:
    return f"{group.low:.{digits}f} to {group.high:.{digits}f}"


def machines(results: Results) -> str:
    """Every machine that some row was measured on; rows of before each said so were all measured on `machine`."""
    tables: list[SetResults | Speed] = [*results.sets.values(), *([results.speed] if results.speed else [])]
    rows = [row for table in tables for row in table.systems.values() if not row.error]
    return "; ".join(sorted({row.machine or results.machine or "unknown" for row in rows}))


def facts_of_set(found: SetResults) -> str:
    """A set's size, checksum, and range of difficulties."""
    said = [f"{found.pictures} pictures", *ranges(found.cases.values(), "{:.1f} to {:.1f}", "{:.3f} to {:.3f}")]
    if left_out := len(found.left_out):
        said.append(f"left out, as they could not be registered: {left_out}")
    return f"{', '.join(said)}; SHA-256 {found.sha256[:12]}"


def ranges(cases: Iterable[Facts], of_blur: str, of_sigma: str) -> list[str]:
    """Of blur, where it is known, and noise."""
    cases = list(cases)
    blurs, sigmas = [case.blur for case in cases if case.blur is not None], [case.sigma for case in cases]
    said = [f"{of_blur.format(min(blurs), max(blurs))} px of blur"] if blurs else []
    return [*said, f"noise sigma {of_sigma.format(min(sigmas), max(sigmas))}"] if sigmas else said


def size_of(speed: Speed | None) -> str:
    """Of the picture whose seconds are taken, in px; empty where none were."""
    return "x".join(map(str, speed.size)) if speed else ""
