"""GOPRO_Large as it is downloaded: pairs by scene and number, and messages for what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import save

from twinshot.bench.gopro import gopro_large
from twinshot.picture.pair import TwinshotError

SCENES = {"GOPR0384_11_00": ["000002", "000010"], "GOPR0385_11_01": ["000001"]}


@pytest.fixture
def root(tmp_path):
    """The layout with two scenes in test/ and one of them in train/."""
    for split, scenes in (("test", SCENES), ("train", list(SCENES)[:1])):
        for scene in scenes:
            for kind in ("blur", "blur_gamma", "sharp"):
                folder = tmp_path / "GOPRO_Large" / split / scene / kind
                folder.mkdir(parents=True)
                for number in SCENES[scene]:
                    save(folder / f"{number}.png", np.zeros((16, 16, 3), np.uint8))
    return tmp_path / "GOPRO_Large"


@pytest.mark.parametrize("blur", ["blur", "blur_gamma"])
def test_pairs_by_scene_and_number(root, blur):
    found = gopro_large(root, "test", blur)
    assert [pair.name for pair in found] == ["GOPR0384_11_00/000002", "GOPR0384_11_00/000010", "GOPR0385_11_01/000001"]
    for pair in found:
        scene, number = pair.name.split("/")
        assert pair.blur == root / "test" / scene / blur / f"{number}.png"
        assert pair.sharp == root / "test" / scene / "sharp" / f"{number}.png"
        assert pair.blur.is_file()
        assert pair.sharp.is_file()


def test_splits_and_defaults(root):
    assert gopro_large(root) == gopro_large(root, "test", "blur")
    assert [pair.name for pair in gopro_large(root, "train")] == ["GOPR0384_11_00/000002", "GOPR0384_11_00/000010"]


def test_what_is_no_scene_is_passed_over(root):
    (root / "test" / ".cache").mkdir()
    (root / "test" / "readme.txt").touch()
    (root / "test" / "GOPR0385_11_01" / "sharp" / "notes.txt").touch()
    assert len(gopro_large(root)) == 3


def emptied(folder):
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    return folder


def test_another_folder_than_the_sets(root):
    with pytest.raises(TwinshotError, match=r"test: no such folder; name the folder GOPRO_Large"):
        gopro_large(root.parent)
    emptied(root / "train").rmdir()
    with pytest.raises(TwinshotError, match=r"GOPRO_Large/train: no such folder"):
        gopro_large(root, "train")


def test_a_split_without_scenes(root):
    emptied(root / "test")
    with pytest.raises(TwinshotError, match=r"GOPRO_Large/test: holds no scenes"):
        gopro_large(root)


def test_a_scene_without_the_blur_asked_for(root):
    emptied(root / "test" / "GOPR0385_11_01" / "blur_gamma").rmdir()
    assert len(gopro_large(root)) == 3
    with pytest.raises(TwinshotError, match=r"GOPR0385_11_01/blur_gamma: no such folder.* has blur, sharp;"):
        gopro_large(root, "test", "blur_gamma")


def test_frames_of_the_other_download(root):
    """GOPRO_Large_all keeps the frames in the scene's folder itself."""
    scene = emptied(root / "test" / "GOPR0385_11_01")
    save(scene / "000001.png", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(TwinshotError, match=r"GOPR0385_11_01/blur: no such folder.* has no folders"):
        gopro_large(root)


@pytest.mark.parametrize(("gone", "left"), [("sharp", "blur"), ("blur", "sharp")])
def test_half_a_pair(root, gone, left):
    (root / "test" / "GOPR0384_11_00" / gone / "000010.png").unlink()
    with pytest.raises(TwinshotError, match=rf"00/{gone}/000010\.png: missing, but \S+00/{left}/000010\.png is there"):
        gopro_large(root)


def test_an_empty_folder(root):
    emptied(root / "test" / "GOPR0384_11_00" / "sharp")
    with pytest.raises(TwinshotError, match=r"GOPR0384_11_00/sharp: no images there"):
        gopro_large(root)
