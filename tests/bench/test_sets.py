"""Sets by name: made where they are asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import save

from twinshot.bench.datasets import triples_in
from twinshot.bench.sets import EXAMPLES, available, label_of, prepare
from twinshot.files.io import read
from twinshot.picture.pair import TwinshotError


@pytest.fixture
def gopro(tmp_path, photo) -> Path:
    """Two pairs in GOPRO_Large's layout."""
    scene = tmp_path / "data" / "GOPRO_Large" / "test" / "GOPR0000_11_00"
    for kind in ("blur", "blur_gamma", "sharp"):
        (scene / kind).mkdir(parents=True)
        for number in range(2):
            offset = {"blur": 1, "blur_gamma": 2, "sharp": 0}[kind]
            save(scene / kind / f"{number:06d}.png", photo[number + offset : number + offset + 64, :80])
    return tmp_path / "data"


@pytest.fixture
def koehler(tmp_path, photo) -> Path:
    """One image, one trajectory of three truths."""
    root = tmp_path / "data" / "Koehler"
    (root / "Image1" / "Kernel1").mkdir(parents=True)
    save(root / "Blurry1_1.png", photo[:64, :80])
    for number in range(1, 4):
        save(root / "Image1" / "Kernel1" / f"GroundTruth1_1_{number}.png", photo[number : number + 64, :80])
    return tmp_path / "data"


def test_examples_need_no_data(tmp_path):
    folder = prepare("example", None, tmp_path, 3, quick=True)
    found = triples_in(folder)
    assert len(found) == 4
    assert {row.meta["profile"] for row in found} == {"camera"}
    assert {row.meta["seed"] for row in found} == {3}
    assert all(len(row.burst) == 11 and row.meta["blur"] >= 0 for row in found)
    assert found[0].truth().shape == (160, 160, 3)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    assert prepare("example", None, tmp_path, 3, quick=True) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")} == before


@pytest.mark.parametrize(("name", "rows"), [("gopro", 1), ("gopro-gamma", 2)])
def test_gopro(gopro, tmp_path, photo, name, rows):
    found = triples_in(prepare(name, gopro, tmp_path / "sets", 0, quick=False))
    assert [row.meta["source"] for row in found] == ["GOPR0000_11_00/000000", "GOPR0000_11_00/000001"]
    for number, row in enumerate(found):
        np.testing.assert_array_equal(read(row.sharp).pixels, photo[number : number + 64, :80])
        np.testing.assert_array_equal(read(row.blurry).pixels, photo[number + rows : number + rows + 64, :80])
        assert row.burst == ()
        assert 0.3 <= row.meta["scale"] <= 0.8


def test_a_folder_of_goprs_layout(gopro, tmp_path):
    folder = prepare(str(gopro / "GOPRO_Large"), None, tmp_path / "sets", 0, quick=False)
    assert folder == tmp_path / "sets" / "GOPRO_Large"
    assert len(triples_in(folder)) == 2


def test_koehler_has_all_truths_of_a_trajectory(koehler, tmp_path, photo):
    [row] = triples_in(prepare("koehler", koehler, tmp_path / "sets", 0, quick=False))
    assert [path.name for path in row.truths] == [f"GroundTruth1_1_{number}.png" for number in (1, 2, 3)]
    np.testing.assert_array_equal(read(row.sharp).pixels, photo[2:66, :80])
    np.testing.assert_array_equal(read(row.blurry).pixels, photo[:64, :80])


@pytest.mark.parametrize("name", ["lowlight", "brackets"])
def test_sets_of_real_pairs(tmp_path, photo, name):
    short = (photo / 6).astype(np.uint8)
    for folder, pixels in (("low", short), ("high", photo)):
        (tmp_path / "data" / name / folder).mkdir(parents=True)
        save(tmp_path / "data" / name / folder / "1.png", pixels)
    assert available(tmp_path / "data") == [*EXAMPLES, name]
    found = triples_in(prepare(name, tmp_path / "data", tmp_path / "sets", 5, quick=True))
    assert [(row.meta["source"], row.meta["seed"], row.shown) for row in found] == [("low/1.png", 5, False)]
    assert found[0].truth().shape == (160, 160, 3)
    np.testing.assert_array_equal(read(found[0].noisy).pixels, short[70:230, 130:290])


def test_quick_sets_do_not_mix_with_whole_ones(gopro, tmp_path):
    quick, whole = (prepare("gopro", gopro, tmp_path / "sets", 0, quick) for quick in (True, False))
    assert (quick.name, whole.name) == ("gopro-quick", "gopro")
    assert len(triples_in(quick)) == 2


def test_what_sets_are_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (label_of("gopro"), label_of("."), label_of("a/b/")) == ("gopro", tmp_path.name, "b")


def test_a_folder_of_triples_is_taken_as_it_is(folder, tmp_path):
    assert prepare(str(folder), None, tmp_path / "sets", 0, quick=False) == folder
    assert not (tmp_path / "sets").exists()


def test_what_is_available(gopro, tmp_path):
    assert available(None) == list(EXAMPLES)
    assert available(gopro) == [*EXAMPLES, "gopro", "gopro-gamma"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("magic", "magic: no such set; give a folder of triples or of GOPRO_Large, or choose from example"),
        ("koehler", "Koehler: no such folder; the set 'koehler' is made from it"),
        ("photos", "photos: no such set"),
    ],
)
def test_sets_that_are_not_there(gopro, tmp_path, name, said):
    with pytest.raises(TwinshotError, match=said):
        prepare(name, gopro, tmp_path / "sets", 0, quick=False)


def test_no_data_root(tmp_path):
    with pytest.raises(TwinshotError, match="give --data DIR or set TWINSHOT_DATA"):
        prepare("camera", None, tmp_path, 0, quick=False)


def test_truths_are_listed_by_picture(koehler, tmp_path):
    folder = prepare("koehler", koehler, tmp_path / "sets", 0, quick=False)
    table = json.loads((folder / "truths.json").read_text())
    assert list(table) == ["000000.png"]
    assert all(Path(path).is_absolute() for path in table["000000.png"])
