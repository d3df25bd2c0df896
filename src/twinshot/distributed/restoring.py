"""Pairs restored by the workers of a cluster, each of which loads the network once and writes its results itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .. import batch
from ..batch import Job, Outcome, Plan
from ..engines.loading import load_model
from ..machine import opencv_threads, usable_cores
from ..picture.errors import InputError, OutputError, TwinshotError, in_words
from ..picture.settings import Settings
from ..restored import Restored
from . import report
from .cluster import connected, mapped
from .places import Copies, Listing, absolute, copies, is_remote, locked, place, write_bytes

REPORT = "report.parquet"
MEMORY = 1_000_000_000  # bytes that a worker needs for a pair of 24 megapixels


@dataclass(frozen=True)
class Order:
    """How all pairs are restored and stored: arguments of `load_model`, `restore` and `Restored.save`."""

    model: str
    engine: str
    settings: Settings
    bits: int | None = None
    strip: bool = False
    quality: int | None = None

    def save(self, restored: Restored, path: Path) -> None:
        """Write a result; whether it is to be made was decided before the work was handed out."""
        restored.save(path, True, self.bits, self.strip, self.quality)


def listed(path: Path, output: str | None = None) -> Plan:
    """The plan that a CSV or Parquet file gives, with the columns of `batch.listed`; addresses are allowed.

    Raises InputError where it cannot be read, a row lacks its short frames, or an address cannot be opened.
    """
    rows = enumerate(_rows(path), 1) if path.suffix.lower() == ".parquet" else batch.rows_of(path)
    return batch.planned(path, rows, output, place)


def _rows(path: Path) -> list[dict[str, str | None]]:
    try:
        columns = [name for name in ("short", "long", "output") if name in pq.read_schema(path).names]
        rows: list[dict[str, str | None]] = pq.read_table(path, columns=columns).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as a Parquet file ({error}); give a list of pairs") from error
    return rows


def run(jobs: Sequence[Job], folder: Path, order: Order, on: str, force: bool = False) -> Iterator[Outcome]:
    """Do the jobs whose results do not exist yet, as `batch.run` does; outcomes come in the order of completion.

    Args:
        jobs: their files have the same paths on every machine of the cluster.
        folder: gets report.parquet, with one row for each job, also of earlier calls.
        order: how they are restored.
        on: see `cluster.connected`.
        force: whether results that are there are made again.

    Raises:
        OutputError: another process works in the folder.
        ModelError: there is no such model or engine.
        ClusterError: no cluster answers, or it fails.
    """
    clashes, jobs = _clashes([_absolute(job) for job in jobs])
    done, missing = batch.divided(jobs, force, Listing().has)
    with locked(folder):
        recorded = report.forget(folder / REPORT, {str(job.output) for job in (*missing, *clashes)})
        with report.written(folder / REPORT) as add:
            for outcome in (*map(Outcome, done), *map(_clash, clashes)):
                if str(outcome.job.output) not in recorded:
                    add(outcome)
                yield outcome
            for outcome in _restored(missing, order, on):
                add(outcome)
                yield outcome


def _absolute(job: Job) -> Job:
    """Workers may have another working folder than the command."""
    short = tuple(map(absolute, job.short))
    return replace(job, short=short, long=job.long and absolute(job.long), output=absolute(job.output))


def _clashes(jobs: Sequence[Job]) -> tuple[list[Job], list[Job]]:
    """Jobs that share an output file, which would overwrite each other, and all other jobs."""
    names = Counter(job.output for job in jobs)
    return [job for job in jobs if names[job.output] > 1], [job for job in jobs if names[job.output] == 1]


def _clash(job: Job) -> Outcome:
    return Outcome(job, error=OutputError(f"{job.output}: several pairs would write it; name their outputs apart"))


def _restored(jobs: Sequence[Job], order: Order, on: str) -> Iterator[Outcome]:
    if not jobs:
        return
    load_model(order.model, order.engine)  # fails here if it is missing, before a cluster is started
    with connected(on):
        for job, outcome in mapped(Restorer, (order,), jobs, MEMORY):
            yield outcome or Outcome(job, error=_lost(job))


def _lost(job: Job) -> TwinshotError:
    return TwinshotError(f"{job.short[0]}: killed every process that worked on it; restore it alone, with more memory")


class Restorer:
    """Runs in a worker: restores one job at a time, on the cores that Ray gave it."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.network = load_model(order.model, order.engine)

    def __call__(self, job: Job) -> Outcome:
        try:
            with opencv_threads(usable_cores()), copies() as near:
                return self.restored(job, near)
        except Exception as error:  # a bug that one of a million pairs runs into must not stop the others
            words = f"{job.short[0]}: cannot be restored ({type(error).__name__}: {error})"
            return Outcome(job, error=TwinshotError(words))

    def restored(self, job: Job, near: Copies) -> Outcome:
        """Files at addresses are fetched first, and the result is uploaded."""
        short, long = tuple(map(near.near, job.short)), job.long and near.near(job.long)
        work = replace(job, short=short, long=long, output=near.near(job.output, fetch=False))
        outcome = next(batch.run([work], self.network, self.order.save, self.order.settings, force=True))
        if outcome.error:
            return Outcome(job, error=TwinshotError(near.renamed(in_words(outcome.error))))
        if is_remote(job.output):
            write_bytes(job.output, work.output.read_bytes())
        return Outcome(job, json.loads(near.renamed(json.dumps(outcome.report, ensure_ascii=False))))
