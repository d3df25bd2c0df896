"""The result of every pair as a table: a folder of Parquet files, which is read as one."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..batch import Outcome
from ..picture.errors import in_words
from .places import make_folder, write_bytes

SCHEMA = pa.schema(
    {
        "output": pa.string(),
        "short": pa.list_(pa.string()),
        "long": pa.string(),
        "result": pa.string(),
        "error": pa.string(),
        "model": pa.string(),
        "seconds": pa.float64(),
        "warnings": pa.list_(pa.string()),
        "report": pa.string(),
    }
)
"""One row a pair: `result` is the outcome's word; `report` is docs/report.md's, as JSON."""
_ROWS, _SECONDS = 1000, 30.0  # a file is written after so many rows or seconds; a killed call loses no more


def row_of(outcome: Outcome) -> dict[str, Any]:
    """A row without the columns that are null."""
    row, report = outcome.job.row | {"result": outcome.came}, outcome.report
    if outcome.error:
        row |= {"error": in_words(outcome.error)}
    if report:
        row |= {"model": report["model"], "seconds": sum(report["seconds"].values()), "warnings": report["warnings"]}
        row |= {"report": json.dumps(report)}
    return row


def forget(folder: Path, outputs: set[str]) -> set[str]:
    """Remove the rows of pictures that will be made again; returns the outputs of those that stay."""
    kept: set[str] = set()
    for part in sorted(folder.glob("*.parquet")):
        with part.open("rb") as file:
            table = pq.read_table(file)
        stays = [output not in outputs for output in table["output"].to_pylist()]
        kept.update(output for output in table["output"].to_pylist() if output not in outputs)
        if not any(stays):
            part.unlink()
        elif not all(stays):
            write_table(part, table.filter(pa.array(stays)))
    return kept


@contextmanager
def written(folder: Path) -> Iterator[Callable[[Outcome], None]]:
    """Give a function that takes outcomes and writes them to new files of the folder, which is made."""
    make_folder(folder)
    rows: list[dict[str, Any]] = []
    last = time.monotonic()

    def flush() -> None:
        if rows:
            write_table(folder / f"{time.time_ns()}-{secrets.token_hex(4)}.parquet", pa.Table.from_pylist(rows, SCHEMA))
            rows.clear()

    def add(outcome: Outcome) -> None:
        nonlocal last
        rows.append(row_of(outcome))
        if len(rows) >= _ROWS or time.monotonic() - last > _SECONDS:
            flush()
            last = time.monotonic()

    try:
        yield add
    finally:
        flush()


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file. Raises OutputError, or OSError."""
    data = BytesIO()
    pq.write_table(table, data)
    write_bytes(path, data.getvalue())
