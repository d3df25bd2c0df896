"""What passes between rooms."""

from __future__ import annotations

import numpy as np
import pytest

from twinshot.baselines.system import Shot
from twinshot.engines.loading import Model
from twinshot.files.stored import Stored
from twinshot.match.align import Alignment
from twinshot.picture.errors import InputError
from twinshot.picture.pair import Frame, Pair
from twinshot.restored import Restored
from twinshot.synth.motion import Scene, Shutter
from twinshot.synth.profiles import Sample


def test_frames_and_pairs_are_themselves_and_no_other():
    """Pixels have no single yes or no to whether they are equal."""
    one, other = (Frame(np.full((16, 16, 3), level, np.uint8), "frame") for level in (0, 0))
    assert one == one
    assert one != other
    bright = Frame(np.full((16, 16, 3), 200, np.uint8), "bright")
    assert len({one, other, Pair(one, bright), Pair(one, bright)}) == 4


@pytest.mark.parametrize("kind", [Frame, Pair, Restored, Alignment, Stored, Shot, Sample, Scene, Shutter, Model])
def test_records_that_hold_pixels_compare_by_what_they_are(kind):
    assert kind.__eq__ is object.__eq__
    assert kind.__hash__ is object.__hash__


@pytest.mark.parametrize("given", [np.zeros((16, 16, 3), np.uint8), "a.jpg", None])
def test_a_pair_of_what_is_no_frame_is_refused(given):
    with pytest.raises(InputError, match=r"a Pair takes two Frames.*give Frame\(pixels\).*restore\(noisy, blurry\)"):
        Pair(given, given)


@pytest.mark.parametrize("given", [[[0]], "a.jpg", None])
def test_a_frame_of_what_is_no_array_is_refused(given):
    with pytest.raises(InputError, match=r"the array: has type .*; give a NumPy array \(H, W, 3\)"):
        Frame(given)
