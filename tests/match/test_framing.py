"""Frames that were turned, cropped, scaled, of another aspect or inside a border still lie on each other."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from twinshot.match.borders import Area
from twinshot.match.prepare import prepare
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.errors import MismatchError
from twinshot.picture.pair import Frame, Metadata, Pair

SHORT = (96, 80, 300, 360)  # top, left, height and width of the view
MOVE = (6, -4)


def part(picture, top, left, height, width):
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def short_view():
    """An eighth of the light, and noise."""
    light = to_linear(part(data.astronaut(), *SHORT) / np.float32(255)) / 8
    light = light + np.random.default_rng(0).normal(0, 0.003, light.shape)
    return np.round(to_srgb(light.astype(np.float32)).clip(0, 1) * 255).astype(np.uint8)


def long_view(x=MOVE[0], y=MOVE[1]):
    """What the short frame shows at (0, 0) is at (x, y) of it; blurred."""
    top, left, *size = SHORT
    return cv2.filter2D(part(data.astronaut(), top - y, left - x, *size), -1, np.eye(7) / 7)


def matched(long, short=None):
    return prepare(Pair(Frame(short_view() if short is None else short, "short"), Frame(long, "long")))


def seen_at(ready, x=180, y=150):
    """Where the long frame is read for a pixel of the short one."""
    u, v, w = ready.alignment.matrix @ (x, y, 1)
    return u / w - x, v / w - y


@pytest.mark.parametrize(("turns", "said"), [(1, "270 degrees"), (2, "180 degrees"), (3, "90 degrees")])
def test_a_turned_frame_is_turned_back(turns, said):
    ready = matched(np.ascontiguousarray(np.rot90(long_view(), turns)))
    assert ready.same_scene
    assert ready.long.shape == ready.short.shape == (*SHORT[2:], 3)
    assert seen_at(ready) == pytest.approx(MOVE, abs=0.75)
    assert ready.notes == (f"long was turned by {said} to lie on short",)


@pytest.mark.parametrize("rows", [200, 240])
def test_what_is_left_of_a_damaged_frame_is_laid_where_it_was(rows):
    """Of a frame that was taken upside down the last rows; where both lack as much, they were laid on each other."""
    height, width = SHORT[2:]
    places = (0, 0, 200, width), (height - rows, 0, height, width)
    short, long = (
        Frame(view[place[0] : place[2]], name, Metadata(remains=place))
        for view, name, place in zip((short_view(), long_view()), ("short", "long"), places, strict=True)
    )
    ready = prepare(Pair(short, long))
    assert ready.same_scene
    x, y = seen_at(ready)
    assert (x, y) == pytest.approx(MOVE, abs=0.75)
    assert ready.shown.inner.top == pytest.approx(height - rows - MOVE[1], abs=2)


@pytest.mark.parametrize(("size", "by"), [((720, 600), "0.5"), ((180, 150), "2")])
def test_a_frame_of_another_size_is_scaled(size, by):
    ready = matched(cv2.resize(long_view(), size, interpolation=cv2.INTER_AREA))
    assert ready.long.shape == (*SHORT[2:], 3)
    assert seen_at(ready) == pytest.approx(MOVE, abs=0.75)
    assert ready.notes[0] == f"long was scaled by {by} to lie on short"


def test_a_frame_cropped_by_a_twentieth_lies_where_it_was_cut():
    """From the left and the top alone, so that its middle is elsewhere: the canvas has it 9 and 8 px off."""
    ready = matched(part(long_view(), 15, 18, 285, 342))
    assert seen_at(ready) == pytest.approx((MOVE[0] - 9, MOVE[1] - 8), abs=1)
    assert ready.shown.share == pytest.approx((285 - 4) / 300 * (342 - 6 + 12) / 360, abs=0.05)
    assert ready.notes[-1].endswith("the rest was denoised from short alone")
    inner = np.s_[40:-40, 40:-40]
    assert np.abs(ready.long - long_view(0, 0) / 255)[inner].mean() < 0.03


def test_a_frame_cropped_by_a_twentieth_and_scaled_to_the_same_size():
    cropped = part(long_view(0, 0), 15, 18, 270, 324)
    ready = matched(cv2.resize(cropped, SHORT[:1:-1], interpolation=cv2.INTER_CUBIC))
    assert ready.same_scene
    inner = np.s_[40:-40, 40:-40]
    assert np.abs(ready.long - long_view(0, 0) / 255)[inner].mean() < 0.03


def test_a_frame_of_another_aspect():
    ready = matched(part(long_view(), 48, 0, 204, 360))
    assert seen_at(ready) == pytest.approx(MOVE, abs=0.75)
    assert ready.shown.share == pytest.approx(204 / 300, abs=0.03)
    assert np.ptp(ready.shown.distance(ready.shown.inner)) == 0


def test_frames_of_two_sizes_and_scenes_are_refused():
    with pytest.raises(MismatchError, match="short is 360x300 but long is 200x150, and they do not show the same view"):
        matched(cv2.blur(cv2.resize(data.coffee(), (200, 150)), (5, 5)))


def test_whole_frames_are_left_as_they_are():
    ready = matched(long_view(0, 0))
    assert ready.notes == ()
    assert ready.shown.share > 0.98


def bordered(frame, value):
    framed, side = np.full_like(frame, value), 15
    framed[side:-side, side:-side] = frame[side:-side, side:-side]
    return framed


def with_bars(frame, value):
    framed = frame.copy()
    framed[:38], framed[-38:] = value, value
    return framed


@pytest.mark.parametrize("around", [bordered, with_bars])
@pytest.mark.parametrize("value", [0, 255])
def test_a_border_stays_and_the_scene_moves(around, value):
    ready = matched(around(long_view(60, 0), value), around(short_view(), value))
    assert seen_at(ready) == pytest.approx((60, 0), abs=1)
    assert ready.shown.share < 0.9  # what the border of the long frame hides is not shown by it


def test_a_border_that_both_frames_have_is_shown_but_not_what_one_of_them_hides():
    shown = matched(with_bars(long_view(0, 20), 0), with_bars(short_view(), 0)).shown
    distance = shown.distance(Area(0, 0, *shown.size))[:, 180]
    assert not distance[:38].any()
    assert not distance[-38:].any()
    hidden = np.flatnonzero(distance)
    assert hidden.size == pytest.approx(20, abs=2)
    assert shown.share == pytest.approx(1 - 20 / 300, abs=0.01)


def test_an_even_night_sky_is_no_border():
    """It is shown: what is restored there is made of both frames."""
    short, long = short_view(), long_view(0, 0)
    short[:80], long[:80] = 0, 1
    shown = matched(long, short).shown
    assert shown.share > 0.98
    assert not shown.distance(Area(0, 0, 80, 360))[4:, 4:-4].any()


def test_a_circle_stays_and_the_scene_moves():
    y, x = np.indices(SHORT[2:])
    outside = np.hypot(x - 180, y - 150) > 148
    short, long = short_view(), long_view(20, 4)
    short[outside], long[outside] = np.random.default_rng(1).integers(0, 4, (outside.sum(), 3)), 0
    assert seen_at(matched(long, short)) == pytest.approx((20, 4), abs=1.5)
