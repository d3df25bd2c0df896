"""Windows: the frame's own pixels inside, mirrored outside, and the same lattice with and without a homography."""

from __future__ import annotations

import numpy as np
import pytest

from twinshot.picture.window import window


def test_mirrored_over_the_edge(photo):
    part = window(photo, 4, 6, (photo.shape[0], photo.shape[1]))
    assert (part[:-4, :-6] == photo[4:, 6:]).all()
    assert (part[-4:, :-6] == photo[-5:-1, 6:][::-1]).all()


@pytest.mark.parametrize("step", [1, 3])
def test_a_homography_of_nothing_changes_nothing(photo, step):
    size = 20, 30
    part = window(photo, 4, 6, size, step=step)
    assert (part == photo[4 : 4 + 20 * step : step, 6 : 6 + 30 * step : step]).all()
    assert (window(photo, 4, 6, size, np.eye(3), step) == part).all()


@pytest.mark.parametrize("step", [1, 3])
def test_the_homography_maps_the_frame_not_the_lattice(photo, step):
    matrix = np.array([[1, 0, 7], [0, 1, -3], [0, 0, 1]], np.float64)
    moved = window(photo, 9, 6, (20, 30), matrix, step)
    assert (moved == window(photo, 6, 13, (20, 30), step=step)).all()
