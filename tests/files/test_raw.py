"""Camera raw: developed alike, linear, upright, without hot pixels; and what is no whole raw file is refused."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import imagecodecs
import numpy as np
import pytest
import rawpy
import tifffile
from cameras import BLACK, WHITE, X_TRANS, mosaic, noisy, write_dng
from helpers import MAIN
from PIL import Image
from skimage import data

from twinshot.files import exif, io, raw
from twinshot.files.pairs import read_pair
from twinshot.match import tone_fit
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import Frame, Sensor, TwinshotError, as_float


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """A photograph at 40 % of a sensor's range, so that nothing clips, (240, 320, 3) uint8 sRGB."""
    picture = data.astronaut()[:240, :320].astype(np.float32) / 255
    return np.round(to_srgb(to_linear(picture) * 0.4) * 255).astype(np.uint8)


def developed(path: Path) -> Frame:
    """As `io.read`, but for the process of its own, which takes its time."""
    return raw.decode(path.read_bytes(), str(path))


def psnr(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((found - wanted) ** 2)))


def test_colours_and_brightness_are_the_scenes(tmp_path, scene):
    frame = io.read(write_dng(tmp_path / "a.dng", mosaic(scene), 0.1))
    assert frame.pixels.dtype == np.uint16
    assert psnr(as_float(frame.pixels), scene / 255) > 34  # what demosaicing leaves
    ratios = to_linear(as_float(frame.pixels)).mean((0, 1)) / to_linear(scene.astype(np.float32) / 255).mean((0, 1))
    np.testing.assert_allclose(ratios, 1, atol=0.01)
    assert frame.metadata.seconds == pytest.approx(0.1)
    assert frame.metadata.exposure == pytest.approx(0.1 * 400 / 4)
    assert frame.metadata.bits == 16


def test_brightness_is_proportional_to_exposure(tmp_path, scene):
    """No automatic brightness: a frame of an eighth of the light is an eighth as bright."""
    long = developed(write_dng(tmp_path / "l.dng", mosaic(scene), 0.4))
    short = developed(write_dng(tmp_path / "s.dng", mosaic(scene, exposure=1 / 8), 0.05))
    ratio = to_linear(as_float(long.pixels)).mean() / to_linear(as_float(short.pixels)).mean()
    assert ratio == pytest.approx(8, rel=0.01)


@pytest.mark.parametrize("swapped", [False, True])
def test_both_frames_get_the_long_ones_white_balance(tmp_path, scene, swapped):
    short = write_dng(tmp_path / "s.dng", mosaic(scene, exposure=1 / 8), 0.05, balance=(2.4, 1.0, 1.2))
    long = write_dng(tmp_path / "l.dng", mosaic(scene), 0.4)
    pair = read_pair(*((long, short) if swapped else (short, long)))
    for frame in (pair.noisy, pair.blurry):
        assert frame.metadata.sensor.balance == pytest.approx((2.0, 1.0, 1.6), rel=1e-3)
    means = [to_linear(as_float(frame.pixels)).mean((0, 1)) for frame in (pair.noisy, pair.blurry)]
    np.testing.assert_allclose(means[1] / means[0], 1 / 8 if swapped else 8, rtol=0.02)
    gain = tone_fit.exif_gain(pair)
    assert gain == pytest.approx(1 / 8 if swapped else 8)


@pytest.fixture(scope="module")
def upright(tmp_path_factory, scene) -> np.ndarray:
    return developed(write_dng(tmp_path_factory.mktemp("upright") / "a.dng", mosaic(scene), 0.1)).pixels


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_turned_upright_once(tmp_path, scene, upright, turn):
    frame = developed(write_dng(tmp_path / "b.dng", mosaic(scene), 0.1, turn=turn))
    turned = {1: upright, 3: upright[::-1, ::-1], 6: np.rot90(upright, -1), 8: np.rot90(upright)}[turn]
    np.testing.assert_array_equal(frame.pixels, turned)
    io.write(tmp_path / "c.png", frame.pixels, frame.metadata)
    np.testing.assert_array_equal(io.read(tmp_path / "c.png").pixels, frame.pixels)


@pytest.mark.parametrize("longs", [False, True])
def test_words_beside_a_raw_file_are_kept_but_not_how_it_was_to_be_developed(tmp_path, scene, longs):
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:Exposure2012="+2" '
        b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"><crs:ToneCurve><rdf:Seq><rdf:li>0, 9</rdf:li>'
        b"</rdf:Seq></crs:ToneCurve></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    iptc = b"\x1c\x02\x5a\0\x07Glasgow"
    stored = ("I", 3, np.frombuffer(iptc, "<u4")) if longs else ("B", len(iptc), iptc)
    tags = [(700, "B", len(packet), packet, True), (33723, *stored, True)]
    frame = developed(write_dng(tmp_path / "a.dng", mosaic(scene), 0.1, extratags=tags))
    assert frame.metadata.iptc == iptc
    for suffix in ("jpg", "dng"):
        pixels = frame.pixels if suffix == "dng" else (frame.pixels // 257).astype(np.uint8)
        io.write(tmp_path / f"b.{suffix}", pixels, frame.metadata)
        kept = io.read(tmp_path / f"b.{suffix}").metadata.xmp
        assert b'xmp:Rating="4"' in kept
        assert b"Exposure2012" not in kept
        assert b"ToneCurve" not in kept
        ElementTree.fromstring(kept)  # raises where it is not well-formed


def camera_of(path: Path) -> dict[int, object]:
    """EXIF's directory of the camera, as Pillow reads it."""
    with Image.open(path) as file:
        return file.getexif().get_ifd(exif.CAMERA)


def written(folder: Path, frame: Frame) -> list[Path]:
    """A frame as JPEG, TIFF and DNG."""
    paths = [folder / name for name in ("o.jpg", "o.tif", "o.dng")]
    for path in paths:
        io.write(
            path, (frame.pixels // 257).astype(np.uint8) if path.suffix == ".jpg" else frame.pixels, frame.metadata
        )
    return paths


def test_serial_number_and_lens_of_a_dng_are_in_every_result(tmp_path, scene):
    lens = [24, 1, 105, 1, 4, 1, 4, 1]
    tags = [(50735, "s", 0, "033024001432", True), (50736, "2I", 4, lens, True)]
    frame = developed(write_dng(tmp_path / "a.dng", mosaic(scene), 0.1, extratags=tags))
    for path in written(tmp_path, frame):
        told = camera_of(path)
        assert told[0xA431] == "033024001432"
        assert [float(part) for part in told[0xA432]] == [24, 105, 4, 4]
    with rawpy.imread(str(tmp_path / "o.dng")) as file:
        assert (file.lens.min_focal, file.lens.max_focal) == (24, 105)
    with tifffile.TiffFile(tmp_path / "o.dng") as file:
        assert file.pages.first.tags[50735].value == "033024001432"


def test_exposure_in_a_raw_files_main_directory_moves_to_the_cameras(tmp_path, scene):
    frame = developed(write_dng(tmp_path / "a.dng", mosaic(scene), 0.1))
    for path in written(tmp_path, frame):
        told = camera_of(path)
        assert (float(told[33434]), float(told[33437]), told[34855]) == (0.1, 2, 400)


KNOWN = {0xA430: "Ada", 0xA431: "0123", 0xA433: "Zeiss", 0xA434: "Planar 50", 0xA435: "9876"}
PACKET = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">4 stars</x:xmpmeta>'


def beside(data: bytes, preview: bytes = b"") -> tuple[exif.Exif, bytes]:
    """EXIF and XMP of a raw file that no encoder writes: LibRaw knows its size, and its preview."""
    thumb = SimpleNamespace(format=rawpy.ThumbFormat.JPEG if preview else rawpy.ThumbFormat.BITMAP, data=preview)
    file = SimpleNamespace(extract_thumb=lambda: thumb, sizes=SimpleNamespace(width=60, height=40))
    found = raw._metadata(file, data, Sensor((1.0, 1.0, 1.0), (0.0,) * 9))
    return exif.parse(found.exif), found.xmp


def test_cr3_keeps_exif_and_xmp():
    def box(kind: bytes, payload: bytes) -> bytes:
        return struct.pack(">I", 4 + len(kind) + len(payload)) + kind + payload

    camera = {tag: exif.text(words) for tag, words in KNOWN.items()} | {0x829A: exif.number(5, (1, 80), "<")}
    directories = {
        b"CMT1": {0x010F: exif.text("Canon"), exif.ORIENTATION: exif.number(3, 6, "<")},
        b"CMT2": camera,
        b"CMT4": {1: exif.text("N")},
    }
    boxes = [box(kind, exif.serialise(exif.Exif(main=part))) for kind, part in directories.items()]
    settings = box(b"uuid" + bytes.fromhex("85c0b687820f11e08111f4ce462b6a48"), b"".join(boxes))
    packet = box(b"uuid" + bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), PACKET)
    told, kept = beside(
        box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", settings) + packet + box(b"mdat", bytes(9))
    )
    assert kept == PACKET
    assert {tag: exif.words(told.camera[tag]) for tag in KNOWN} == KNOWN
    assert exif.words(told.main[0x010F]) == "Canon"
    assert exif.words(told.gps[1]) == "N"
    assert exif.exposure_of(told)[1] == pytest.approx(1 / 80)
    assert exif.orientation_of(told) == 1


def test_a_previews_exif_and_xmp_are_kept_where_the_raw_file_has_none(scene):
    """As in Fujifilm's RAF."""
    camera = {tag: exif.text(words) for tag, words in KNOWN.items()}
    preview = BytesIO()
    block = b"Exif\0\0" + exif.serialise(exif.Exif(camera=camera))
    Image.fromarray(scene).save(preview, "JPEG", exif=block, xmp=PACKET)
    told, kept = beside(b"FUJIFILMCCD-RAW " + bytes(100), preview.getvalue())
    assert kept == PACKET
    assert {tag: exif.words(told.camera[tag]) for tag in KNOWN} == KNOWN


def test_hot_pixels_are_filled_and_the_rest_left(tmp_path, scene):
    rng = np.random.default_rng(1)
    dark = noisy(mosaic(scene, exposure=0.1))
    clean = developed(write_dng(tmp_path / "clean.dng", dark, 0.01))
    rows, columns = rng.integers(4, 236, 50), rng.integers(4, 316, 50)
    hot = dark.copy()
    hot[rows, columns] += rng.uniform(0.3, 0.8, 50)
    frame = developed(write_dng(tmp_path / "hot.dng", hot, 0.01))
    (note,) = frame.metadata.notes
    found = int(note.split()[1])
    assert 45 <= found <= 55
    assert psnr(as_float(frame.pixels), as_float(clean.pixels)) > 40
    assert np.abs(as_float(frame.pixels) - as_float(clean.pixels)).max() < 0.2


def test_hot_pixels_of_an_x_trans_sensor_are_filled(tmp_path):
    rng = np.random.default_rng(1)
    dark = noisy(mosaic(data.astronaut(), exposure=0.05, pattern=X_TRANS))  # LibRaw develops none under 512 px
    clean = developed(write_dng(tmp_path / "clean.dng", dark, 0.01, pattern=X_TRANS))
    assert clean.metadata.notes == ()
    hot = dark.copy()
    hot[rng.integers(8, 500, 50), rng.integers(8, 500, 50)] += rng.uniform(0.3, 0.8, 50)
    frame = developed(write_dng(tmp_path / "hot.dng", hot, 0.01, pattern=X_TRANS))
    (note,) = frame.metadata.notes
    assert 45 <= int(note.split()[1]) <= 55
    assert psnr(as_float(frame.pixels), as_float(clean.pixels)) > 40


def test_stars_are_no_hot_pixels(tmp_path):
    """Their light falls on neighbours of other colours, too."""
    sky = np.full((120, 160), 0.01)
    rng = np.random.default_rng(2)
    for row, column in rng.integers(5, 110, (30, 2)):
        sky[row - 1 : row + 2, column - 1 : column + 2] += 0.5 * np.outer([0.4, 1, 0.4], [0.4, 1, 0.4])
    frame = developed(write_dng(tmp_path / "sky.dng", noisy(sky), 1.0))
    assert sum(int(note.split()[1]) for note in frame.metadata.notes) <= 1


def test_a_raw_file_cut_short_is_refused(tmp_path, scene):
    whole = write_dng(tmp_path / "a.dng", mosaic(scene), 0.1).read_bytes()
    for share in (0.3, 0.9):
        (tmp_path / "cut.dng").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(TwinshotError, match=r"cut\.dng: the file is damaged"):
            io.read(tmp_path / "cut.dng")


def test_a_raw_file_whose_end_was_never_written_is_refused(tmp_path, scene):
    """As long as it should be, with nothing in its last rows."""
    path = write_dng(tmp_path / "a.dng", mosaic(scene), 0.1)
    unwritten = 40 * scene.shape[1] * 2
    path.write_bytes(path.read_bytes()[:-unwritten] + bytes(unwritten))
    with pytest.raises(TwinshotError, match=r"a\.dng: the file is damaged or cut short \(its last rows are missing\)"):
        developed(path)


def test_a_raw_file_that_lacks_tiles_is_refused(tmp_path, scene):
    """LibRaw would leave whatever was in memory where they belong."""
    whole = write_dng(tmp_path / "a.dng", mosaic(scene), 0.1, tile=(80, 80))
    assert io.read(whole).size == scene.shape[:2]
    with tifffile.TiffFile(whole, mode="r+") as file:
        for tag in ("TileOffsets", "TileByteCounts"):
            file.pages.first.tags[tag].overwrite(file.pages.first.tags[tag].value[:5])
    with pytest.raises(TwinshotError, match=r"a\.dng: the file is damaged"):
        io.read(whole)


def test_a_developed_tiff_may_keep_tags_of_dng(tmp_path, scene):
    tags = [(50706, "B", 4, (1, 4, 0, 0), True), (50721, "2i", 9, [1, 1] * 9, True)]
    tifffile.imwrite(tmp_path / "a.tif", scene, photometric="rgb", extratags=tags)
    frame = io.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(frame.pixels, scene)
    io.write(tmp_path / "b.tif", frame.pixels, frame.metadata)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert not {50706, 50721} & {tag.code for tag in file.pages.first.tags}


@pytest.fixture
def compressed(tmp_path, scene) -> Path:
    """A DNG whose mosaic is one tile of lossless JPEG."""
    levels = np.round(mosaic(scene) * (WHITE - BLACK) + BLACK).astype(np.uint16)
    tile = imagecodecs.ljpeg_encode(levels, bitspersample=14)
    return write_dng(tmp_path / "packed.dng", mosaic(scene), 0.1, packed=tile)


def test_what_libraw_says_of_damage_is_in_the_error_and_nowhere_else(compressed, capfd):
    data = bytearray(compressed.read_bytes())
    data[-40_000:-39_000] = bytes(1000)
    compressed.write_bytes(data)
    with pytest.raises(TwinshotError, match=r"packed\.dng: the file is damaged .*data corrupted at"):
        io.read(compressed)
    assert capfd.readouterr() == ("", "")


def test_damage_that_libraw_goes_on_from_is_refused_unless_accepted(tmp_path, scene, capfd):
    tile = bytearray(imagecodecs.jpeg_encode(scene, level=90))
    tile[-2000:-1998] = b"\xff\xd9"  # an end before the end
    lossy = {"dtype": np.uint8, "compression": 34892, "photometric": 34892}
    path = write_dng(tmp_path / "lossy.dng", scene / 255, 0.1, packed=bytes(tile), **lossy)
    with pytest.raises(TwinshotError, match=r"lossy\.dng: the file is damaged \(Corrupt JPEG data.*accept_damaged"):
        io.read(path)
    (note,) = io.read(path, accept_damaged=True).metadata.notes
    assert note.startswith("is damaged (Corrupt JPEG data")
    assert capfd.readouterr() == ("", "")


def test_a_file_that_libraw_breaks_down_on_is_refused(compressed, monkeypatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(TwinshotError, match=r"packed\.dng: LibRaw broke down"):
        io.read(compressed)


def test_standard_output_gets_what_a_file_would(tmp_path, scene):
    """TIFF: of a DNG it was DNG, and of other raw files PNG."""
    frames = [write_dng(tmp_path / f"{light}.dng", mosaic(scene, exposure=light), light) for light in (0.1, 0.8)]
    done = subprocess.run([sys.executable, "-c", MAIN, "restore", *frames, "-o", "-"], capture_output=True)
    with tifffile.TiffFile(BytesIO(done.stdout)) as file:
        page = file.pages.first
        assert (page.is_dng, page.dtype, page.shape) == (False, np.uint16, scene.shape)
