"""Restoring past one machine, without a cluster: what is done, what is skipped, and what the report says of it."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("upath")

import pyarrow.parquet as pq
from helpers import save
from serial import without_ray

import twinshot
from twinshot import batch
from twinshot.batch import Job, Outcome
from twinshot.distributed import restoring
from twinshot.distributed.restoring import Order, Restorer, listed, run
from twinshot.files import atomic, io
from twinshot.picture.errors import InputError, ModelError, OutputError
from twinshot.picture.settings import AS_FOUND

ORDER = Order("twin", "onnx", AS_FOUND)
NAMES = ("noisy.png", "blurry.png")


@pytest.fixture
def files(tmp_path, frames):
    """A small pair."""
    return tuple(save(tmp_path / name, frame[:80, :96]) for name, frame in zip(NAMES, frames, strict=True))


@pytest.fixture
def jobs(files, tmp_path, monkeypatch) -> list[Job]:
    """Two jobs that can be done, and one that cannot between them."""
    without_ray(monkeypatch, restoring)
    (tmp_path / "broken.png").write_bytes(b"broken")
    shorts = (files[0], tmp_path / "broken.png", files[0])
    return [Job((short,), files[1], tmp_path / "out" / f"{index}.png") for index, short in enumerate(shorts)]


def rows(folder) -> dict[str, dict]:
    """The report, by file names of outputs, of which it may have each but once."""
    parts = [BytesIO(part.read_bytes()) for part in (folder / restoring.REPORT).glob("*.parquet")]
    found = [row for part in parts for row in pq.read_table(part).to_pylist()]
    names = [row["output"].rsplit("/")[-1] for row in found]
    assert len(names) == len(set(names))
    return dict(zip(names, found, strict=True))


def test_a_broken_file_fails_its_own_row(jobs, files, tmp_path):
    found = list(run(jobs, tmp_path / "out", ORDER, "local"))
    assert [bool(outcome.error) for outcome in found] == [False, True, False]
    report = rows(tmp_path / "out")
    assert [report[name]["result"] for name in ("0.png", "1.png", "2.png")] == ["restored", "failed", "restored"]
    assert "broken.png: not an image" in report["1.png"]["error"]
    assert json.loads(report["0.png"]["report"])["model"] == report["0.png"]["model"] == "twin"
    np.testing.assert_array_equal(io.read(jobs[2].output).pixels, _eight_bit(twinshot.restore(*files).image))


def _eight_bit(image):
    return np.round(image * 255).astype(np.uint8)


def test_called_again_it_does_what_is_left(jobs, files, tmp_path):
    list(run(jobs, tmp_path / "out", ORDER, "local"))
    before, first = jobs[0].output.stat().st_mtime_ns, rows(tmp_path / "out")
    (tmp_path / "broken.png").write_bytes(files[0].read_bytes())
    again = list(run(jobs, tmp_path / "out", ORDER, "local"))
    assert [outcome.job.output.name for outcome in again if outcome.report] == ["1.png"]
    assert jobs[0].output.stat().st_mtime_ns == before
    second = rows(tmp_path / "out")
    assert {name: row["result"] for name, row in second.items()} == dict.fromkeys(first, "restored")
    assert second["0.png"] == first["0.png"]
    assert len(list(run(jobs, tmp_path / "out", ORDER, "local", force=True))) == 3
    assert jobs[0].output.stat().st_mtime_ns > before
    assert len(rows(tmp_path / "out")) == 3


def test_what_was_there_before_has_a_row_once(jobs, tmp_path):
    jobs[0].output.parent.mkdir()
    jobs[0].output.write_bytes(b"mine")
    for _ in range(2):
        list(run(jobs, tmp_path / "out", ORDER, "local"))
        assert rows(tmp_path / "out")["0.png"]["result"] == "existed"
    assert jobs[0].output.read_bytes() == b"mine"


def test_rows_of_a_stopped_call_are_kept(jobs, tmp_path):
    stopped = run(jobs, tmp_path / "out", ORDER, "local")
    next(stopped)
    stopped.close()
    assert list(rows(tmp_path / "out")) == ["0.png"]
    list(run(jobs, tmp_path / "out", ORDER, "local"))
    assert rows(tmp_path / "out")["0.png"]["result"] == "restored"


def test_several_pairs_for_one_output(jobs, tmp_path):
    found = list(run([jobs[0], jobs[2], jobs[0]], tmp_path / "out", ORDER, "local"))
    said = [str(outcome.error) for outcome in found if outcome.error]
    assert said == [f"{jobs[0].output}: several pairs would write it; name their outputs apart"] * 2
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["2.png"]


def test_a_pair_whose_workers_die(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(
        restoring, "mapped", lambda make, arguments, things, memory: ((thing, None) for thing in things)
    )
    found = list(run(jobs[:1], tmp_path / "out", ORDER, "local"))
    assert "noisy.png: killed every process that worked on it" in str(found[0].error)
    assert rows(tmp_path / "out")["0.png"]["result"] == "failed"


def test_a_fault_of_ours_is_one_row_too(jobs, monkeypatch):
    def fail(*_, **__):
        raise ValueError("odd")

    monkeypatch.setattr(batch, "restore_frames", fail)
    outcome = Restorer(ORDER)(jobs[0])
    assert "noisy.png: cannot be restored (ValueError: odd)" in str(outcome.error)


def test_what_is_refused_before_any_work(jobs, tmp_path):
    with pytest.raises(ModelError, match="no model is called 'none'"):
        list(run(jobs, tmp_path / "out", Order("none", "onnx", AS_FOUND), "local"))
    with atomic.locked(tmp_path / "out"), pytest.raises(OutputError, match="another process is working there"):
        list(run(jobs, tmp_path / "out", ORDER, "local"))


def test_a_list_in_parquet_is_one_in_csv(tmp_path):
    columns = {"short": ["a.jpg;b.jpg", "d.jpg"], "long": ["c.jpg", "e.jpg"], "output": [None, "f.png"], "note": [1, 2]}
    pq.write_table(pa.table(columns), tmp_path / "pairs.parquet")
    (tmp_path / "pairs.csv").write_text("short,long,output\na.jpg;b.jpg,c.jpg,\nd.jpg,e.jpg,f.png\n")
    assert listed(tmp_path / "pairs.parquet", "out/") == batch.listed(tmp_path / "pairs.csv", "out/")
    pq.write_table(pa.table({"short": ["a.jpg"]}), tmp_path / "pairs.parquet")
    with pytest.raises(InputError, match="line 1 needs a file in the column `short` and one in `long`"):
        listed(tmp_path / "pairs.parquet")
    for content in (b"", b"PAR1 no more"):
        (tmp_path / "pairs.parquet").write_bytes(content)
        with pytest.raises(InputError, match=r"pairs\.parquet: cannot be read as a Parquet file"):
            listed(tmp_path / "pairs.parquet")


def test_addresses(command, jobs, files, tmp_path):
    """Pictures and results in a store that is no file system."""
    from upath import UPath

    store = UPath("memory://night")
    for path in files:
        (store / "in" / path.name).write_bytes(path.read_bytes())
    lines = [
        "short,long",
        *(f"memory://night/in/{name},memory://night/in/blurry.png" for name in ("noisy.png", "no.png")),
    ]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    result = command("restore", "--pairs", tmp_path / "pairs.csv", "-o", "memory://night/out", "--on", "local")
    assert result.code == 1, result
    assert "memory://night/in/no.png: cannot be restored (FileNotFoundError" in result.err
    assert command("restore", *files, "-o", tmp_path / "here.png").code == 0
    (tmp_path / "there.png").write_bytes((store / "out" / "noisy-restored.png").read_bytes())
    np.testing.assert_array_equal(io.read(tmp_path / "there.png").pixels, io.read(tmp_path / "here.png").pixels)
    report = rows(store / "out")
    assert report["noisy-restored.png"]["output"] == "memory://night/out/noisy-restored.png"
    assert json.loads(report["noisy-restored.png"]["report"])["noisy"] == "memory://night/in/noisy.png"
    again = command("restore", "--pairs", tmp_path / "pairs.csv", "-o", "memory://night/out", "--on", "local")
    assert "0 restored, 1 existed, 0 skipped, 1 failed; memory://night/out/report.parquet has" in again.out
    (tmp_path / "pairs.csv").write_text("short,long\nnowhere://a.png,b.png\n")
    wrong = command("restore", "--pairs", tmp_path / "pairs.csv", "-o", tmp_path / "out", "--on", "local")
    assert (wrong.code, "nowhere://a.png: such an address cannot be opened" in wrong.err) == (2, True), wrong


def test_a_pair_of_names_only(tmp_path):
    from twinshot.distributed.report import row_of

    job = Job((tmp_path / "a.png",), None, tmp_path / "b.png")
    assert row_of(Outcome(job, error=InputError("no")))["long"] is None


def test_the_command(command, jobs, tmp_path, files):
    (tmp_path / "pairs.csv").write_text("short,long\nnoisy.png,blurry.png\nnone.png,blurry.png\n")
    result = command("restore", "--pairs", tmp_path / "pairs.csv", "-o", tmp_path / "out", "--on", "local")
    assert result.code == 1
    assert "none.png: no such file" in result.err
    assert "1 restored, 0 existed, 0 skipped, 1 failed; " in result.out
    again = command("restore", "--pairs", tmp_path / "pairs.csv", "-o", tmp_path / "out", "--on", "local")
    assert "0 restored, 1 existed, 0 skipped, 1 failed; " in again.out
    assert set(rows(tmp_path / "out")) == {"noisy-restored.png", "none-restored.png"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("noisy.png", "blurry.png"), "--on is for folders and lists"),
        ((".",), "--on needs a folder (-o FOLDER)"),
        ((".", "-o", "out", "--report", "r.json"), "--on needs a folder (-o FOLDER)"),
    ],
)
def test_what_on_does_not_go_with(command, files, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    result = command("restore", *arguments, "--on", "local")
    assert (result.code, said in result.err) == (2, True), result
