"""Batches: what is planned, what is done in which order, and what a killed call leaves."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections import defaultdict
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from helpers import MAIN, outcome, save, start

import twinshot
from twinshot import batch
from twinshot.batch import Job, pipelined, target
from twinshot.files import io
from twinshot.picture.errors import InputError
from twinshot.picture.pair import Frame, Pair
from twinshot.picture.settings import Settings
from twinshot.watch import arrivals


@pytest.mark.parametrize(
    ("short", "output", "wanted"),
    [
        ("a/b.jpg", None, "a/b-restored.jpg"),
        ("a/b.JPG", None, "a/b-restored.JPG"),
        ("a/b.heic", None, "a/b-restored.jpg"),
        ("a/b.nef", None, "a/b-restored.tif"),
        ("a/b.dng", None, "a/b-restored.tif"),
        ("a/b.tif", "c/", "c/b-restored.tif"),
        ("a/b.tif", "c", "c.tif"),
        ("a/b.tif", "c.png", "c.png"),
    ],
)
def test_targets(short, output, wanted):
    assert target(Path(short), output) == Path(wanted)


def test_a_plan_names_results_apart(tmp_path, frames):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        scene = frames if name == "one" else [frame[::-1, ::-1].copy() for frame in frames]
        for kind, pixels in zip(("s", "l"), scene, strict=True):
            save(tmp_path / name / f"{kind}.png", pixels)
    plan = batch.plan([tmp_path / "one", tmp_path / "two"], f"{tmp_path}/out/")
    assert [job.output.name for job in plan.jobs] == ["one-s-restored.png", "two-s-restored.png"]
    assert [job.short[0].name for job in plan.jobs] == ["s.png", "s.png"]
    assert (plan.alone, plan.unreadable) == ((), ())


@pytest.mark.parametrize(
    ("rows", "output", "wanted"),
    [
        ("a/x/1.jpg,a/x/2.jpg,\nb/x/1.jpg,b/x/2.jpg,", "out/", ["x-1-restored.jpg", "2-x-1-restored.jpg"]),
        ("x/1.heic,x/2.heic,\nx/1.jpg,x/2.jpg,", None, ["x-1-restored.jpg", "2-x-1-restored.jpg"]),
        ("x/1.jpg,x/2.jpg,o.png\nx/3.jpg,x/4.jpg,o.png", None, ["x-o.png", "2-x-o.png"]),
    ],
)
def test_results_of_folders_that_are_called_alike_have_numbers(tmp_path, rows, output, wanted):
    """Of two results with one name, the second would take the first one's place, or fail."""
    (tmp_path / "pairs.csv").write_text(f"short,long,output\n{rows}\n")
    assert [job.output.name for job in batch.listed(tmp_path / "pairs.csv", output).jobs] == wanted


def test_a_folder_pairs_what_two_names_would(tmp_path, frames):
    """An editor turned one of the frames, and no EXIF is left."""
    noisy, blurry = frames
    save(tmp_path / "a.png", (noisy // 4).astype(np.uint8))
    save(tmp_path / "b.png", np.rot90(blurry).copy())
    plan = batch.plan([tmp_path])
    assert [job.frames for job in plan.jobs] == [(tmp_path / "a.png", tmp_path / "b.png")]
    (result,) = twinshot.restore_many([(tmp_path / "a.png", tmp_path / "b.png")])
    assert "turned by" in result.report["notes"][0]


def test_a_plan_lists_each_folder_once(tmp_path, monkeypatch):
    """A folder on a network may hold thousands of files."""
    for name in ("a/x.nef", "a/x.jpg", "b/y.nef"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    listed, scandir = list[Path](), os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: listed.append(folder) or scandir(folder))
    plan = batch.plan([tmp_path / "a", tmp_path / "b", tmp_path / "b/y.nef"])
    assert listed == [tmp_path / "a", tmp_path / "b"]
    assert plan.raws == (tmp_path / "a/x.nef",)
    assert [path.name for path, _ in plan.unreadable] == ["x.jpg", "y.nef"]


@pytest.mark.parametrize("name", ["sharp.png", "sharp.jpg", "sharp.tif"])
def test_a_result_of_any_name_is_not_used(files, tmp_path, name):
    twinshot.restore(*files).save(tmp_path / name)
    plan = batch.plan([tmp_path])
    assert [job.frames for job in plan.jobs] == [files]
    assert plan.alone == (tmp_path / name,)


def test_damaged_files_are_looked_at_where_they_are_accepted(tmp_path, frames):
    short, long = (save(tmp_path / f"{i}.jpg", pixels, quality=95) for i, pixels in enumerate(frames))
    other = save(tmp_path / "2.jpg", frames[0][::-1].copy(), quality=95)
    long.write_bytes(long.read_bytes()[: long.stat().st_size * 3 // 4])
    assert [path for path, _ in batch.plan([tmp_path]).unreadable] == [long]
    accepting = Settings(accept_damaged=True)
    assert [job.frames for job in batch.plan([tmp_path], settings=accepting).jobs] == [(short, long)]
    watched = arrivals([tmp_path], settings=accepting, clock=itertools.count(time.time() + 100, 10).__next__)
    assert [job.frames for job in next(watched).jobs] == [(short, long)]
    with pytest.raises(InputError, match="damaged"):
        batch.roles([short, other, long])
    assert batch.roles([short, other, long], accept_damaged=True) == ((short, other), long)


@pytest.fixture
def burst(tmp_path, photo, rng):
    """Three dark files alike, with noise; the first lacks its lower half, which is mid-grey where it is decoded."""
    dark = photo[:256, :352] / 16.0
    paths = [
        save(tmp_path / f"s{i}.jpg", (dark + rng.normal(0, 5, dark.shape)).clip(0, 255).astype(np.uint8), quality=95)
        for i in range(3)
    ]
    paths[0].write_bytes(paths[0].read_bytes()[: paths[0].stat().st_size // 2])
    return paths


def test_what_a_damaged_file_lacks_makes_no_frame_the_long_one(tmp_path, burst, photo):
    """The grey in its place is brighter than a dark frame, and has no noise."""
    long = save(tmp_path / "long.jpg", (photo[:256, :352] / 2).astype(np.uint8), quality=95)
    assert batch.roles([*burst, long], accept_damaged=True) == (tuple(burst), long)
    assert batch.roles([burst[1], burst[0], burst[2]], accept_damaged=True)[1] == burst[2]  # the last, as asked for


def test_lists(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("short,long,output\na.jpg;b.jpg,c.jpg,\nd.jpg, e.jpg ,f.png\n")
    jobs = batch.listed(path).jobs
    assert jobs[0] == Job((tmp_path / "a.jpg", tmp_path / "b.jpg"), tmp_path / "c.jpg", tmp_path / "a-restored.jpg")
    assert jobs[1] == Job((tmp_path / "d.jpg",), tmp_path / "e.jpg", tmp_path / "f.png")
    path.write_text("short,long\na.jpg,\n")
    with pytest.raises(InputError, match="line 2 needs a file in the column `short` and one in `long`"):
        batch.listed(path)
    with pytest.raises(InputError, match=r"none\.csv: no such file; check the name"):
        batch.listed(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot be read as a CSV file"):
        batch.listed(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_lists_as_spreadsheets_write_them(tmp_path, separator, encoding):
    rows = [" Short", "LONG "], ['"a.jpg;é.jpg"', "c.jpg"], ["", ""], ["d.jpg", "e.jpg"]
    text = "\r\n".join(separator.join(row) for row in rows)
    (tmp_path / "pairs.csv").write_bytes(text.encode(encoding))
    names = [[path.name for path in job.frames] for job in batch.listed(tmp_path / "pairs.csv").jobs]
    assert names == [["a.jpg", "é.jpg", "c.jpg"], ["d.jpg", "e.jpg"]]


def test_a_row_is_named_by_its_line(tmp_path):
    (tmp_path / "pairs.csv").write_text("short;long\n\n;\na.jpg;\n")
    with pytest.raises(InputError, match="line 4 needs a file in the column `short` and one in `long`"):
        batch.listed(tmp_path / "pairs.csv")


@pytest.mark.parametrize("row", ["a.jpg;b.jpg;c.jpg", "a.jpg;b.jpg;;c.jpg"])
def test_a_row_with_more_columns_than_there_are_is_refused(tmp_path, row):
    """Without quotes the second of two short frames was the long one, and the long one was not used."""
    (tmp_path / "pairs.csv").write_text(f"short;long\na.jpg;b.jpg;;\n;;;\n{row}\n")
    with pytest.raises(InputError, match="line 4 has more columns than the first line; put quotes around"):
        batch.listed(tmp_path / "pairs.csv")


@pytest.mark.parametrize("data", ["short;long\né.jpg;b.jpg\n".encode("cp1252"), b"PK\x03\x04\xff\xff", b"\xff\xfea"])
def test_a_list_that_is_no_text_is_refused(tmp_path, data):
    (tmp_path / "pairs.csv").write_bytes(data)
    with pytest.raises(InputError, match="is not text in UTF-8; save the list of pairs as CSV in UTF-8"):
        batch.listed(tmp_path / "pairs.csv")


@pytest.mark.parametrize("text", ["", "short:long\na.jpg:b.jpg\n", "a.jpg,b.jpg\n"])
def test_a_list_without_names_of_columns_is_refused(tmp_path, text):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match="the first line must name the columns `short` and `long`"):
        batch.listed(tmp_path / "pairs.csv")


def test_a_list_whose_result_is_a_frame_of_another_pair_is_refused(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("short,long,output\na.png,b.png,folder/../c.png\nc.png,d.png,\n")
    with pytest.raises(InputError, match=r"c\.png is listed as a result and as a frame; give the result another name"):
        batch.listed(path)


def test_things_pass_in_order_and_failures_with_them():
    def read(thing):
        if thing == 2:
            raise InputError("two")
        return thing

    def work(thing):
        if thing == 4:
            raise InputError("four")
        if thing == 6:
            raise IndexError("six")  # a bug
        return 10 * thing

    def write(thing, made):
        if thing == 5:
            raise OSError("five")
        return made + thing

    found = list(pipelined(range(8), read, work, write))
    assert [one.thing for one in found] == list(range(8))
    assert [one.result for one in found] == [0, 11, None, 33, None, None, None, 77]
    assert [str(one.error) for one in found if one.error] == ["two", "four", "five", "six"]


def test_the_next_is_read_and_the_last_written_while_one_is_worked_on():
    """Work that waits for both ends only if they have begun."""
    last, begun = 9, defaultdict(threading.Event)

    def read(thing):
        begun["read", thing].set()
        return thing

    def work(thing):
        beside = {("read", thing + 1), ("write", thing - 1)} - {("read", last + 1), ("write", -1)}
        return all(begun[what].wait(20) for what in beside)

    def write(thing, alongside):
        begun["write", thing].set()
        return alongside

    assert [stage.result for stage in pipelined(range(last + 1), read, work, write)] == [True] * (last + 1)


def test_little_is_held_at_once():
    alive, most = 0, 0

    class Held:
        def __init__(self):
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    for _ in pipelined(range(20), lambda _: Held(), lambda held: held, lambda _, held: None):
        pass
    assert most <= 5


def test_restore_many(files, frames, tmp_path):
    pairs = [files, (files[0], tmp_path / "none.png"), frames, ([frames[0]], None)]
    found = list(twinshot.restore_many(pairs))
    assert isinstance(found[1], InputError)
    assert "none.png: no such file" in str(found[1])
    np.testing.assert_array_equal(found[0].pixels, twinshot.restore(*files).pixels)
    np.testing.assert_array_equal(found[2].pixels, found[0].pixels)
    assert found[3].report["model"] == "twin-noisy"
    assert found[0].sources == tuple(path.absolute() for path in files)


def test_a_pair_of_two_profiles_is_restored_as_it_is_alone(frames):
    """Its colours were taken for those of one profile."""
    wide = bytes(imagecodecs.cms_profile("adobergb"))
    pair = Pair(Frame(frames[0]), Frame(frames[1], icc=wide))
    (found,) = twinshot.restore_many([pair])
    np.testing.assert_array_equal(found.pixels, twinshot.restore(pair).pixels)


def test_restore_many_takes_two_frames_for_each_picture(files):
    """A third one was left out without a word, and of a lone path each letter taken for a file's name."""
    found = list(twinshot.restore_many([(*files, files[0]), files[0], files]))
    assert [str(one).startswith("give two frames for each") for one in found] == [True, True, False]


def test_pairs_are_matched_while_the_one_before_is_restored(files, frames, monkeypatch):
    threads = []
    prepare = batch.prepare

    def noted(pair, settings):
        threads.append(threading.current_thread())
        return prepare(pair, settings)

    monkeypatch.setattr(batch, "prepare", noted)
    pair = io.read(frames[0]), io.read(frames[1])
    found = list(twinshot.restore_many([files, Pair(*pair)]))
    assert len(threads) == 2
    assert threading.current_thread() not in threads
    assert [set(one.report["seconds"]) for one in found] == [{"read", "match", "restore"}, {"match", "restore"}]


# Whoever means to kill it before its end cannot be too late.
BUT_THE_LAST = """
from threading import Event
from twinshot import batch
restore_frames, left = batch.restore_frames, [None] * 11
def restore(*arguments):
    left.pop() if left else Event().wait()
    return restore_frames(*arguments)
batch.restore_frames = restore
"""


def test_killed_and_called_again(files, frames, tmp_path):
    """Nothing is lost, nothing done twice, nothing half-written left."""
    rows = ["short,long,output"] + [f"noisy.png,blurry.png,out/{index}.png" for index in range(12)]
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    out = tmp_path / "out"
    process = start(BUT_THE_LAST + MAIN, "restore", "--pairs", tmp_path / "pairs.csv")
    while not (out.is_dir() and len(list(out.glob("*.png"))) >= 2):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert 2 <= len(before) < 12
    (out / f".{len(before)}.png.0123abcd").write_bytes(b"half")
    again = outcome(start(MAIN, "restore", "--pairs", tmp_path / "pairs.csv"))
    assert again.code == 0, again.err
    assert f"{12 - len(before)} restored, {len(before)} existed" in again.out
    assert sorted(path.name for path in out.iterdir()) == sorted(f"{index}.png" for index in range(12))
    assert before.items() <= {path.name: path.stat().st_mtime_ns for path in out.iterdir()}.items()
    assert len({io.read(path).pixels.tobytes() for path in out.iterdir()}) == 1
