"""Whatever is wrong with the input: one line that says so, exit code 2, nothing half-written, inputs untouched."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from helpers import MAIN, SRC, Outcome, outcome, save, start
from PIL import Image, ImageCms

import twinshot
from twinshot import restoration
from twinshot.engines import models
from twinshot.engines.models import WEIGHTS, as_table, read_manifest
from twinshot.files import io
from twinshot.picture.pair import TwinshotError

KINDS = ["PNG", "JPEG", "TIFF", "ZTIFF", "WEBP", "deep PNG", "deep TIFF", "deep ZTIFF"]


def contents(folder: Path) -> dict[str, object]:
    """Every file below a folder, with its bytes and the time it was last changed."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_one_line(result: Outcome, *words: str, code: int = 2) -> None:
    assert result.code == code, result
    assert result.err.count("\n") == 1, result.err
    assert result.err.endswith("\n")
    assert result.err.startswith("twinshot: ")
    assert result.out == ""
    for word in words:
        assert word in result.err, result.err


@pytest.fixture
def refused(command, tmp_path):
    """Calls the command, which has to refuse and to leave the folder as it is."""

    def call(*arguments: object, says: tuple[str, ...]) -> None:
        before = contents(tmp_path)
        assert_one_line(command("restore", *arguments), *says)
        assert contents(tmp_path) == before

    return call


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    """A file of one of the formats, 8 or 16 bit."""
    data = BytesIO()
    if pixels.dtype == np.uint16 and kind == "PNG":
        return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    if pixels.dtype == np.uint16:
        tifffile.imwrite(data, pixels, photometric="rgb", compression="zlib" if kind == "ZTIFF" else None)
    elif kind == "ZTIFF":
        Image.fromarray(pixels).save(data, "TIFF", compression="tiff_deflate")
    else:
        Image.fromarray(pixels).save(data, kind)
    return data.getvalue()


# The inputs


def test_missing(refused, files, tmp_path):
    refused(tmp_path / "none.png", files[1], "-o", tmp_path / "out.png", says=("none.png", "no such file"))
    refused(files[0], tmp_path / "none.png", "-o", tmp_path / "out.png", says=("none.png", "no such file"))
    refused(tmp_path / "no.png", tmp_path / "no.png", "-o", tmp_path / "out.png", says=("no.png", "no such file"))


def test_a_name_too_long(refused, files, tmp_path):
    refused("n" * 300 + ".png", files[1], "-o", tmp_path / "out.png", says=("cannot be read", "too long"))
    refused(*files, "-o", tmp_path / ("n" * 300 + ".png"), says=("cannot be written", "too long"))


def test_a_name_that_no_file_can_have(files, frames):
    for pair in (("a\0.png", files[1]), (files[0], "a\0.png")):
        with pytest.raises(TwinshotError, match="cannot be read"):
            twinshot.restore(*pair)
    with pytest.raises(TwinshotError, match="cannot be written"):
        twinshot.restore(*frames).save("a\0.png")


def test_a_report_that_cannot_be_written_does_not_hide_the_picture(files, tmp_path):
    report = (
        "from twinshot.files import atomic\n"
        "from twinshot.picture import pair\n"
        "def fail(*_): raise pair.TwinshotError('no report')\n"
        "atomic.write_bytes = fail\n"
    )
    result = outcome(
        start(report + MAIN, "restore", *files, "-o", tmp_path / "out.png", "--report", tmp_path / "a.json")
    )
    assert result.code == 2
    assert "out.png: 224x160" in result.out
    assert result.err == "twinshot: no report\n"


def test_pipes(files, tmp_path):
    """As a shell's process substitution hands them over: what is read once is gone."""
    script = f"cat {files[0]} | {sys.executable} -c '{MAIN}' restore /dev/stdin {files[1]} -o {tmp_path / 'out.webp'}"
    done = subprocess.run(
        script, shell=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(SRC)}
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.webp").is_file()


def test_a_folder_for_a_file(refused, files, tmp_path):
    (tmp_path / "folder.png").mkdir()
    refused(tmp_path / "folder.png", files[1], "-o", tmp_path / "out.png", says=("folder.png", "is a folder"))


def test_unreadable(command, files, tmp_path, monkeypatch):
    # Root may read everything, so the system is made to say no.
    plain = Path.read_bytes

    def read(self: Path) -> bytes:
        if self == files[1]:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return plain(self)

    monkeypatch.setattr(os, "access", lambda path, mode, **_: Path(path) != files[1] and os.path.lexists(path))
    monkeypatch.setattr(Path, "read_bytes", read)
    result = command("restore", *files, "-o", tmp_path / "out.png")
    assert_one_line(result, "blurry.png: cannot be read (Permission denied)")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blurry.png", "noisy.png"]


def test_zero_bytes(refused, files, tmp_path):
    files[0].write_bytes(b"")
    refused(*files, "-o", tmp_path / "out.png", says=("noisy.png", "empty"))


@pytest.mark.parametrize("data", [b"<html></html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", bytes(1000), b"II*\0", b"R"])
def test_no_image(refused, files, tmp_path, data):
    files[0].write_bytes(data)
    refused(*files, "-o", tmp_path / "out.png", says=("noisy.png",))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
@pytest.mark.parametrize("kind", KINDS)
def test_truncated(refused, files, tmp_path, frames, kind, share):
    deep = kind.startswith("deep")
    whole = encoded(frames[0].astype(np.uint16) * 257 if deep else frames[0], kind.removeprefix("deep "))
    files[0].write_bytes(whole)
    assert io.read(files[0]).metadata.bits == (16 if deep else 8)  # the file is right until it is cut
    files[0].write_bytes(whole[: int(len(whole) * share)])
    refused(*files, "-o", tmp_path / "out.png", says=("noisy.png: the file is damaged or cut short", "copy it again"))


@pytest.mark.parametrize("kind", KINDS)
def test_random_damage_is_refused_or_read_but_never_a_crash(files, frames, kind, capfd):
    pixels = frames[0][:40, :50].astype(np.uint16) * 257 if kind.startswith("deep") else frames[0][:40, :50]
    whole = encoded(pixels, kind.removeprefix("deep "))
    rng = np.random.default_rng(0)
    refusals = []
    for _ in range(40):
        damaged = bytearray(whole)
        for place in rng.integers(0, rng.choice([60, len(whole)]), 4):
            damaged[place] = rng.integers(256)
        files[0].write_bytes(damaged)
        try:
            assert io.read(files[0]).pixels.ndim == 3
        except TwinshotError as error:
            refusals.append(str(error))
    assert len(refusals) > 5
    assert "\n" not in "".join(refusals)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", ["PNG", "deep PNG"])
def test_a_png_with_damaged_pixels_is_not_half_a_picture(refused, files, tmp_path, frames, kind):
    damaged = bytearray(encoded(frames[0].astype(np.uint16) * 257 if kind == "deep PNG" else frames[0], "PNG"))
    for place in (len(damaged) // 2, len(damaged) // 2 + 1):
        damaged[place] ^= 255
    files[0].write_bytes(damaged)
    refused(*files, "-o", tmp_path / "out.png", says=("noisy.png: the file is damaged or cut short",))


def test_a_png_may_be_damaged_behind_its_pixels(files, frames):
    whole = encoded(frames[0], "PNG")
    text = b"\0\0\0\4tEXta\0bc" + b"sum?"
    for data in (whole[:-12], whole[:-12] + text + whole[-12:], whole + b"more"):
        files[0].write_bytes(data)
        np.testing.assert_array_equal(io.read(files[0]).pixels, frames[0])


def test_two_sizes_are_both_said(refused, files, tmp_path, frames):
    save(files[1], frames[1][:100, :120])
    refused(*files, "-o", tmp_path / "out.png", says=("noisy.png is 224x160", "blurry.png is 120x100"))


@pytest.mark.parametrize(
    ("mode", "suffix", "said"),
    [("P", "png", "palette"), ("CMYK", "jpg", "CMYK"), ("CMYK", "tif", "CMYK"), ("P", "tif", "palette")],
)
def test_colour_kinds(refused, files, tmp_path, frames, mode, suffix, said):
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(frames[1]).convert(mode).save(path)
    refused(files[0], path, "-o", tmp_path / "out.png", says=(path.name, said))


@pytest.mark.parametrize("kind", ["GIF", "BMP", "PPM"])
def test_other_formats(refused, files, tmp_path, frames, kind):
    Image.fromarray(frames[1]).save(files[1], kind)
    refused(*files, "-o", tmp_path / "out.png", says=("blurry.png",))


def test_a_camera_raw_file_is_not_taken_for_its_preview(refused, files, tmp_path, frames):
    tifffile.imwrite(tmp_path / "a.nef", frames[0], photometric="rgb", subfiletype=1)
    (tmp_path / "b.CR3").write_bytes(b"of a kind that no reader here knows")
    for name in ("a.nef", "b.CR3"):
        refused(tmp_path / name, files[1], "-o", tmp_path / "out.png", says=(name, "raw file"))


def test_a_picture_too_large_for_its_format_is_refused_before_the_work(refused, tmp_path, monkeypatch):
    names = [tmp_path / "wide.png", tmp_path / "wide-too.png"]
    for value, name in enumerate(names):
        Image.fromarray(np.full((16, 16384, 3), value, np.uint8)).save(name)
    monkeypatch.setattr(restoration, "restore", lambda *_: pytest.fail("the work has begun"))
    refused(*names, "-o", tmp_path / "out.webp", says=("out.webp", "16383"))


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_several_frames(refused, files, tmp_path, frames, suffix):
    path = tmp_path / f"film.{suffix}"
    parts = [Image.fromarray(frame) for frame in frames]
    parts[0].save(path, save_all=True, append_images=parts[1:])
    refused(path, files[1], "-o", tmp_path / "out.png", says=("several frames",))


@pytest.mark.parametrize("kind", ["png", "tif", "webp", "deep png", "deep tif"])
def test_alpha_is_accepted_where_it_says_nothing(refused, files, tmp_path, frames, kind):
    path = tmp_path / f"picture.{kind.removeprefix('deep ')}"
    pixels = np.dstack([frames[0], np.full(frames[0].shape[:2], 255, np.uint8)])

    def write() -> None:
        if kind == "deep png":
            cv2.imwrite(str(path), cv2.cvtColor(pixels.astype(np.uint16) * 257, cv2.COLOR_RGBA2BGRA))
        elif kind == "deep tif":
            tifffile.imwrite(path, pixels.astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"])
        else:
            Image.fromarray(pixels).save(path, **({"lossless": True} if kind == "webp" else {}))

    write()
    read = io.read(path).pixels
    np.testing.assert_array_equal(read // 257 if "deep" in kind else read, frames[0])
    assert read.flags.c_contiguous
    pixels[80, 100, 3] = 100
    write()
    refused(path, files[1], "-o", tmp_path / "out.png", says=(path.name, "transparent"))


def test_one_pixel(refused, files, tmp_path):
    for path in files:
        save(path, np.full((1, 1, 3), 90, np.uint8))
    refused(*files, "-o", tmp_path / "out.png", says=("noisy.png", "1x1 is too small", "16"))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "deep PNG"])
def test_a_hundred_thousand_pixels_wide(refused, files, tmp_path, kind):
    wide = np.zeros((16, 100_000, 3), np.uint16 if kind.startswith("deep") else np.uint8)
    files[0].write_bytes(encoded(wide, kind.removeprefix("deep ")))
    refused(*files, "-o", tmp_path / "out.png", says=("noisy.png", "100000x16 is too large"))


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_huge_header_is_refused_before_memory_is_asked_for(refused, files, tmp_path, side, monkeypatch):
    png = bytearray(encoded(np.zeros((16, 16, 3), np.uint8), "PNG"))
    png[16:24] = side.to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    files[0].write_bytes(png)
    monkeypatch.setattr("imagecodecs.png_decode", lambda *_, **__: pytest.fail("decoded"))
    refused(*files, "-o", tmp_path / "out.png", says=("noisy.png", "100 megapixels"))


def test_the_same_file_twice(refused, files, tmp_path, frames, monkeypatch):
    output = tmp_path / "out.png"
    refused(files[0], files[0], "-o", output, says=("noisy.png", "given twice"))
    (tmp_path / "link.png").symlink_to(files[0])
    refused(files[0], tmp_path / "link.png", "-o", output, says=("given twice",))
    (tmp_path / "hard.png").hardlink_to(files[0])
    refused(tmp_path / "hard.png", files[0], "-o", output, says=("given twice",))
    monkeypatch.chdir(tmp_path)
    refused("noisy.png", files[0], "-o", output, says=("given twice",))
    (tmp_path / "copy.png").write_bytes(files[0].read_bytes())
    refused(files[0], tmp_path / "copy.png", "-o", output, says=("same picture",))
    save(tmp_path / "again.tif", frames[0])
    refused(files[0], tmp_path / "again.tif", "-o", output, says=("same picture",))


# Arrays


@pytest.mark.parametrize(
    ("value", "said"),
    [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite"), (1.5, "from 0.25 to 1.5"), (-0.1, "from -0.1 to 0")],
)
@pytest.mark.parametrize("which", [0, 1])
def test_values_out_of_range(frames, which, value, said):
    pixels = np.full(frames[0].shape, 0.25 if value > 0 or np.isnan(value) else 0.0)
    pixels[10, 10, 1] = value
    pair = list(frames)
    pair[which] = pixels
    with pytest.raises(TwinshotError, match=f"the {('first', 'second')[which]} array: .*{said}"):
        twinshot.restore(*pair)


@pytest.mark.parametrize("dtype", [np.int32, np.int8, np.uint32, bool, complex, object, "S1"])
def test_dtypes(frames, dtype):
    with pytest.raises(TwinshotError, match=r"the first array: has type .*; give uint8, uint16 or float32"):
        twinshot.restore(np.zeros(frames[0].shape, dtype), frames[1])


@pytest.mark.parametrize("shape", [(160, 224), (160, 224, 1), (160, 224, 2), (1, 160, 224, 3), (3, 160, 224), (0,), ()])
def test_shapes(frames, shape):
    with pytest.raises(TwinshotError, match="the first array: has shape"):
        twinshot.restore(np.zeros(shape, np.float32), frames[1])


@pytest.mark.parametrize(("shape", "said"), [((15, 40, 3), "small"), ((0, 0, 3), "small"), ((16, 32_001, 3), "large")])
def test_sizes(shape, said):
    with pytest.raises(TwinshotError, match=f"the first array: {shape[1]}x{shape[0]} is too {said}"):
        twinshot.restore(np.zeros(shape, np.uint8), np.ones(shape, np.uint8))


def test_arrays_that_do_not_go_together(frames, rng):
    with pytest.raises(TwinshotError, match="do not show the same view"):
        twinshot.restore(frames[0], rng.random((160, 200, 3), np.float32))
    with pytest.raises(TwinshotError, match="same picture"):
        twinshot.restore(frames[0], frames[0].copy())


def test_unknown_model_and_engine(refused, files, tmp_path):
    refused(*files, "-o", tmp_path / "out.png", "--model", "magic", says=("'magic'", "twin"))
    refused(*files, "-o", tmp_path / "out.png", "--engine", "steam", says=("'steam'", "onnx"))


# The outputs


def test_unwritable_folder(refused, files, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode, **_: not mode & os.W_OK)
    monkeypatch.setattr("twinshot.restoration.restore", lambda *_: pytest.fail("worked in vain"))
    refused(*files, "-o", tmp_path / "out.png", says=("out.png", "folder", "is read-only"))


def test_a_folder_that_turns_out_unwritable(refused, files, tmp_path, no_new_files):
    no_new_files(errno.EACCES)
    refused(*files, "-o", tmp_path / "out.png", says=("out.png", "Permission denied"))


def test_outputs_that_cannot_be(refused, files, tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    refused(*files, "-o", tmp_path / "none" / "out.png", says=("does not exist",))
    refused(*files, "-o", tmp_path / "file" / "out.png", says=("does not exist",))
    (tmp_path / "folder.png" / "noisy-restored.png").mkdir()
    refused(*files, "-o", tmp_path / "folder.png", "--force", says=("is a folder",))
    refused(*files, "-o", tmp_path / "out.gif", says=("writes no .gif",))


def test_an_existing_output_needs_force(refused, command, files, tmp_path):
    output = tmp_path / "out.png"
    output.write_bytes(b"mine")
    refused(*files, "-o", output, says=("out.png", "already exists", "(--force)"))
    assert command("restore", *files, "-o", output, "--force").code == 0
    assert io.read(output).size == (160, 224)
    with pytest.raises(TwinshotError, match="already exists"):
        twinshot.restore(*files).save(output)


def test_an_output_that_is_an_input(refused, files, tmp_path, monkeypatch):
    for name in files:
        refused(*files, "-o", name, says=(name.name, "never overwritten"))
        refused(*files, "-o", name, "--force", says=(name.name, "never overwritten"))
    (tmp_path / "link.png").symlink_to(files[1])
    refused(*files, "-o", tmp_path / "link.png", "--force", says=("link.png", "never overwritten"))
    (tmp_path / "hard.png").hardlink_to(files[0])
    refused(*files, "-o", tmp_path / "hard.png", "--force", says=("hard.png", "never overwritten"))
    monkeypatch.chdir(tmp_path)
    refused(*files, "-o", "blurry.png", "--force", says=("blurry.png", "never overwritten"))


def test_a_report_that_cannot_be(refused, files, tmp_path):
    output = tmp_path / "out.png"
    refused(*files, "-o", output, "--report", output, says=("out.png", "never overwritten"))
    refused(*files, "-o", output, "--report", files[0], "--force", says=("noisy.png", "never overwritten"))
    refused(*files, "-o", output, "--report", tmp_path, "--force", says=("is a folder",))
    refused(*files, "-o", output, "--report", tmp_path / "none" / "r.json", says=("does not exist",))
    (tmp_path / "r.json").write_bytes(b"{}")
    refused(*files, "-o", output, "--report", tmp_path / "r.json", says=("r.json", "force"))


# The real command, in a process of its own


def test_the_real_command(files, tmp_path):
    before = contents(tmp_path)
    result = outcome(start(MAIN, "restore", files[0], tmp_path / "none.png", "-o", tmp_path / "out.png"))
    assert_one_line(result, "none.png: no such file")
    files[1].write_bytes(encoded(io.read(files[1]).pixels, "ZTIFF")[:-3000])
    before = contents(tmp_path)
    assert_one_line(outcome(start(MAIN, "restore", *files, "-o", tmp_path / "out.png")), "blurry.png", "damaged")
    assert contents(tmp_path) == before


# A limit on the size of files is as good as a full disk: a write fails in the middle.
LIMITED = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); {MAIN}"


@pytest.mark.parametrize(
    ("suffix", "bits"), [("png", 8), ("jpg", 8), ("webp", 8), ("tif", 8), ("png", 16), ("tif", 16)]
)
def test_a_full_disk(files, tmp_path, frames, suffix, bits):
    if bits == 16:
        for path, pixels in zip(files, frames, strict=True):
            path.write_bytes(encoded(pixels.astype(np.uint16) * 257, "PNG"))
    before = contents(tmp_path)

    output = tmp_path / f"out.{suffix}"
    result = outcome(start(LIMITED, "restore", *files, "-o", output))
    assert_one_line(result, output.name, "File too large")
    assert contents(tmp_path) == before


def test_a_full_disk_keeps_the_picture_that_was_there(files, tmp_path):
    output = tmp_path / "out.png"
    output.write_bytes(b"before")
    before = contents(tmp_path)

    result = outcome(start(LIMITED, "restore", *files, "-o", output, "--force"))
    assert_one_line(result, "out.png", "File too large")
    assert contents(tmp_path) == before


WAIT_IN = """
import signal, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which `nohup` has ignored
from twinshot import restoration
from twinshot.files import atomic, io
from twinshot.engines.engine import Loaded
from twinshot.engines.loading import ENGINES
def wait(*_):
    print("ready", flush=True)
    time.sleep(60)
{place} = {wait}
from twinshot.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("place", "wait"),
    [("ENGINES['onnx']", "lambda path, card: Loaded(wait)"), ("atomic.os.fsync", "wait"), ("io.read", "wait")],
    ids=["restoring", "writing", "reading"],
)
def test_ctrl_c(files, tmp_path, place, wait):
    output = tmp_path / "out.png"
    output.write_bytes(b"before")
    before = contents(tmp_path)
    process = start(WAIT_IN.format(place=place, wait=wait), "restore", *files, "-o", output, "--force")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert (len(contents(tmp_path)) > len(before)) == (
        place == "atomic.os.fsync"
    )  # mid-write there is a temporary file
    process.send_signal(signal.SIGINT)
    assert_one_line(outcome(process), "stopped", code=130)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_or_hung_up_while_it_writes(files, tmp_path, number):
    before = contents(tmp_path)
    process = start(WAIT_IN.format(place="atomic.os.fsync", wait="wait"), "restore", *files, "-o", tmp_path / "out.png")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert_one_line(outcome(process), "stopped", code=128 + number)
    assert contents(tmp_path) == before


def test_what_nohup_set_stays(files, tmp_path):
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    script = ignoring + WAIT_IN.replace("SIG_DFL", "SIG_IGN").replace("time.sleep(60)", "time.sleep(1)")
    place, wait = "atomic.os.fsync", "wait"
    process = start(script.format(place=place, wait=wait), "restore", *files, "-o", tmp_path / "out.png")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    assert outcome(process).code == 0
    assert (tmp_path / "out.png").is_file()


@pytest.mark.parametrize("module", ["typer", "rich.progress"])
def test_ctrl_c_while_the_command_loads(module):
    """A finder that takes the first import of a slow library for the user's Ctrl-C."""
    script = (
        "import sys\n"
        "class Stop:\n"
        "    @staticmethod\n"
        "    def find_spec(name, *_):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop)\n"
        "from twinshot.__main__ import main; main()"
    )
    assert_one_line(outcome(start(script, "--version")), "stopped", code=130)


# Inputs of the other commands


def test_synth_refuses(command, tmp_path, photos):
    def refused(*arguments: object, says: str) -> None:
        assert_one_line(command("synth", *arguments), says)
        assert list(tmp_path.glob("out/*/*")) == []

    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "photo.png").write_bytes(b"no picture")
    (tmp_path / "small").mkdir()
    save(tmp_path / "small" / "photo.png", np.zeros((80, 80, 3), np.uint8))
    refused(tmp_path / "none", "-o", tmp_path / "out", says="none: no such folder")
    refused(tmp_path / "empty", "-o", tmp_path / "out", says="no frames")
    refused(photos, "-o", tmp_path / "out", "--profile", "magic", says="'magic'")
    refused(photos, "-o", tmp_path / "file", says="file")
    refused(tmp_path / "bad", "-o", tmp_path / "out", says="photo.png: not an image")
    refused(tmp_path / "small", "-o", tmp_path / "out", says="photo.png: 80x80 is too small")


def test_benchmark_refuses(command, tmp_path):
    """Also for somebody whose shell names a data root: the tests are run as if it did not."""
    out = ("--out", tmp_path / "out")
    assert_one_line(command("benchmark", "--set", tmp_path, *out), "test: no such folder", "GOPRO_Large")
    assert_one_line(command("benchmark", "--set", "magic", *out), "magic: no such set")
    assert_one_line(command("benchmark", "--set", "camera", *out), "give --data DIR")
    assert_one_line(command("benchmark", "--systems", "magic", *out), "no system is called 'magic'")
    for kind in ("noisy", "blurry", "sharp"):
        (tmp_path / kind).mkdir()
    assert_one_line(command("benchmark", "--set", tmp_path, *out), "holds no pictures")
    save(tmp_path / "sharp" / "a.png", np.zeros((20, 20, 3), np.uint8))
    assert_one_line(command("benchmark", "--set", tmp_path, *out), "missing", "a triple needs all three")
    (tmp_path / "blurry").rmdir()
    assert_one_line(command("benchmark", "--set", tmp_path, *out), "blurry: no such folder")
    assert not (tmp_path / "out").exists()


def test_a_damaged_model_is_not_run(monkeypatch, tmp_path, frames):
    card = as_table(read_manifest(WEIGHTS)["twin"])
    (tmp_path / "manifest.json").write_text(json.dumps({"twin": card}))
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
    with pytest.raises(TwinshotError, match="cannot be read"):
        twinshot.load_model("twin")
    (tmp_path / card["file"]).write_bytes(b"other weights")
    with pytest.raises(TwinshotError, match="does not match the checksum"):
        twinshot.restore(*frames)


@pytest.mark.parametrize("named", [{"model": None}, {"model": Path("twin")}, {"engine": []}, {"engine": ""}])
def test_what_is_no_name_at_all(frames, named):
    with pytest.raises(TwinshotError, match=r"no (model|engine) is called"):
        twinshot.restore(*frames, **named)


def test_a_model_that_no_engine_reads(monkeypatch, tmp_path, frames):
    data = b"as the manifest says, and no graph"
    card = {**as_table(read_manifest(WEIGHTS)["twin"]), "file": "a.onnx", "sha256": hashlib.sha256(data).hexdigest()}
    (tmp_path / "manifest.json").write_text(json.dumps({"twin": card}))
    (tmp_path / "a.onnx").write_bytes(data)
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
    with pytest.raises(TwinshotError, match=r"a\.onnx: could not be run"):
        twinshot.restore(*frames)


def test_inputs_keep_their_rights_and_output_gets_its_own(command, files, tmp_path):
    files[0].chmod(0o600)
    assert command("restore", *files, "-o", tmp_path / "out.png").code == 0
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blurry.png", "noisy.png", "out.png"]


def test_one_profile_is_not_another_for_its_date_or_for_being_unsaid(command, files, tmp_path, frames):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    later = srgb[:24] + bytes(12) + srgb[36:]
    for number, profiles in enumerate([(srgb, None), (srgb, later)]):
        for path, pixels, profile in zip(files, frames, profiles, strict=True):
            Image.fromarray(pixels).save(path, icc_profile=profile)
        assert command("restore", *files, "-o", tmp_path / f"{number}.png").code == 0


def test_a_result_is_not_written_over_its_source_from_another_folder(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = twinshot.restore(files[0].name, files[1].name)
    before = files[0].read_bytes()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    with pytest.raises(TwinshotError, match=files[0].name):
        result.save(f"../{files[0].name}", force=True)
    assert files[0].read_bytes() == before


def test_what_is_replaced_keeps_its_rights(command, files, tmp_path):
    output = tmp_path / "out.png"
    output.write_bytes(b"")
    output.chmod(0o600)
    assert command("restore", *files, "-o", output, "--force").code == 0
    assert stat.S_IMODE(output.stat().st_mode) == 0o600


@pytest.mark.parametrize("source", [3, b"\xff", {}])
def test_what_is_neither_a_file_nor_an_array(frames, source):
    for pair in ((source, frames[1]), (frames[0], source)):
        with pytest.raises(TwinshotError, match="give the path of a file, or a NumPy array"):
            twinshot.restore(*pair)


def test_a_result_is_never_saved_over_its_source(files):
    before = files[0].read_bytes()
    result = twinshot.restore(*files)
    for path in files:
        with pytest.raises(TwinshotError, match="never overwritten"):
            result.save(path, force=True)
    assert files[0].read_bytes() == before


def test_a_device_is_not_replaced(refused, files, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    refused(*files, "-o", tmp_path / "pipe.png", "--force", says=("pipe.png", "not a regular file"))
    refused(
        *files, "-o", tmp_path / "o.png", "--report", "/dev/null", "--force", says=("/dev/null", "not a regular file")
    )


def test_memory_that_runs_out_is_said_in_one_line(refused, files, tmp_path, monkeypatch):
    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(io, "read", no_memory)
    refused(*files, "-o", tmp_path / "out.png", says=("not enough memory",))
