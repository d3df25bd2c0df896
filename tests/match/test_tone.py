"""A tone on pixels, forth and back: gains, offsets and curves, on values and on stored codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twinshot.match import tone
from twinshot.match.tone import Tone
from twinshot.picture.encoding import to_linear, to_srgb
from twinshot.picture.pair import as_float


def test_apply():
    image = np.full((2, 2, 3), 0.5, np.float32)
    linear = tone.apply(image, tone.known((1, 2, 40)))
    np.testing.assert_allclose(linear[0, 0], [0.5, float(to_srgb(np.float32(0.4280822))), 1], atol=1e-4)
    encoded = tone.apply(image, tone.known((1.0, 1.5, 3.0), "srgb"))
    np.testing.assert_allclose(encoded[0, 0], [0.5, 0.75, 1], atol=1e-6)
    assert linear.dtype == encoded.dtype == np.float32
    np.testing.assert_array_equal(tone.apply(image, tone.known((1, 1, 1), "srgb")), image)


def test_apply_with_an_offset_and_by_a_curve():
    image = np.full((1, 1, 3), 0.5, np.float32)
    light = float(to_linear(np.float32(0.5)))
    lower = tone.apply(image, Tone("offset", (2, 2, 2), (0, -0.1, -1)))[0, 0]
    np.testing.assert_allclose(to_linear(lower), [2 * light, 2 * light - 0.1, 0], atol=1e-4)
    knots, values = np.array([0, 0.4, 1]), np.array([[0, 0.2, 1], [0, 0.4, 1], [0, 1, 1]])
    bent = tone.apply(image, Tone("curve", (1, 1, 1), knots=knots, values=values))[0, 0]
    np.testing.assert_allclose(to_linear(bent), [0.2 + 0.8 / 6, 0.5, 1], atol=1e-3)


def test_multiplied_keeps_what_is_brighter_than_white():
    image = np.full((1, 1, 3), 0.8, np.float32)
    match = tone.known((1, 2, 3))
    assert tone.apply(image, match)[0, 0, 2] == 1
    made = to_linear(tone.multiplied(image, match))[0, 0]
    np.testing.assert_allclose(made, float(to_linear(np.float32(0.8))) * np.float32([1, 2, 3]), rtol=1e-3)


def test_brightness_alone():
    assert tone.brightness_alone(tone.known((2, 9, 3))).gain == (3, 3, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("model", ["gain", "encoded gain", "offset", "curve"])
def test_apply_to_stored_pixels_is_apply_to_their_values(photo, dtype, model):
    pixels = photo.astype(dtype) * dtype(np.iinfo(dtype).max // 255)
    found = {
        "gain": tone.known((2.0, 3.0, 0.7)),
        "encoded gain": tone.known((2.0, 3.0, 0.7), "srgb"),
        "offset": Tone("offset", (2.0, 3.0, 0.7), (-0.01, 0.0, 0.02)),
        "curve": Tone("curve", (1, 1, 1), knots=np.array([0, 0.3, 1]), values=np.array([[0, 0.5, 1]] * 3)),
    }[model]
    np.testing.assert_allclose(tone.apply(pixels, found), tone.apply(as_float(pixels), found), atol=1e-6)


@pytest.mark.parametrize(
    ("model", "off", "doubt"),
    [("curve", 0.01, 0.0), ("curve", 0.3, 1.0), ("gain", 0.3, 0.0), ("gain", 0.4, 1.0), ("offset", 0.45, 1.0)],
)
def test_a_gain_may_leave_more_cells_off_than_a_curve(model, off, doubt):
    """It is chosen where blur and movers are what it leaves off; where a third of the picture is off, light is."""
    assert Tone(model, (1, 1, 1), off=off).doubt == pytest.approx(doubt)


def test_a_tone_that_a_user_chose_stands():
    found = Tone("curve", (1, 1, 1), off=0.9)
    assert (found.doubtful, found.doubt, found.lost) == (True, 1, True)
    chosen = replace(found, chosen=True)
    assert (chosen.doubtful, chosen.doubt, chosen.lost) == (True, 0, False)
