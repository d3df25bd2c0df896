"""Tar files of triples: the same bytes whoever makes them, and nothing made twice."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("upath")

import pyarrow.parquet as pq
from helpers import save
from serial import without_ray

from twinshot.distributed import synthesis
from twinshot.distributed.synthesis import Shard, Synthesiser, write_shards
from twinshot.picture.errors import TwinshotError
from twinshot.synth.triples import Plan, windows_in, write_triples

PLAN = Plan("paper", 5, 9, 32)


@pytest.fixture(scope="module")
def small(tmp_path_factory, photo) -> Path:
    """Two photographs."""
    folder = tmp_path_factory.mktemp("stills")
    save(folder / "a.png", photo[:100, :120])
    save(folder / "b.png", photo[100:200, 100:230])
    return folder


@pytest.fixture(autouse=True)
def _two_a_file(monkeypatch) -> None:
    monkeypatch.setattr(synthesis, "PER_SHARD", 2)
    without_ray(monkeypatch, synthesis)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def unbroken(small, tmp_path) -> dict[str, bytes]:
    """Five triples in three files."""
    assert write_shards(small, tmp_path / "unbroken", PLAN, "local") == (5, 3)
    return contents(tmp_path / "unbroken")


def test_what_is_written(small, unbroken, tmp_path):
    numbers = ("000000", "000001", "000002")
    assert sorted(unbroken) == sorted(
        [f"{number}.tar" for number in numbers] + [f"manifest.parquet/{number}.parquet" for number in numbers]
    )
    write_triples(small, tmp_path / "folders", PLAN)
    lines = [json.loads(line) for line in (tmp_path / "folders" / "meta.jsonl").read_text().splitlines()]
    rows = pq.read_table(tmp_path / "unbroken" / "manifest.parquet").to_pylist()
    assert [json.loads(row["meta"]) for row in rows] == lines
    assert [row["shard"] for row in rows] == ["000000.tar"] * 2 + ["000001.tar"] * 2 + ["000002.tar"]
    assert {(row["shard"], row["sha256"]) for row in rows} == {
        (f"{number}.tar", hashlib.sha256(unbroken[f"{number}.tar"]).hexdigest()) for number in numbers
    }
    with tarfile.open(tmp_path / "unbroken" / "000001.tar") as tar:
        members = tar.getmembers()
        assert [member.name for member in members[:4]] == [f"000002.{what}" for what in WHAT]
        assert {(member.mtime, member.uid, member.uname, member.mode) for member in members} == {(0, 0, "", 0o644)}
        for kind in ("noisy", "blurry", "sharp"):
            member = tar.extractfile(f"000003.{kind}.png")
            assert member.read() == (tmp_path / "folders" / kind / "000003.png").read_bytes()


WHAT = ("noisy.png", "blurry.png", "sharp.png", "json")


def test_any_worker_at_any_time_gives_the_same_bytes(small, unbroken, tmp_path):
    (tmp_path / "other" / "manifest.parquet").mkdir(parents=True)
    for index, count in ((2, 1), (0, 2), (1, 2), (0, 2)):
        worker = Synthesiser(windows_in(small, 32), PLAN, tmp_path / "other")
        assert worker(Shard(index, count)) == ""
    assert contents(tmp_path / "other") == unbroken


def test_a_killed_call_goes_on_to_the_same_bytes(small, unbroken, tmp_path, monkeypatch):
    folder = tmp_path / "unbroken"
    (folder / "manifest.parquet" / "000001.parquet").unlink()
    (folder / "000002.tar").unlink()
    before = (folder / "000000.tar").stat().st_mtime_ns
    assert write_shards(small, folder, PLAN, "local") == (5, 3)
    assert contents(folder) == unbroken
    assert (folder / "000000.tar").stat().st_mtime_ns == before
    monkeypatch.setattr(synthesis, "connected", lambda on: pytest.fail("nothing is missing"))
    assert write_shards(small, folder, PLAN, "local") == (5, 3)


def test_a_longer_set_begins_with_the_same_files(small, unbroken, tmp_path):
    assert write_shards(small, tmp_path / "unbroken", Plan("paper", 7, 9, 32), "local") == (7, 4)
    longer = contents(tmp_path / "unbroken")
    same = [name for name in unbroken if "000002" not in name]
    assert {name: longer[name] for name in same} == {name: unbroken[name] for name in same}
    assert len(pq.read_table(tmp_path / "unbroken" / "manifest.parquet")) == 7


def test_bursts(small, tmp_path):
    write_shards(small, tmp_path, Plan("paper", 1, 9, 32, burst=2), "local")
    with tarfile.open(tmp_path / "000000.tar") as tar:
        assert tar.getnames() == [f"000000.{what}" for what in ("burst.00.png", "burst.01.png", *WHAT)]
        assert tar.extractfile("000000.burst.00.png").read() == tar.extractfile("000000.noisy.png").read()
    with pytest.raises(TwinshotError, match="ask for no burst"):
        write_shards(small, tmp_path / "other", Plan("gopro", 1, burst=2), "local")


def test_sets_are_not_mixed(small, unbroken, tmp_path):
    for plan in (Plan("paper", 5, 8, 32), Plan("camera", 5, 9, 32)):
        with pytest.raises(TwinshotError, match="was made with another source, profile, seed, side or burst"):
            write_shards(small, tmp_path / "unbroken", plan, "local")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "000000.tar").write_bytes(b"mine")
    with pytest.raises(TwinshotError, match=r"000000\.tar: is not from a set that `synth --on` began"):
        write_shards(small, tmp_path / "own", PLAN, "local")
    assert contents(tmp_path / "unbroken") == unbroken


def test_what_cannot_be_made_is_said_and_the_rest_is_there(small, tmp_path, photo):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes((small / name).read_bytes())
    save(tmp_path / "c.png", photo[:24, :24])
    with pytest.raises(TwinshotError, match=r"c\.png: 24x24 is too small"):
        write_shards(tmp_path, tmp_path / "set", Plan("paper", 4, 0, 32), "local")
    assert [path.name for path in (tmp_path / "set").glob("*.tar")] == ["000000.tar"]


def test_addresses(small, unbroken):
    from upath import UPath

    for _ in range(2):
        assert write_shards(small, UPath("memory://set"), PLAN, "local") == (5, 3)
    store = UPath("memory://set")
    assert {name: (store / name).read_bytes() for name in unbroken} == unbroken


def test_a_shard_that_kills_its_workers(small, tmp_path, monkeypatch):
    monkeypatch.setattr(synthesis, "mapped", lambda *given: ((thing, None) for thing in given[2]))
    with pytest.raises(TwinshotError, match=r"000000\.tar: killed every process that worked on it"):
        write_shards(small, tmp_path, PLAN, "local")


def test_the_command(command, small, tmp_path):
    given = ("synth", small, "-o", tmp_path / "set", "--count", 3, "--side", 32, "--on", "local")
    result = command(*given)
    assert (result.code, f"{tmp_path / 'set'}: 3 triples in 2 tar files" in result.out) == (0, True), result
