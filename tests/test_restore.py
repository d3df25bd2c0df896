"""The way of a picture: what goes in as a file or an array comes out better, with a report of what was decided."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import save
from msgspec import structs
from PIL import ExifTags, Image, ImageCms

import twinshot
from twinshot.bench.metrics import ssim
from twinshot.files import io
from twinshot.files.pairs import read_pair
from twinshot.match import tone, tone_fit
from twinshot.match.prepare import prepare
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.levels import psnr
from twinshot.picture.pair import Frame, Metadata, Pair, TwinshotError, as_float
from twinshot.picture.settings import Settings
from twinshot.restoration import restore_frames

REPORT = {
    "noisy",
    "blurry",
    "frames",
    "size",
    "tone",
    "tone_error",
    "tone_curve",
    "gain",
    "shift",
    "registered",
    "local_shift",
    "confidence",
    "shown",
    "from_long_frame",
    "light_from_long_frame",
    "model",
    "model_sha256",
    "engine",
    "arithmetic",
    "orientations",
    "seconds",
    "swapped",
    "warnings",
    "notes",
}


@pytest.fixture(scope="module")
def model():
    return twinshot.load_model()


@pytest.fixture(scope="module")
def restored(frames, model):
    return twinshot.restore(*frames, model=model)


# The picture


def test_the_shipped_model_gains_over_both_inputs(triple, restored, frames):
    pair = Pair(*(Frame(pixels, name) for pixels, name in zip(frames, ("noisy", "blurry"), strict=True)))
    match = tone_fit.estimate(pair.noisy.pixels, pair.blurry.pixels)
    noisy = tone.apply(triple.noisy, match)
    inputs = [psnr(noisy, triple.sharp), psnr(triple.blurry, triple.sharp)]
    assert psnr(restored.image, triple.sharp) > max(inputs) + 3
    assert ssim(restored.image, triple.sharp) > max(ssim(noisy, triple.sharp), ssim(triple.blurry, triple.sharp)) + 0.15


def test_the_result_has_the_noisy_frames_geometry(triple, frames, restored, model):
    noisy, blurry = frames
    matrix = np.array([[1, 0, 6.0], [0, 1, -4.0]])
    moved = cv2.warpAffine(blurry, matrix, blurry.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    there = twinshot.restore(noisy, moved, model=model)
    assert there.report["registered"]
    assert np.subtract(there.report["shift"], restored.report["shift"]) == pytest.approx([6, -4], abs=1)
    inner = np.s_[16:-16, 16:-16]
    truth = triple.sharp[inner]
    score = psnr(there.image[inner], truth)
    for shift in ((6, -4), (-6, 4), (2, 0), (0, 2), (-2, 0), (0, -2)):
        assert score > psnr(np.roll(there.image, shift, (1, 0))[inner], truth) + 0.5


def test_registration_helps(triple, frames, model):
    matrix = np.array([[1, 0, 12.0], [0, 1, 9.0]])
    moved = cv2.warpAffine(frames[1], matrix, frames[1].shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    there = twinshot.restore(frames[0], moved, model=model)
    assert there.report["registered"]
    short = prepare(read_pair(frames[0], moved)).short
    as_they_are = [image.transpose(2, 0, 1)[None] for image in (short, as_float(moved))]
    alone = model.run(*map(np.ascontiguousarray, as_they_are))[0].transpose(1, 2, 0)
    assert psnr(there.image, triple.sharp) > psnr(alone, triple.sharp) + 0.5


def test_brightness_is_the_blurry_frames(frames, restored, model):
    darker = twinshot.restore(np.round(frames[0] * 0.8).astype(np.uint8), frames[1], model=model)
    assert darker.image.mean() == pytest.approx(restored.image.mean(), rel=0.03)
    assert restored.image.mean() == pytest.approx(frames[1].mean() / 255, rel=0.05)


def test_no_colour_shift_and_no_grid(frames, restored):
    means = (restored.image * 255).mean((0, 1)), frames[1].mean((0, 1))
    np.testing.assert_allclose(*means, atol=4)
    # What pixel-unshuffling or strides leave repeats every 2, 4, 8 or 16 px.
    green = restored.image[..., 1] - cv2.GaussianBlur(restored.image[..., 1], (0, 0), 3)
    for period in (2, 4, 8, 16):
        rows = green.mean(1)[: len(green) // period * period].reshape(-1, period).mean(0)
        columns = green.mean(0)[: green.shape[1] // period * period].reshape(-1, period).mean(0)
        assert max(np.ptp(rows), np.ptp(columns)) < 0.02


# What goes in


def test_paths_and_arrays_agree(tmp_path, files, frames, restored, model):
    by_path = twinshot.restore(*files, model=model)
    np.testing.assert_array_equal(by_path.pixels, restored.pixels)
    by_string = twinshot.restore(str(files[0]), str(files[1]), model=model)
    np.testing.assert_array_equal(by_string.pixels, restored.pixels)
    mixed = twinshot.restore(files[0], frames[1], model=model)
    np.testing.assert_array_equal(mixed.pixels, restored.pixels)


@pytest.mark.parametrize("dtype", [np.uint16, np.float16, np.float32, np.float64])
def test_types_of_pixels_agree(frames, restored, model, dtype):
    scale = 257 if dtype == np.uint16 else 1 / 255
    other = twinshot.restore(*((frame * dtype(scale)).astype(dtype) for frame in frames), model=model)
    assert np.abs(other.image - restored.image).max() < (4 / 255 if dtype == np.float16 else 2 / 255)
    assert np.abs(other.image - restored.image).mean() < 0.2 / 255
    assert other.metadata.bits == 16


def test_views_are_as_good_as_arrays(frames, restored, model):
    bgr = [np.ascontiguousarray(frame[..., ::-1]) for frame in frames]
    other = twinshot.restore(*(frame[..., ::-1] for frame in bgr), model=model)
    np.testing.assert_array_equal(other.pixels, restored.pixels)
    padded = [np.pad(frame, ((3, 5), (7, 2), (0, 0))) for frame in frames]
    other = twinshot.restore(*(frame[3:-5, 7:-2] for frame in padded), model=model)
    np.testing.assert_array_equal(other.pixels, restored.pixels)


def test_pillow_images(files, frames, restored, model):
    by_pillow = twinshot.restore(*(Image.fromarray(frame) for frame in frames), model=model)
    np.testing.assert_array_equal(by_pillow.pixels, restored.pixels)
    with Image.open(files[0]) as noisy, Image.open(files[1]) as blurry:
        opened = twinshot.restore(noisy, blurry.convert("RGBA"), model=model)
    np.testing.assert_array_equal(opened.pixels, restored.pixels)
    with pytest.raises(twinshot.InputError, match="the first array: is a Pillow image of mode P; convert it to RGB"):
        twinshot.restore(Image.new("P", (40, 40)), frames[1])


def test_alpha_that_says_nothing(frames, restored, model):
    opaque = [np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)]) for frame in frames]
    np.testing.assert_array_equal(twinshot.restore(*opaque, model=model).pixels, restored.pixels)
    opaque[0][0, 0, 3] = 0
    with pytest.raises(twinshot.InputError, match="the first array: has transparent pixels"):
        twinshot.restore(*opaque, model=model)


def test_inputs_are_not_changed(frames, model):
    copies = [frame.copy() for frame in frames]
    for frame in copies:
        frame.flags.writeable = False
    twinshot.restore(*copies, model=model)
    np.testing.assert_array_equal(copies, frames)


def test_a_model_by_its_name(frames, restored):
    np.testing.assert_array_equal(twinshot.restore(*frames, model="twin").pixels, restored.pixels)


# What comes out


def test_the_image(restored, frames):
    image = restored.image
    assert image.dtype == np.float32
    assert image.shape == frames[0].shape
    assert image.min() >= 0
    assert image.max() <= 1
    np.testing.assert_array_equal(np.round(image * 65535).astype(np.uint16), restored.pixels)


def test_the_report(restored, model):
    report = restored.report
    assert set(report) == REPORT
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["size"] == [224, 160]
    assert report["model"] == "twin"
    assert report["model_sha256"] == model.card.sha256
    assert (report["engine"], report["arithmetic"]) == ("onnx", "f32")
    assert (report["noisy"], report["blurry"]) == ("the first array", "the second array")
    assert len(report["gain"]) == 3
    assert report["tone"] in tone_fit.MODELS
    assert 0 <= report["tone_error"] < 0.1
    curve = np.array(report["tone_curve"])
    assert curve.shape == (9, 4)  # the short frame's value, then red, green and blue
    assert (curve[0, 0], curve[-1, 0]) == (0, 1)
    assert (np.diff(curve, axis=0) >= 0).all()
    assert 0.5 < report["confidence"] <= 1
    assert set(report["seconds"]) == {"read", "match", "restore"}
    assert all(seconds >= 0 for seconds in report["seconds"].values())
    assert report["warnings"] == []


def test_the_best(frames, restored, model):
    """Of the pair, and of a burst's short frame alone."""
    best = twinshot.restore(*frames, model=model, settings=Settings(best=True))
    assert (restored.report["orientations"], best.report["orientations"]) == (1, 8)
    assert 0 < np.abs(best.image - restored.image).mean() < 0.02
    alone = restore_frames(Frame(frames[0]), model, settings=Settings(best=True))
    assert (alone.report["model"], alone.report["orientations"]) == ("twin-noisy", 8)


def test_the_report_names_files(files, model):
    report = twinshot.restore(*files, model=model).report
    assert (report["noisy"], report["blurry"]) == tuple(map(str, files))


def test_the_order_does_not_matter(frames, restored, model):
    swapped = twinshot.restore(frames[1], frames[0], model=model)
    np.testing.assert_array_equal(swapped.pixels, restored.pixels)
    assert swapped.report["noisy"] == "the second array"
    assert "so the second array was taken as the short frame" in swapped.report["swapped"]
    assert (restored.report["swapped"], swapped.report["warnings"]) == ("", [])


def test_the_order_can_be_insisted_on(frames, restored, model):
    kept = twinshot.restore(frames[1], frames[0], model=model, settings=Settings(keep_order=True))
    (warning,) = kept.report["warnings"]
    assert "but the order was kept" in warning
    assert kept.report["noisy"] == "the first array"
    assert np.abs(kept.image - restored.image).mean() > 0.01


def test_a_gain_that_nothing_tells_gives_a_warning(frames, model):
    dark = np.zeros_like(frames[0])
    dark[::7, ::5] = 2
    restored = twinshot.restore(dark, frames[1], model=model)
    assert (restored.report["tone"], restored.report["gain"]) == ("none", [1.0, 1.0, 1.0])
    (warning,) = [warning for warning in restored.warnings if warning.code == "no_gain"]
    assert "Cannot tell how much darker the first array is than the second array" in warning.text
    assert not any(warning.code == "swapped" for warning in restored.warnings)  # noise would not compare


def test_frames_that_do_not_go_together_give_a_warning(frames, photo, model, caplog):
    other = np.ascontiguousarray(photo[100:260, 150:374][:, ::-1])
    restored = twinshot.restore(frames[0], other, model=model)
    said = {warning.code: warning.text for warning in restored.warnings}
    assert "the second array does not match the first array" in said["not_one_scene"]
    assert restored.report["warnings"] == list(said.values())
    assert [record.getMessage() for record in caplog.records if record.name == "twinshot"] == list(said.values())


def test_frames_that_do_not_go_together_are_left_to_the_fallback(frames, photo, model):
    other = np.ascontiguousarray(photo[100:260, 150:374][:, ::-1])
    backed = replace(model, card=structs.replace(model.card, fallback="merger"))
    assert twinshot.restore(*frames, model=backed).report["model"] == "twin"
    report = twinshot.restore(frames[0], other, model=backed).report
    assert report["model"] == "merger"
    assert "so only the first array was denoised" in report["warnings"][0]
    assert len(set(report["gain"])) == 1  # the other scene's colours are not this one's


def test_exif_gain_and_order_from_files(files, frames, model):
    for path, seconds, iso in zip(files, (1 / 60, 1 / 4), (3200, 1600), strict=True):
        block = Image.Exif()
        camera = block.get_ifd(ExifTags.IFD.Exif)
        camera[ExifTags.Base.ExposureTime], camera[ExifTags.Base.ISOSpeedRatings] = seconds, iso
        camera[ExifTags.Base.FNumber] = 2.0
        Image.open(path).save(path, exif=block.tobytes())
    report = twinshot.restore(*files, model=model).report
    assert report["tone"] != "none"
    assert report["warnings"] == []
    swapped = twinshot.restore(*files[::-1], model=model).report
    assert "0.25 s against 0.0167 s" in swapped["swapped"]
    assert swapped["gain"] == report["gain"]


@pytest.mark.parametrize(
    ("suffix", "deep"), [(".png", True), (".tif", True), (".jpg", False), (".webp", False), (".png", False)]
)
def test_save(tmp_path, frames, model, suffix, deep):
    inputs = [frame.astype(np.uint16) * 257 if deep or suffix in (".jpg", ".webp") else frame for frame in frames]
    result = twinshot.restore(*inputs, model=model)
    path = tmp_path / f"out{suffix}"
    result.save(path)
    read = io.read(path)
    assert read.pixels.dtype == (np.uint16 if deep else np.uint8)
    if deep:
        np.testing.assert_array_equal(read.pixels, result.pixels)
    else:
        loss = np.abs(read.pixels / 255 - result.image)
        assert loss.max() <= 0.5 / 255 + 1e-6 if suffix == ".png" else loss.mean() < 3 / 255


def test_save_keeps_metadata_of_the_noisy_frame(tmp_path, frames, model):
    paths = [tmp_path / "noisy.png", tmp_path / "blurry.jpg"]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for path, pixels, maker in zip(paths, frames, ("Short", "Long"), strict=True):
        block = Image.Exif()
        block[ExifTags.Base.Make], block[ExifTags.Base.Orientation] = maker, 3
        Image.fromarray(pixels).save(path, exif=block.tobytes(), icc_profile=profile)
    twinshot.restore(*paths, model=model).save(str(tmp_path / "out.jpg"))
    with Image.open(tmp_path / "out.jpg") as file:
        assert file.getexif()[ExifTags.Base.Make] == "Short"
        assert file.getexif()[ExifTags.Base.Orientation] == 1
        assert file.info["icc_profile"] == profile


def test_depth_is_the_deeper_of_the_two(tmp_path, frames, model):
    mixed = twinshot.restore(frames[0], frames[1].astype(np.uint16) * 257, model=model)
    mixed.save(tmp_path / "out.png")
    assert io.read(tmp_path / "out.png").metadata.bits == 16


def test_sixteen_bits_are_rounded_to_eight(tmp_path):
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, 2)
    twinshot.Restored(levels, {}, Metadata(bits=8)).save(tmp_path / "out.png")
    np.testing.assert_array_equal(io.read(tmp_path / "out.png").pixels, np.round(levels / 257).astype(np.uint8))


def test_progress_knows_the_stages_and_counts_tiles(frames, model):
    seen = []
    twinshot.restore(*frames, model=model, progress=lambda *said: seen.append(said))
    assert seen == [("read", 0, 1), ("match", 0, 1), ("restore", 0, 1), ("restore", 1, 1)]


def test_what_is_no_path_is_said(frames):
    with pytest.raises(TwinshotError, match="the output: has type NoneType; give the path of a file"):
        twinshot.restore(*frames).save(None)


def test_arrays_can_say_what_a_file_would(frames, model):
    """Exposure, colour profile and bits of frames that come from no file."""
    noisy, blurry = twinshot.Frame(frames[0], exposure=0.01, bits=16), twinshot.Frame(frames[1], exposure=0.08)
    pair = twinshot.Pair(noisy, blurry)
    assert tone_fit.exif_gain(pair) == pytest.approx(8)
    restored = twinshot.restore(pair, model=model)
    assert restored.metadata.bits == 16
    with pytest.raises(twinshot.InputError, match="colour profile cannot be used"):
        twinshot.restore(twinshot.Pair(noisy, twinshot.Frame(frames[1], icc=b"something wide")), model=model)
    with pytest.raises(twinshot.InputError, match="one Pair"):
        twinshot.restore(frames[0], model=model)


def test_a_loaded_model_has_its_engine(frames, model):
    with pytest.raises(twinshot.ModelError, match="loaded with engine 'onnx', not 'int8'"):
        twinshot.restore(*frames, model=model, engine="int8")


@pytest.mark.parametrize("settings", [{"strength": 0.5}, None])
def test_settings_of_another_kind_are_refused(frames, model, settings):
    for call in (
        lambda: twinshot.restore(*frames, model=model, settings=settings),
        lambda: next(twinshot.restore_many([frames], model=model, settings=settings)),
    ):
        with pytest.raises(twinshot.InputError, match=r"^settings .* cannot be used; give a twinshot\.Settings"):
            call()


@pytest.mark.parametrize("stage", ["read", "match", "restore"])
def test_what_progress_raises_cancels(frames, model, stage):
    class CancelledError(Exception):
        pass

    def cancel(now, done, total):
        if now == stage:
            raise CancelledError

    with pytest.raises(CancelledError):
        twinshot.restore(*frames, model=model, progress=cancel)
    assert twinshot.restore(*frames, model=model).report["model"] == "twin"


def test_threads_may_restore_at_the_same_time(frames, model, tmp_path, capfd):
    """Eight threads, forty pairs, TIFFs among them: every picture is right, and standard error stays as it was."""
    small = [frame[:64, :96] for frame in frames]
    for suffix in ("png", "tif"):
        for name, pixels in zip(("noisy", "blurry"), small, strict=True):
            Image.fromarray(pixels).save(tmp_path / f"{name}.{suffix}")
    pairs = [[tmp_path / f"{name}.{suffix}" for name in ("noisy", "blurry")] for suffix in ("png", "tif")] * 20
    alone = twinshot.restore(*small, model=model).pixels

    def restore(pair):
        restored = twinshot.restore(*pair).pixels
        print("one more", file=sys.stderr)
        return restored

    with ThreadPoolExecutor(8) as pool:
        for restored in pool.map(restore, pairs):
            np.testing.assert_allclose(restored.astype(int), alone.astype(int), atol=64)
    assert capfd.readouterr().err.count("one more") == len(pairs)


def test_a_notebook_shows_the_result(restored):
    shown = Image.open(BytesIO(restored._repr_png_()))
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(restored.to_pil()))
    np.testing.assert_array_equal(np.asarray(shown), np.round(restored.pixels / 257).astype(np.uint8))
    large = twinshot.Restored(np.zeros((40, 3000, 3), np.uint16), {}, Metadata())
    assert Image.open(BytesIO(large._repr_png_())).size == (1024, 14)


def test_quality(tmp_path, restored):
    for quality in (20, 95):
        restored.save(tmp_path / f"{quality}.jpg", quality=quality)
    assert 2 * (tmp_path / "20.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size


def test_encoded_for_a_stream(tmp_path, restored):
    restored.save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        np.asarray(Image.open(BytesIO(restored.encoded(".png")))), io.read(tmp_path / "a.png").pixels
    )
    assert restored.encoded(".JPG").startswith(b"\xff\xd8")
    assert restored.encoded("").startswith(b"\x89PNG")


# Kinds of pairs


def scene_of(photo):
    """Linear light, (256, 352, 3)."""
    return to_linear(np.ascontiguousarray(photo[:256, :352]) / np.float32(255))


def shot(light, noise=0.0, seed=0):
    """What a file holds of linear light, with noise."""
    grain = np.random.default_rng(seed).normal(0, 1, light.shape) * noise * np.sqrt(0.2 + light)
    return np.round(to_srgb((light + grain).astype(np.float32)).clip(0, 1) * 255).astype(np.uint8)


def streak(light):
    return cv2.filter2D(light, -1, np.eye(9) / 9)


@pytest.mark.parametrize(("share", "cost"), [(0.25, 0.6), (0.5, 1.0), (1.0, 2.5)])
def test_row_noise_costs_little(photo, model, share, cost):
    """A share of the pixel noise, on every row."""
    scene = scene_of(photo)
    long, rows = shot(streak(scene)), np.random.default_rng(1).normal(0, share * 0.0025 * 0.66, (256, 1, 1))
    plain, striped = (
        psnr(twinshot.restore(short, long, model=model).image, to_srgb(scene))
        for short in (shot(scene / 8, 0.0025), shot(scene / 8 + rows, 0.0025))
    )
    assert striped > plain - cost


@pytest.mark.parametrize("exposure", [0.5, 8.0, 160.0])
def test_a_nearly_black_picture_stays_as_dark_as_it_is(photo, model, exposure):
    """Twice as bright, whatever EXIF says."""
    dark = scene_of(photo) / 60
    frames = shot(dark / 2, 0.0018), shot(streak(dark), 0.0018, seed=1)
    pair = twinshot.Pair(twinshot.Frame(frames[0], exposure=1.0), twinshot.Frame(frames[1], exposure=exposure))
    light = [to_linear(image).mean() for image in (twinshot.restore(pair, model=model).image, as_float(frames[1]))]
    assert light[0] == pytest.approx(light[1], rel=0.15)


@pytest.fixture
def lit_otherwise(photo):
    """Each part of the short frame was lit otherwise: the frames lie on each other, but no tone fits half of it."""
    long = np.ascontiguousarray(photo[:256, :352])
    light = np.exp(np.random.default_rng(0).normal(0, 1.2, (8, 11, 3)))
    short = long / 8 * cv2.resize(light, (352, 256), interpolation=cv2.INTER_CUBIC)
    return short.clip(0, 255).astype(np.uint8), long


def test_a_lost_short_frame_gives_way_to_the_long_one(lit_otherwise, model):
    short, long = lit_otherwise
    restored = twinshot.restore(short, long, model=model)
    assert [warning.code for warning in restored.warnings] == ["short_lost"]
    assert restored.report["from_long_frame"] == 1
    np.testing.assert_allclose(restored.image, prepare(Pair(Frame(short), Frame(long))).long, atol=1 / 65535)


def test_a_tone_that_a_user_chose_is_doubted_in_words_alone(lit_otherwise, model):
    restored = twinshot.restore(*lit_otherwise, model=model, settings=Settings(tone="curve"))
    assert [warning.code for warning in restored.warnings] == ["tone"]
    assert restored.report["tone_error"] > 0.01
    assert restored.report["from_long_frame"] < 1
    assert restored.report["light_from_long_frame"] == 0


@pytest.fixture
def halves(frames, tmp_path):
    """Short and long frame as JPEG files, whole and cut in half."""
    for name, pixels in zip(("short", "long"), frames, strict=True):
        data = save(tmp_path / f"{name}.jpg", pixels, quality=95).read_bytes()
        (tmp_path / f"{name}-half.jpg").write_bytes(data[: len(data) // 2])
    return {path.stem: path for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("short", "long"), [("short", "long-half"), ("short-half", "long"), ("short-half", "long-half")]
)
@pytest.mark.parametrize("swapped", [False, True])
def test_what_a_damaged_file_lacks_is_not_used(halves, model, short, long, swapped):
    """The flat rest was matched, and laid into the result; frames changed places for it."""
    whole = twinshot.restore(halves["short"], halves["long"], model=model)
    settings = Settings(accept_damaged=True, trust_map=True)
    names = (long, short) if swapped else (short, long)
    restored = twinshot.restore(*(halves[name] for name in names), model=model, settings=settings)
    assert Path(restored.report["noisy"]).stem == short
    rows, width = restored.pixels.shape[:2]
    assert width == whole.pixels.shape[1]
    if short == "short":
        left = round(restored.report["shown"] * rows)
        assert rows == len(whole.pixels)
        assert "the rest was denoised from" in restored.report["notes"][-1]
        assert restored.trust[left + 60 :].max() < 16
        assert psnr(restored.image[left:], whole.image[left:]) > 22
    else:
        left = rows
    assert 0.3 < left / len(whole.pixels) < 0.7
    assert psnr(restored.image[: left - 16], whole.image[: left - 16]) > 33
    assert restored.report["warnings"] == whole.report["warnings"]


def test_what_the_damaged_files_of_a_burst_lack_is_not_in_the_result(halves, frames, tmp_path, model):
    other = save(tmp_path / "other.jpg", frames[0], quality=95)
    other.write_bytes(other.read_bytes()[: other.stat().st_size // 2])
    restored = twinshot.restore([halves["short-half"], other], model=model, settings=Settings(accept_damaged=True))
    assert 0.3 < restored.pixels.shape[0] / frames[0].shape[0] < 0.7
    assert np.abs(restored.image[-16:] - 128 / 255).max() > 0.1


def test_where_the_long_frame_shows_nothing_the_short_one_is_used(frames, triple, model):
    """The long frame lacks the lowest 56 of 160 rows."""
    settings = Settings(trust_map=True)
    restored = twinshot.restore(frames[0], np.ascontiguousarray(frames[1][:104]), model=model, settings=settings)
    assert restored.report["shown"] == pytest.approx(104 / 160, abs=0.03)
    assert "the rest was denoised from the first array alone" in restored.report["notes"][-1]
    lacking = np.s_[-6:]
    assert restored.trust[lacking].max() < 16
    noisy = np.abs(triple.noisy - triple.sharp)[lacking].mean()  # at the long frame's brightness
    assert np.abs(restored.image - triple.sharp)[lacking].mean() < 0.75 * noisy


def test_a_result_in_words_is_short(frames, model):
    """As a shell shows it: what was decided, no pixels."""
    assert "array(" not in repr(twinshot.restore(*frames, model=model))
