"""Windows of frames: which frames are taken, and what becomes of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import save

from twinshot.files import io
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import Metadata, TwinshotError
from twinshot.synth import frames, motion
from twinshot.synth.frames import WINDOW, FrameWindow, StillWindow, images_in, read_photo, scenes_in, windows_of
from twinshot.synth.motion import MotionRange
from twinshot.synth.triples import windows_in


def scene(count: int, name: str = "GOPR0001_11_00") -> list[Path]:
    return [Path(name, f"{number:06d}.png") for number in range(1, count + 1)]


def begin_film(folder: Path, first: int) -> None:
    """Its first two frames, alike: they tell a film from an album."""
    for number in (first, first + 1):
        save(folder / f"{number:06d}.png", np.arange(64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8))


# Which frames


@pytest.mark.parametrize(("count", "windows"), [(0, 0), (10, 0), (11, 1), (21, 1), (22, 2), (100, 9)])
def test_windows_are_disjoint_and_the_rest_is_dropped(count, windows):
    found = windows_of(scene(count))
    assert len(found) == windows
    assert [path for window in found for path in window.frames] == scene(count)[: windows * 11]


def test_train_windows_of_the_gopro_set():
    """22 scenes whose frames give 2058 windows: a rest never joins the next scene's frames."""
    windows = [93] * 10 + [94] * 12
    counts = [11 * count + rest % 11 for rest, count in enumerate(windows)]
    assert sum(windows) == 2058
    assert sum(counts) // 11 > 2058
    assert sum(len(windows_of(scene(count))) for count in counts) == 2058


def test_test_windows_of_the_gopro_set(tmp_path):
    """A tree of 11 scenes as GOPRO_Large_all has it, most frames empty files: 1111 windows, none across two."""
    for number in range(11):
        folder = tmp_path / "test" / f"GOPR{number:04d}_11_00"
        folder.mkdir(parents=True)
        for frame in range(101 * 11 + number):
            (folder / f"{frame + 1:06d}.png").touch()
        begin_film(folder, 1)
        (folder / "notes.txt").touch()
    found = windows_in(tmp_path)
    assert len(found) == 1111
    for window in found:
        assert isinstance(window, FrameWindow)
        assert len({path.parent for path in window.frames}) == 1
        first = int(window.frames[0].stem)
        assert [int(path.stem) for path in window.frames] == list(range(first, first + 11))


def test_scenes_are_in_order_whatever_the_system_lists_first(tmp_path):
    for name in ("b/000002.png", "b/000001.png", "a/000010.png", "a/000009.JPG", "a/readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [[str(path.relative_to(tmp_path)) for path in scene] for scene in scenes_in(tmp_path)]
    assert found == [["a/000009.JPG", "a/000010.png"], ["b/000001.png", "b/000002.png"]]


def test_a_film_that_begins_black_is_one(tmp_path):
    for number in range(WINDOW):
        save(tmp_path / f"{number:06d}.png", np.full((64, 64, 3), 20 * max(0, number - 2), np.uint8))
    assert [type(window) for window in windows_in(tmp_path)] == [FrameWindow]


def test_hidden_files_are_no_pictures(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos" / "._coffee.png").write_bytes(b"what a system keeps of a picture")
    assert [path.name for path in images_in(tmp_path / "photos")] == [path.name for path in images_in(photos)]


def test_photographs_are_a_window_each(photos):
    found = windows_in(photos)
    assert [window.photo.name for window in found] == ["astronaut.png", "chelsea.png", "coffee.png"]
    assert all(isinstance(window, StillWindow) and window.others == images_in(photos) for window in found)


def test_folders_without_pictures(tmp_path):
    (tmp_path / "notes.txt").touch()
    for look in (images_in, scenes_in, windows_in):
        with pytest.raises(TwinshotError, match="there"):
            look(tmp_path)
    (tmp_path / "scene").mkdir()
    for number in range(10):
        (tmp_path / "scene" / f"{number:06d}.png").touch()
    begin_film(tmp_path / "scene", 0)
    with pytest.raises(TwinshotError, match="not the 11 in a row"):
        windows_in(tmp_path)


# What becomes of them


@pytest.fixture
def window(tmp_path, rng: np.random.Generator) -> FrameWindow:
    """Eleven frames of noise, each about its own grey."""
    paths = []
    for number in range(WINDOW):
        pixels = rng.integers(20 * number, 20 * number + 40, (24, 32, 3), np.uint8)
        paths.append(save(tmp_path / f"{number:06d}.png", pixels))
    return FrameWindow(tuple(paths))


@pytest.mark.parametrize("light", ["srgb", "linear"])
def test_the_first_is_the_truth_the_second_dropped_nine_averaged(window, light, rng):
    sharp, blurry = window.expose(light, rng)
    stack = np.stack([read_photo(path) for path in window.frames])
    np.testing.assert_array_equal(sharp, stack[0])
    mean = stack[2:].mean(0) if light == "srgb" else to_srgb(to_linear(stack[2:]).mean(0))
    np.testing.assert_allclose(blurry, mean, atol=1e-5)
    assert sharp.dtype == blurry.dtype == np.float32


def test_gopro_averages_all_around_the_truth(window, rng):
    sharp, blurry = window.expose("srgb", rng, "middle")
    stack = np.stack([read_photo(path) for path in window.frames])
    np.testing.assert_array_equal(sharp, stack[5])
    np.testing.assert_allclose(blurry, stack.mean(0), atol=1e-5)


def test_frames_that_follow(window, rng):
    found = window.follow("srgb", rng, 10)
    np.testing.assert_array_equal(found, [read_photo(path) for path in window.frames[1:]])
    with pytest.raises(TwinshotError, match="11 frames; ask for a shorter burst"):
        window.follow("srgb", rng, 11)
    assert window.extent("srgb", rng) is None


def test_averages_of_the_two_lights_differ(window, rng):
    assert (window.expose("linear", rng)[1] - window.expose("srgb", rng)[1]).mean() > 0.01


def test_a_crop_is_the_same_part_of_every_frame(window):
    part = FrameWindow(window.frames, (3, 5, 16))
    for whole, cut in zip(window.expose("srgb", None), part.expose("srgb", None), strict=True):
        np.testing.assert_array_equal(cut, whole[3:19, 5:21])


def test_photographs_are_read_as_rgb(tmp_path):
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = 200, 51
    found = read_photo(save(tmp_path / "photo.png", pixels))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, 0], [200 / 255, 0, 0.2], atol=1e-6)


def test_photographs_of_16_bits_keep_them(tmp_path):
    pixels = np.arange(20 * 20 * 3, dtype=np.uint16).reshape(20, 20, 3) + np.uint16(30000)
    io.write(tmp_path / "photo.tif", pixels, Metadata(bits=16))
    np.testing.assert_allclose(read_photo(tmp_path / "photo.tif") * 65535, pixels, atol=0.01)


def test_a_photograph_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"no picture")
    with pytest.raises(TwinshotError, match=r"photo\.jpg: not an image"):
        read_photo(tmp_path / "photo.jpg")


# Stills


def test_a_still_camera_sees_the_photograph_twice(photos):
    """Nothing moves: the long exposure is the sharp frame, within 8 bits."""
    still = MotionRange(blur=(0.0, 0.0), movers=0.0)
    for seed in range(3):
        window = StillWindow(photos / "coffee.png", (), (96, 128), still)
        sharp, blurry = window.expose("srgb", np.random.default_rng(seed))
        assert np.abs(sharp - blurry).max() < 0.5 / 255
        assert sharp.std() > 0.05


@pytest.mark.parametrize("light", ["srgb", "linear"])
@pytest.mark.parametrize("size", [None, (96, 128), (256, 256)])
def test_stills_have_the_size_that_was_asked_for(photos, size, light, rng):
    window = StillWindow(photos / "astronaut.png", images_in(photos), size, MotionRange(movers=1.0))
    sharp, blurry = window.expose(light, rng)
    assert sharp.shape == blurry.shape == (*(size or (164, 224)), 3)
    assert sharp.dtype == blurry.dtype == np.float32
    assert min(sharp.min(), blurry.min()) >= 0
    assert max(sharp.max(), blurry.max()) <= 1
    assert np.abs(sharp - blurry).mean() > 0.001


def test_the_sharp_frame_is_never_resampled(photos):
    """Every one of its rows is found in the photograph, byte by byte."""
    window = StillWindow(photos / "astronaut.png", (), None, MotionRange(movers=0.0))
    sharp, _ = window.expose("srgb", np.random.default_rng(1))
    photo = read_photo(photos / "astronaut.png")
    views = np.lib.stride_tricks.sliding_window_view(photo, sharp.shape)
    assert (np.abs(views[:, :, 0, ::8, ::8] - sharp[::8, ::8]).max((2, 3, 4)) == 0).any()


def test_a_photograph_too_small_is_named(tmp_path):
    save(tmp_path / "small.png", np.zeros((100, 300, 3), np.uint8))
    for size in (None, (128, 128)):
        window = StillWindow(tmp_path / "small.png", (), size, MotionRange(movers=0.0))
        with pytest.raises(TwinshotError, match=r"small\.png: 300x100 is too small"):
            window.expose("srgb", np.random.default_rng(1))


def test_what_follows_a_still_ends_with_the_exposure(photos):
    """Where the camera only drifts, the mean of a dense burst is the long exposure that `expose` gives."""
    window = StillWindow(photos / "coffee.png", (), (96, 128), MotionRange(blur=(6.0, 6.0), gap=(0.0, 0.0), movers=0.0))
    for seed in range(2):
        rngs = [np.random.default_rng(seed) for _ in range(3)]
        sharp, blurry = window.expose("srgb", rngs[0])
        burst = window.follow("srgb", rngs[1], 40)
        assert np.abs(np.mean([sharp, *burst], 0) - blurry).mean() < 0.004
        assert np.abs(burst[-1] - blurry).mean() > 0.01
        assert window.extent("srgb", rngs[2]) == pytest.approx(6, rel=1e-3)


def test_a_still_blurred_around_its_middle(photos):
    """The long exposure around the truth is nearer to it than one that follows it."""
    window = StillWindow(photos / "coffee.png", (), (96, 128), MotionRange(blur=(9.0, 9.0), gap=(0.3, 0.4), movers=0.0))
    distance = {}
    for timing in ("before", "middle"):
        sharp, blurry = window.expose("srgb", np.random.default_rng(2), timing)
        distance[timing] = np.abs(sharp - blurry).mean()
    assert distance["middle"] < distance["before"]


@pytest.mark.parametrize("seed", range(6))
def test_the_middle_of_an_exposure_is_its_mean_pose(photos, seed):
    """A deblurrer of the blurry frame alone could not know of an offset between the two."""
    window = StillWindow(photos / "coffee.png", (), (96, 128), MotionRange(movers=0.0))
    scene, _, long = window.opened("srgb", np.random.default_rng(seed), "middle")
    extent = motion.blur_extent(scene.camera, scene.size)
    assert motion.GOPRO_BLUR[0] <= extent <= motion.GOPRO_BLUR[-1]
    assert np.linalg.norm(long.poses[:, :2].mean(0)) < 0.1 * extent


def test_light_of_frames():
    image = np.array([[[0.5, 0.1, 1.5]]], np.float32)
    np.testing.assert_array_equal(frames.decode(image, "srgb"), image)
    np.testing.assert_allclose(frames.encode(frames.decode(image, "linear"), "linear"), [[[0.5, 0.1, 1]]], atol=1e-5)


def test_a_photograph_is_read_once(tmp_path):
    path = save(tmp_path / "photo.png", np.full((20, 20, 3), 51, np.uint8))
    first = read_photo(path)
    path.unlink()
    np.testing.assert_array_equal(read_photo(path), first)
