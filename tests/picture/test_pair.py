"""What passes between rooms."""

from __future__ import annotations

import numpy as np

from twinshot.picture.pair import Frame, Pair


def test_frames_and_pairs_are_themselves_and_no_other():
    """Pixels have no single yes or no to whether they are equal."""
    one, other = (Frame(np.full((16, 16, 3), level, np.uint8), "frame") for level in (0, 0))
    assert one == one
    assert one != other
    bright = Frame(np.full((16, 16, 3), 200, np.uint8), "bright")
    assert len({one, other, Pair(one, bright), Pair(one, bright)}) == 4
