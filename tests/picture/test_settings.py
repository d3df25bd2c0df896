"""What a user may overrule, and what is no such wish."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from twinshot.picture.errors import InputError
from twinshot.picture.settings import Settings

HUGE = pytest.param(10**400, id="huge")


@pytest.mark.parametrize("value", ["a", "0.5", b"1", None, [1], 1j, HUGE, float("nan"), 1.5, -0.1])
@pytest.mark.parametrize("name", ["strength", "colour_strength"])
def test_a_strength_that_is_none_is_refused(name, value):
    with pytest.raises(InputError, match=f"^{name} .* is out of range; give a number from 0 to 1"):
        Settings(**{name: value})


@pytest.mark.parametrize("value", ["8", b"8", (8, 8, 8), 8j, HUGE, float("inf"), 0, -1])
def test_a_gain_that_is_none_is_refused(value):
    with pytest.raises(InputError, match=r"^gain .* cannot be used; give a number above 0, such as 8"):
        Settings(gain=value)


@pytest.mark.parametrize("kind", [float, Fraction, np.float32, np.float64, np.int64, np.array])
def test_numbers_of_other_kinds_are_taken(kind):
    assert Settings(strength=kind(1), gain=kind(8)).gain == 8
