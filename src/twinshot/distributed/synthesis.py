"""Triples synthesised by the workers of a cluster, into tar files in the convention of WebDataset.

A tar file is a pure function of (windows, plan, index): its bytes are the same whichever worker makes it, and
however often.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..files import io
from ..machine import opencv_threads
from ..picture.errors import TwinshotError
from ..picture.levels import eight_bit
from ..picture.pair import Metadata
from ..synth.frames import Window
from ..synth.triples import Plan, asked, check_plan, count_of, made, pictures_of, windows_in
from .cluster import connected, mapped
from .places import Listing, absolute, locked, make_folder, write_bytes
from .report import write_table

MANIFEST = "manifest.parquet"
PER_SHARD = 32  # triples a tar file: 160 MB of 1280 x 720 px, 65 files for the 2058 of GOPRO2's training set
MEMORY = 1_500_000_000  # bytes that a worker needs
SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "shard": pa.string(),
        "sha256": pa.string(),
        "source": pa.string(),
        "blur": pa.float64(),
        "meta": pa.string(),
    }
)
"""One row a triple: its tar file and that file's checksum; `meta` is its line of meta.jsonl."""


@dataclass(frozen=True)
class Shard:
    """A tar file to make: its index, and how many triples it holds."""

    index: int
    count: int

    @property
    def triples(self) -> range:
        """The indices of its triples."""
        return range(self.index * PER_SHARD, self.index * PER_SHARD + self.count)

    def tar(self, output: Path) -> Path:
        """The file."""
        return output / f"{self.index:06d}.tar"

    def part(self, output: Path) -> Path:
        """Its part of the manifest. That is written last: where it exists, the tar file is complete."""
        return output / MANIFEST / f"{self.index:06d}.parquet"


def write_shards(source: Path, output: Path, plan: Plan, on: str) -> tuple[int, int]:
    """Make the tar files that are missing; returns how many triples and how many files there are then.

    Args:
        source: as in `triples.write_triples`; it has the same path on every machine of the cluster.
        output: gets 000000.tar, ... and manifest.parquet, a folder with a file for each.
        plan: what to make.
        on: see `cluster.connected`.

    Raises:
        TwinshotError: as in `triples.write_triples`, or a triple cannot be made; all other tar files are made then.
        ClusterError: no cluster answers, or it fails.
    """
    check_plan(plan)
    windows, output = windows_in(source.absolute(), plan.side), absolute(output)
    total = count_of(windows, plan)
    shards = [Shard(start // PER_SHARD, min(PER_SHARD, total - start)) for start in range(0, total, PER_SHARD)]
    with locked(output):
        _check_output(output)
        make_folder(output / MANIFEST)
        listing = Listing()
        missing = [shard for shard in shards if not _is_there(shard, output, windows, plan, listing)]
        if missing:
            _make(missing, output, windows, plan, on)
    return total, len(shards)


def _check_output(output: Path) -> None:
    """Refuse a folder with tar files but no manifest, which `synth --on` makes first: they are somebody else's."""
    entries = output.iterdir() if output.exists() else ()
    foreign = [path for path in entries if path.suffix == ".tar" or path.name == "meta.jsonl"]
    if foreign and not (output / MANIFEST).is_dir():
        raise TwinshotError(f"{foreign[0]}: is not from a set that `synth --on` began; choose an empty folder")


def _is_there(shard: Shard, output: Path, windows: Sequence[Window], plan: Plan, listing: Listing) -> bool:
    """Whether a tar file is complete. Raises TwinshotError where it is of other settings or another source."""
    if not listing.has(shard.part(output)):
        return False
    with shard.part(output).open("rb") as file:
        rows = [json.loads(row) for row in pq.read_table(file, columns=["meta"])["meta"].to_pylist()]
    for index, row in zip(shard.triples, rows, strict=False):
        if not asked(windows, plan, index).items() <= row.items():
            raise TwinshotError(
                f"{output}: was made with another source, profile, seed, side or burst; choose an empty folder"
            )
    return len(rows) >= shard.count and listing.has(shard.tar(output))


def _make(shards: Sequence[Shard], output: Path, windows: Sequence[Window], plan: Plan, on: str) -> None:
    with connected(on):
        failed = []
        for shard, words in mapped(Synthesiser, (windows, plan, output), shards, MEMORY):
            if words is None:
                failed.append(f"{shard.tar(output)}: killed every process that worked on it; give them more memory")
            elif words:
                failed.append(words)
    if failed:
        raise TwinshotError(min(failed))


class Synthesiser:
    """Runs in a worker: makes one tar file at a time; returns why it could not, or an empty text."""

    def __init__(self, windows: Sequence[Window], plan: Plan, output: Path) -> None:
        self.windows, self.plan, self.output = windows, plan, output

    def __call__(self, shard: Shard) -> str:
        try:
            self.write(shard)
        except (TwinshotError, OSError) as error:
            return str(error)
        return ""

    def write(self, shard: Shard) -> None:
        """Write the tar file, then its part of the manifest."""
        with opencv_threads(1):
            data, rows = self._made(shard)
        write_bytes(shard.tar(self.output), data)
        tar = {"shard": shard.tar(self.output).name, "sha256": hashlib.sha256(data).hexdigest()}
        table = pa.Table.from_pylist([{**row, **tar, "meta": json.dumps(row)} for row in rows], SCHEMA)
        write_table(shard.part(self.output), table)

    def _made(self, shard: Shard) -> tuple[bytes, list[dict[str, Any]]]:
        file, rows = BytesIO(), []
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for index in shard.triples:
                triple, row = made(self.windows, self.plan, index)
                key = Path(row["name"]).stem
                for part, image in pictures_of(triple).items():
                    encoded = BytesIO()
                    io.encoder(Path(row["name"]), eight_bit(image), Metadata())(encoded)
                    _add(tar, f"{key}.{part}.png", encoded.getvalue())
                _add(tar, f"{key}.json", json.dumps(row).encode())
                rows.append(row)
        return file.getvalue(), rows


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file without time, owner and permissions, which would make the bytes differ each time."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, BytesIO(data))
