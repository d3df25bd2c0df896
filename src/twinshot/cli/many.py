"""Restoring many pictures: folders, lists, folders that fill, and a cluster."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from ..picture.errors import InputError, OutputError, in_words
from . import app as shared
from .wish import STREAM, Wish, check_there

if TYPE_CHECKING:
    from ..batch import Outcome, Plan


def many(paths: Sequence[Path], pairs: Path | None, stop: bool, wish: Wish) -> None:
    """Every pair and burst of folders, or of a list."""
    _check_many(wish)
    if wish.on and (wish.output is None or wish.report):
        raise OutputError("--on needs a folder (-o FOLDER), to which it writes report.parquet beside the results")
    planned = _planned(paths, pairs, wish)
    if stop or not (wish.quiet or wish.on):
        _print_plan(planned, wish)
        if not planned.jobs:
            wish.says(f"{pairs} lists no pairs below its first line." if pairs else _nothing_in(planned))
    if stop:
        return
    if wish.on:
        _by_cluster(planned, wish, wish.on)
        return
    _close(list(_run(planned, wish)), planned, wish)


def _nothing_in(plan: Plan) -> str:
    """Why there is nothing to do."""
    if plan.alone or plan.unreadable:
        return (
            "Nothing here makes a pair or a burst. A pair is a short and a long exposure of the same scene; a burst is "
            "three or more short ones."
        )
    return "There are no pictures here. Folders inside a folder are not looked into: name them, too."


def follow(folders: Sequence[Path], more: bool, wish: Wish) -> None:
    """What folders hold and what arrives in them, until somebody interrupts it; `more`: whether more is asked for."""
    from dataclasses import replace

    from ..batch import Plan
    from ..watch import arrivals

    _check_many(wish)
    check_there(folders)
    if more or not folders or not all(os.path.isdir(path) for path in folders):  # noqa: PTH112  # as above
        raise InputError("--watch is for folders; name them, without --plan, --pairs and --on")
    if not wish.quiet:
        wish.says(f"Watching {', '.join(map(str, folders))}. {shared.way_to_end()}")
    outcomes: list[Outcome] = []
    last, unreadable = Plan(()), list[tuple[Path, str]]()
    with suppress(KeyboardInterrupt), shared.ended_as_interrupted():
        for last in arrivals(folders, _folder(wish), wish.settings):
            unreadable += last.unreadable
            if not wish.quiet:
                _print_plan(replace(last, alone=()), wish)
            for outcome in _run(last, wish):
                outcomes.append(outcome)  # each at once, as the next may be interrupted
    _close(outcomes, replace(last, unreadable=tuple(unreadable)), wish)


def _close(outcomes: Sequence[Outcome], plan: Plan, wish: Wish) -> None:
    """The table and the report. Raises Exit with code 1 where anything failed."""
    if not wish.quiet:
        _print_table(outcomes, plan, wish)
    wish.write_report([_row(outcome) for outcome in outcomes])
    if plan.unreadable or any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


def _check_many(wish: Wish) -> None:
    """Refuse what is for one picture."""
    from ..files import io

    if wish.output == STREAM:
        raise OutputError("several pictures cannot go to standard output; name a folder with -o FOLDER/")
    named = Path(wish.output or "")
    if named.suffix.lower() in io.SUFFIXES and not (wish.output or "").endswith("/") and not named.is_dir():
        raise OutputError(f"{named}: is the name of a picture; for folders and lists name a folder with -o FOLDER/")
    if wish.trust_map:
        raise OutputError("--trust-map is for one picture; give one pair instead of a folder or a list")


def _folder(wish: Wish) -> str | None:
    """The folder for all results."""
    return None if wish.output is None else wish.output.rstrip("/") + "/"


def _planned(paths: Sequence[Path], pairs: Path | None, wish: Wish) -> Plan:
    """What a list says, or what folders hold."""
    from .. import batch

    if pairs is None:
        return batch.plan(paths, _folder(wish), wish.settings)
    if pairs.suffix.lower() != ".parquet" and not wish.on:
        return batch.listed(pairs, _folder(wish))
    shared.need("pyarrow", "distributed")
    from ..distributed.restoring import listed

    return listed(pairs, _folder(wish))


def _print_plan(plan: Plan, wish: Wish) -> None:
    for number, job in enumerate(plan.jobs, 1):
        wish.says(f"{number}. {job}{' (exists already)' if job.output.exists() and not wish.force else ''}")
    for path in plan.alone:
        wish.says(f"{path} has no partner here, so it is skipped.")
    if plan.raws:
        wish.says(
            f"Raw files beside developed versions were left out ({len(plan.raws)}, such as {plan.raws[0]}). To restore "
            "them, put them into a folder of their own."
        )
    _print_unreadable(plan)


def _print_unreadable(plan: Plan) -> None:
    for _, why in plan.unreadable:
        shared.err.print(shared.with_options(why), style="yellow", markup=False)


def _run(plan: Plan, wish: Wish) -> Iterator[Outcome]:
    """Do what is planned; failures and warnings are said as they come."""
    from ..batch import run

    if all(job.output.exists() for job in plan.jobs) and not wish.force:
        return run(plan.jobs, None, wish.save)  # type: ignore[arg-type]  # there is nothing to load a model for
    return _told(run(plan.jobs, wish.network(), wish.save, wish.settings, wish.force), len(plan.jobs), wish)


def _told(outcomes: Iterable[Outcome], total: int, wish: Wish) -> Iterator[Outcome]:
    """Each outcome, after a bar has moved and its failure or warnings were said."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(
        *columns, console=shared.err, transient=True, disable=wish.quiet or not shared.err.is_interactive
    ) as bars:
        task = bars.add_task("restoring", total=total)
        for outcome in outcomes:
            bars.advance(task)
            for warning in outcome.report["warnings"] if outcome.report else ():
                shared.err.print(f"warning: {outcome.job.output.name}: {warning}", style="yellow", markup=False)
            if outcome.error:
                shared.show_traceback(outcome.error)
                shared.err.print(f"failed: {shared.words_of(outcome.error)}", style="red", markup=False)
            yield outcome


def _by_cluster(plan: Plan, wish: Wish, on: str) -> None:
    """Do what is planned by Ray; its report takes the place of a table, as there may be millions of pictures."""
    shared.need("ray", "distributed")
    from ..distributed.places import place
    from ..distributed.restoring import REPORT, Order, run

    _print_unreadable(plan)
    order = Order(wish.model, wish.engine, wish.settings, wish.bits, wish.strip, wish.quality)
    folder = place(wish.output or "")
    outcomes = run(plan.jobs, folder, order, on, wish.force)
    came = Counter(outcome.came for outcome in _told(outcomes, len(plan.jobs), wish))
    if not wish.quiet:
        wish.says(f"{_counts(came, plan)}; {folder / REPORT} has a row for each")
    if plan.unreadable or came["failed"]:
        raise typer.Exit(1)


def _print_table(outcomes: Sequence[Outcome], plan: Plan, wish: Wish) -> None:
    table = Table(Column("picture", overflow="fold"), "frames", "seconds", "result")
    for outcome in outcomes:
        report, job = outcome.report, outcome.job
        seconds = f"{sum(report['seconds'].values()):.1f}" if report else ""
        table.add_row(escape(job.output.name), str(len(job.frames)), seconds, outcome.came)
    if outcomes:
        wish.console.print(table, soft_wrap=False)
    wish.says(_counts(Counter(outcome.came for outcome in outcomes), plan))


def _counts(came: Counter[str], plan: Plan) -> str:
    """How many pictures came to what, in a line."""
    came = came + Counter({"skipped": len(plan.alone), "failed": len(plan.unreadable)})
    return ", ".join(f"{came[what]} {what}" for what in ("restored", "existed", "skipped", "failed"))


def _row(outcome: Outcome) -> dict[str, Any]:
    """What a report says of a job."""
    error = in_words(outcome.error) if outcome.error else None
    return outcome.job.row | {"error": error, "report": outcome.report}
