"""Photographs are sorted into scenes: by content, size and camera, then by clock, exposure and name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from twinshot.files.glance import GRID, Shot, look
from twinshot.groups import MOST, scenes


def shot(name, scene=0, seconds=None, taken=None, light=0.2, camera="", size=(100, 150)):
    """A photograph of the scene of this number."""
    rng = np.random.default_rng(scene)
    look = rng.normal(size=(GRID, GRID)) + 0.2 * np.random.default_rng(sum(name.encode())).normal(size=(GRID, GRID))
    return Shot(Path(name), size, look.astype(np.float32), light, camera, taken, seconds)


def sorted_into(*shots):
    """Short names, long name and left ones of every scene, and those alone."""
    found, alone = scenes(shots)
    groups = [
        (
            tuple(one.path.name for one in scene.short),
            scene.long.path.name if scene.long else None,
            tuple(one.path.name for one in scene.left),
        )
        for scene in found
    ]
    return groups, [one.path.name for one in alone]


def test_pairs_by_content_whatever_their_names():
    found = sorted_into(
        shot("d", 1, light=0.3), shot("a", 2, light=0.3), shot("c", 1, light=0.02), shot("b", 2, light=0.02)
    )
    assert found == ([(("b",), "a", ()), (("c",), "d", ())], [])


def test_exposure_time_goes_before_brightness():
    assert sorted_into(shot("a", seconds=0.5, light=0.1), shot("b", seconds=0.05, light=0.3)) == (
        [(("b",), "a", ())],
        [],
    )


def test_a_result_is_no_frame_whatever_its_size():
    short, long = shot("b", seconds=0.05, light=0.02), shot("c", seconds=0.5)
    for size in (long.size, (50, 75)):
        result = replace(shot("a", seconds=0.05, size=size), result=True)
        assert sorted_into(result, short, long) == ([(("b",), "c", ())], ["a"])
        assert sorted_into(result, long) == ([], ["a", "c"])


def test_strays():
    assert sorted_into(shot("a", 1), shot("b", 2), shot("c", 3)) == ([], ["a", "b", "c"])


def test_another_camera_or_size_is_no_partner():
    assert sorted_into(shot("a", light=0.01), shot("b", camera="x")) == ([], ["a", "b"])
    assert sorted_into(shot("a", light=0.01), shot("b", size=(10, 10))) == ([], ["a", "b"])


def test_a_pause_parts():
    assert sorted_into(shot("a", seconds=0.1, taken=0.0), shot("b", seconds=1.0, taken=500.0)) == ([], ["a", "b"])
    assert sorted_into(shot("a", seconds=0.1, taken=0.0), shot("b", seconds=1.0, taken=2.0))[1] == []


def test_a_burst_with_its_long_frame():
    burst = [shot(f"s{index}", seconds=0.02, taken=float(index)) for index in range(3)]
    assert sorted_into(*burst, shot("long", seconds=0.3, taken=3.0)) == ([(("s0", "s1", "s2"), "long", ())], [])


def test_a_burst_alone():
    burst = [shot(f"s{index}", seconds=0.02, taken=float(index)) for index in range(3)]
    assert sorted_into(*burst) == ([(("s0", "s1", "s2"), None, ())], [])
    assert sorted_into(*burst[:2]) == ([], ["s0", "s1"])  # more likely a photograph taken twice


def test_a_very_long_burst_is_cut():
    burst = [shot(f"s{index:02d}", seconds=0.02, taken=float(index)) for index in range(MOST + 2)]
    ((short, long, left),), _ = sorted_into(*burst, shot("long", seconds=0.3, taken=30.0))
    assert (len(short), long, left) == (MOST, "long", ("s16", "s17"))


def test_a_brackets_middle_is_left_out():
    bracket = [shot(name, seconds=time) for name, time in (("a", 0.004), ("b", 0.03), ("c", 0.06), ("d", 0.25))]
    assert sorted_into(*bracket) == ([(("b",), "d", ("a", "c"))], [])


def test_one_scene_taken_twice_is_two_pairs():
    times = [("a", 0.02), ("b", 0.3), ("c", 0.02), ("d", 0.3)]
    clocked = [shot(name, seconds=time, taken=5.0 * index) for index, (name, time) in enumerate(times)]
    assert sorted_into(*clocked)[0] == [(("a",), "b", ()), (("c",), "d", ())]
    unclocked = [shot(name, light=time) for name, time in times]
    assert sorted_into(*unclocked)[0] == [(("a",), "b", ()), (("c",), "d", ())]
    long_first = [shot(name, seconds=time) for name, time in (("a", 0.3), ("b", 0.02), ("c", 0.3), ("d", 0.02))]
    assert sorted_into(*long_first)[0] == [(("b",), "a", ()), (("d",), "c", ())]


def test_dark_frames_more_like_each_other_than_like_their_long_ones_are_two_pairs():
    dark = shot("a", 1, seconds=0.004).look
    bright = 0.7 * dark + 0.7 * shot("b", 2).look
    names = [("a", dark, 0.004), ("b", bright, 0.125), ("c", dark, 0.004), ("d", bright, 0.125)]
    twice = [replace(shot(name, seconds=time), look=look) for name, look, time in names]
    assert sorted_into(*twice) == ([(("a",), "b", ()), (("c",), "d", ())], [])
    assert sorted_into(twice[0], twice[2]) == ([], ["a", "c"])


def test_names_count_as_numbers():
    found = sorted_into(*(shot(f"s{index}", seconds=0.02) for index in (10, 9, 2)), shot("x", seconds=0.5))
    assert found[0][0][0] == ("s2", "s9", "s10")


def seen(name, pixels, **known):
    """A photograph of these pixels."""
    known = {"light": 0.2, **known}
    return Shot(Path(name), pixels.shape[:2], look(pixels), **known)


def half(pixels):
    return cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


EDITS = {
    "scaled": half,
    "cropped": lambda pixels: pixels[40:280, 20:356],
    "turned": np.rot90,
    "turned and scaled": lambda pixels: half(np.rot90(pixels, 3)),
    "square": lambda pixels: pixels[:, 60:360],
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("short_one", [False, True])
def test_one_of_a_pair_was_edited(photo, edit, short_one):
    dark = (photo // 8).astype(np.uint8)
    short, long = (edit(dark), photo) if short_one else (dark, edit(photo))
    for known in ({"seconds": (0.02, 0.2), "taken": (1.0, 3.0)}, {"light": (0.02, 0.2)}):
        one, other = (
            seen(name, pixels, **{key: values[index] for key, values in known.items()})
            for index, (name, pixels) in enumerate((("a", short), ("b", long)))
        )
        assert sorted_into(other, one) == ([(("a",), "b", ())], [])


def test_one_photograph_in_two_sizes_is_no_pair(photo):
    for known in ({"seconds": 0.1, "taken": 1.0}, {}):
        assert sorted_into(seen("a", photo, **known), seen("b", half(photo), **known)) == ([], ["a", "b"])
    edited = seen("b", half(photo), light=0.4)  # brightened, and without EXIF
    assert sorted_into(seen("a", photo, seconds=0.1, taken=1.0), edited)[0] == []


def test_unlike_sizes_need_more_than_content(photo):
    long = seen("a", photo, seconds=0.2, taken=1.0, camera="x")
    other = {"seconds": 0.02, "taken": 2.0, "camera": "x"}
    assert sorted_into(long, seen("b", half(photo), **other))[1] == []
    for known in ({"taken": 500.0}, {"camera": "y"}, {"seconds": 0.15}):
        assert sorted_into(long, seen("b", half(photo), **{**other, **known}))[1] == ["a", "b"]
    assert sorted_into(long, seen("b", half(photo[::-1]), **other))[1] == ["a", "b"]  # another scene
    assert sorted_into(seen("a", photo), seen("b", half(photo[::-1]), light=0.9), seen("c", half(photo), light=0.02))[
        1
    ] == [
        "a",
        "b",
        "c",
    ]  # not one after the other


def test_a_frame_of_its_own_size_goes_before_an_edited_one(photo):
    long, short = seen("a", photo, seconds=0.2, taken=1.0), seen("b", photo // 8, seconds=0.02, taken=2.0)
    edited = seen("b-small", half(photo // 8), seconds=0.02, taken=2.0)
    assert sorted_into(long, short, edited) == ([(("b",), "a", ())], ["b-small"])


def test_alike_in_all_but_pixels_is_unsure():
    (scene,), _ = scenes([shot("a"), shot("b")])
    assert scene.unsure
    (scene,), _ = scenes([shot("a"), shot("b", light=0.01)])
    assert not scene.unsure


def test_nothing():
    assert scenes([]) == ([], [])
