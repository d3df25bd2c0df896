"""Damaged JPEG files are noticed, though decoders go on; what stands beside the picture is said."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from helpers import save
from PIL import Image

from twinshot.files import io
from twinshot.picture.pair import TwinshotError


def encoded(pixels: np.ndarray, **options: object) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90, **options)
    return out.getvalue()


def zeros_in_second_half(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


def hole(data: bytes) -> bytes:
    return data[: len(data) // 2] + data[len(data) // 2 + 300 :]


def cut_and_closed(data: bytes) -> bytes:
    return data[: len(data) // 2] + b"\xff\xd9"


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


DAMAGES = [zeros_in_second_half, hole, cut_and_closed, cut]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_noticed(tmp_path, photo, damage, options):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(photo, **options))
    assert io.read(path).size == photo.shape[:2]
    path.write_bytes(damage(encoded(photo, **options)))
    with pytest.raises(TwinshotError, match=r"a\.jpg: the file is damaged or cut short .*accept_damaged"):
        io.read(path)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_what_is_left_can_be_accepted(tmp_path, photo, damage):
    path = tmp_path / "a.jpg"
    path.write_bytes(damage(encoded(photo)))
    frame = io.read(path, accept_damaged=True)
    assert frame.pixels.shape == photo.shape
    upper = np.abs(frame.pixels[:100].astype(int) - photo[:100])
    assert upper.mean() < 4
    assert len(frame.metadata.notes) == 1
    assert frame.metadata.notes[0].startswith("is damaged (")


@pytest.mark.parametrize("damage", [zeros_in_second_half, cut_and_closed, cut], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 2}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("turn", [1, 3, 6, 8])
@pytest.mark.parametrize("grey", [False, True])
def test_it_is_known_what_is_left(tmp_path, photo, damage, options, turn, grey):
    path, exif = tmp_path / "a.jpg", Image.Exif()
    exif[0x0112] = turn
    whole = encoded(np.asarray(Image.fromarray(photo).convert("L" if grey else "RGB")), exif=exif.tobytes(), **options)
    path.write_bytes(whole)
    right = io.read(path)
    path.write_bytes(damage(whole))
    frame = io.read(path, accept_damaged=True)
    top, left, bottom, end = frame.metadata.remains
    assert right.metadata.remains is None
    lost = np.ones(frame.size, bool)
    lost[top:bottom, left:end] = False
    assert 0.3 < lost.mean() < 0.7
    wrong = (frame.pixels != right.pixels).any(2)
    assert wrong[~lost].mean() < 0.01  # the last row has some of the colour that is missing below
    assert ((frame.pixels == 128).all(2) | ~lost).mean() > 0.94  # of a row of blocks some may be there
    assert f"what is left of it, {1 - lost.mean():.0%}, was used" in frame.metadata.notes[0]


def test_a_picture_of_which_nothing_is_left_is_refused(tmp_path, photo):
    whole = encoded(photo)
    (tmp_path / "a.jpg").write_bytes(whole[: whole.index(b"\xff\xda") + 400])
    with pytest.raises(TwinshotError, match=r"a\.jpg: the file is damaged \(.*\), and nothing is left of it"):
        io.read(tmp_path / "a.jpg", accept_damaged=True)


def test_a_changed_byte_is_noticed_where_the_decoder_loses_step(tmp_path, photo):
    """Not all are: a byte may stand for another coefficient that takes as many bits."""
    whole, rng, refused = encoded(photo, progressive=True), np.random.default_rng(0), 0
    first = whole.index(b"\xff\xda") + 20
    for place in rng.integers(first, len(whole) - 2, 40):
        (tmp_path / "a.jpg").write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            assert io.read(tmp_path / "a.jpg").size == photo.shape[:2]
        except TwinshotError:
            refused += 1
    assert refused > 15


def test_a_changed_byte_is_told_of_by_what_it_shifts(tmp_path, photo):
    """Where the decoder stays in step, all that follows is lighter, darker or tinted."""
    whole, rng, told, shifted = encoded(photo, subsampling=0), np.random.default_rng(0), 0, 0
    path, first = tmp_path / "a.jpg", whole.index(b"\xff\xda") + 20
    path.write_bytes(whole)
    right = io.read(path)
    assert right.metadata.notes == ()
    for place in rng.integers(first, len(whole) * 3 // 4, 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            frame = io.read(path)
        except TwinshotError:
            continue
        shifted += (np.abs(frame.pixels.astype(int) - right.pixels).max(2) > 8).mean() > 0.1
        told += any("looks damaged: from row" in note for note in frame.metadata.notes)
    assert shifted > 5
    assert told >= shifted / 2


def test_an_edge_across_a_picture_is_no_damage(tmp_path, photo):
    """Also one that begins inside the picture, or all along a row of blocks."""
    darker = photo.copy()
    darker[64:, 40:] //= 2
    darker[96:] //= 2
    save(tmp_path / "a.jpg", darker, quality=90)
    assert io.read(tmp_path / "a.jpg").metadata.notes == ()


def test_the_command_accepts_damage_where_it_is_told_to(command, tmp_path, frames):
    noisy, blurry = save(tmp_path / "n.jpg", frames[0], quality=95), save(tmp_path / "b.png", frames[1])
    noisy.write_bytes(hole(noisy.read_bytes()))
    refused = command("restore", noisy, blurry, "-o", tmp_path / "out.png")
    assert refused.code == 2
    assert "--accept-damaged" in refused.err
    accepted = command("restore", noisy, blurry, "-o", tmp_path / "out.png", "--accept-damaged")
    assert accepted.code == 0
    assert "n.jpg is damaged" in accepted.err


def test_bytes_behind_the_picture_are_no_damage(tmp_path, photo):
    (tmp_path / "a.jpg").write_bytes(encoded(photo) + bytes(1000))
    assert io.read(tmp_path / "a.jpg").metadata.notes == ()
    (tmp_path / "a.jpg").write_bytes(encoded(photo) + b"\0\0\0\x18ftypmp42" + bytes(1000))
    assert io.read(tmp_path / "a.jpg").metadata.notes == ("has a video (a motion photo), which was left out",)


def test_a_gain_map_is_left_out_and_said(tmp_path, photo):
    packet = b'<x:xmpmeta><rdf:RDF><rdf:Description hdrgm:Version="1.0"/></rdf:RDF></x:xmpmeta>'
    (tmp_path / "a.jpg").write_bytes(encoded(photo, xmp=packet) + encoded(photo[::4, ::4]))
    frame = io.read(tmp_path / "a.jpg")
    assert frame.size == photo.shape[:2]
    assert frame.metadata.notes == ("has an HDR gain map, which was left out",)
    io.write(tmp_path / "b.jpg", frame.pixels, frame.metadata)
    with Image.open(tmp_path / "b.jpg") as file:
        assert b"hdrgm" not in file.info["xmp"]


def test_orientation_in_xmp_alone_is_not_obeyed(tmp_path, photo):
    packet = b'<x:xmpmeta><rdf:RDF><rdf:Description tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    (tmp_path / "a.jpg").write_bytes(encoded(photo, xmp=packet))
    frame = io.read(tmp_path / "a.jpg")
    assert frame.size == photo.shape[:2]
    io.write(tmp_path / "b.jpg", frame.pixels, frame.metadata)
    with Image.open(tmp_path / "b.jpg") as file:
        assert b'tiff:Orientation="1"' in file.info["xmp"]


def test_a_dashed_line_along_the_blocks_border_is_no_damage(tmp_path):
    path, rng = tmp_path / "chart.jpg", np.random.default_rng(0)
    chart = rng.normal(250, 2, (256, 256, 1)).clip(0, 255).astype(np.uint8).repeat(3, axis=2)
    chart[96, 16::4] = chart[96, 17::4] = 100  # of a grid: it begins inside the row, as a changed byte would
    path.write_bytes(encoded(chart, subsampling=0))
    assert io.read(path).metadata.notes == ()
