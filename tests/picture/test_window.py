"""Windows: the frame's own pixels inside, mirrored outside, and the same lattice with and without a homography."""

from __future__ import annotations

import numpy as np
import pytest

from twinshot.picture.window import Shifts, shifted_window, window


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


def test_an_even_shift_is_a_translation(rng):
    image = rng.random((60, 80, 3), np.float32)
    shifts = Shifts(np.tile(np.float32([2.0, -1.0]), (5, 7, 1)), (60, 80))
    moved = shifted_window(image, 10, 20, (30, 40), None, shifts)
    np.testing.assert_allclose(moved, image[9:39, 22:62], atol=1e-5)


def test_shifts_of_a_window_are_those_of_the_whole(rng):
    shifts = Shifts(rng.random((5, 7, 2), np.float32), (60, 80))
    np.testing.assert_allclose(shifts.over(10, 20, (30, 40)), shifts.over(0, 0, (60, 80))[10:40, 20:60], atol=1e-5)


def test_shifted_coordinates_go_through_the_matrix(rng):
    image = rng.random((60, 80, 3), np.float32)
    matrix = np.array([[1.0, 0.1, 3.0], [-0.05, 1.0, 2.0], [1e-4, 0, 1]])
    none = Shifts(np.zeros((5, 7, 2), np.float32), (60, 80))
    place = (image, 5, 7, (40, 50), matrix)
    np.testing.assert_allclose(shifted_window(*place, none), window(*place), atol=0.02)
