"""Moving cameras and layers: as far as was asked, as smooth as the eye, and as the physics of light has it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from twinshot.synth import motion
from twinshot.synth.motion import Mover, Path, Scene, homography, random_path

SIZE = (160, 192)
MARGIN = 64
NO_WAVES = np.zeros((6, 1))


def straight(x: float, y: float) -> Path:
    """A drift of (x, y) px an exposure."""
    return Path(np.array([x, y, 0, 0, 0, 0], float), NO_WAVES, NO_WAVES, NO_WAVES)


def scene_of(backdrop, camera, movers=()) -> Scene:
    return Scene(np.ascontiguousarray(backdrop, np.float32), MARGIN, SIZE, camera, movers)


def lamp(radius: int = 0) -> np.ndarray:
    """A dark view with one light in its middle."""
    backdrop = np.zeros((SIZE[0] + 2 * MARGIN, SIZE[1] + 2 * MARGIN, 3), np.float32)
    middle = (backdrop.shape[1] // 2, backdrop.shape[0] // 2)
    if radius:
        cv2.circle(backdrop, middle, radius, (1, 1, 1), -1, cv2.LINE_AA)
    else:
        backdrop[middle[1], middle[0]] = 1
    return backdrop


def exposed(scene, short_at=0.0, left=1.0, seed=0):
    long = motion.shutter(scene, short_at, np.full(6, left), np.random.default_rng(seed))
    return motion.expose(scene, short_at, long)


# Paths


@pytest.mark.parametrize("extent", [0.5, 6.0, 45.0])
def test_a_path_goes_as_far_as_was_asked(extent):
    for seed in range(20):
        path = random_path(np.random.default_rng(seed), extent, SIZE)
        assert motion.blur_extent(path, SIZE) == pytest.approx(extent, rel=0.1)


def test_paths_differ_and_are_smooth():
    paths = [random_path(np.random.default_rng(seed), 30.0, SIZE) for seed in range(2)]
    time = np.linspace(0, 1, 2000)
    corners = [motion.corners(path(time), SIZE) for path in paths]
    assert np.abs(corners[0] - corners[1]).max() > 1
    for moves in corners:
        speed = np.diff(moves, axis=0)
        assert np.linalg.norm(np.diff(speed, axis=0), axis=-1).max() < 0.02  # px: no corner in two thousand steps


def test_rigid_paths_only_shift():
    path = random_path(np.random.default_rng(0), 20.0, SIZE, rigid=True)
    pose = path(np.linspace(0, 1, 20))
    assert np.abs(pose[:, :2]).max() > 1
    np.testing.assert_array_equal(pose[:, 2:], 0)


def test_pose_zero_is_the_identity():
    np.testing.assert_allclose(homography(np.zeros(6), SIZE), np.eye(3), atol=1e-12)


def test_roll_and_zoom_are_about_the_middle():
    middle = np.array([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2, 1])
    np.testing.assert_allclose(homography(np.array([0, 0, 0.3, 0.2, 0, 0]), SIZE) @ middle, middle, atol=1e-9)
    moved = homography(np.array([3, -2, 0, 0, 0, 0]), SIZE) @ middle
    np.testing.assert_allclose(moved - middle, [3, -2, 0], atol=1e-9)


# Exposures


def test_a_still_camera_gives_the_same_picture_twice():
    photo = data.astronaut()[: SIZE[0] + 2 * MARGIN, : SIZE[1] + 2 * MARGIN] / 255
    sharp, blurry = exposed(scene_of(photo, straight(0, 0)))
    inner = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    np.testing.assert_array_equal(sharp, np.float32(photo[inner]))
    assert np.abs(blurry - sharp).max() < 0.5 / 255


@pytest.mark.parametrize("move", [(40, 0), (0, 33), (-28, 28)])
def test_a_point_of_light_leaves_a_streak_without_gaps(move):
    _, blurry = exposed(scene_of(lamp(), straight(*move)))
    streak = blurry[..., 0]
    along = streak.sum(0) if move[0] else streak.sum(1)  # light by place along the streak, which is even
    inside = along[along > 0][2:-2]
    assert inside.size >= max(map(abs, move)) - 4
    assert inside.min() > 0.8 * inside.mean()
    assert inside.max() < 1.2 * inside.mean()
    # The camera goes right, so what it sees goes left.
    places = np.argwhere(streak > 0)
    middle = np.array([SIZE[0] / 2, SIZE[1] / 2])
    np.testing.assert_allclose(places.mean(0) - middle, (-move[1] / 2, -move[0] / 2), atol=1.5)


@pytest.mark.parametrize("seed", range(4))
def test_no_blur_shows_steps(seed, monkeypatch):
    """On the longest crooked paths the exposure is what ten times as many sub-frames give."""
    camera = random_path(np.random.default_rng(seed), 45.0, SIZE)
    photo = data.astronaut()[: SIZE[0] + 2 * MARGIN, : SIZE[1] + 2 * MARGIN] / 255
    scenes = [scene_of(lamp(1), camera), scene_of(photo, camera)]
    lights, picture = (exposed(scene)[1] for scene in scenes)
    monkeypatch.setattr(motion, "STEP", motion.STEP / 10)
    monkeypatch.setattr(motion, "MOST_SUBFRAMES", 10_000)
    even, limit = (exposed(scene)[1] for scene in scenes)
    lit = even > 0.2 * even.max()
    assert (lights[lit] / even[lit]).min() > 0.9
    assert np.abs(picture - limit).max() < 1.5 / 255


def test_light_is_neither_made_nor_lost():
    _, blurry = exposed(scene_of(lamp(3), straight(30, 10)))
    assert blurry.sum() == pytest.approx(lamp(3).sum(), rel=0.01)


def test_little_motion_is_not_blurred_by_sampling():
    """Half a pixel of motion: the picture loses hardly any of its detail."""
    photo = data.astronaut()[: SIZE[0] + 2 * MARGIN, : SIZE[1] + 2 * MARGIN] / 255
    sharp, blurry = exposed(scene_of(photo, straight(0.5, 0)))
    detail = [np.abs(np.diff(image, axis=1)).mean() for image in (sharp, blurry)]
    assert detail[1] > 0.85 * detail[0]


def test_the_view_is_that_of_the_short_frame():
    """An exposure that begins later is seen from where the camera was before it."""
    _, blurry = exposed(scene_of(lamp(), straight(20, 0)), short_at=-0.5)
    columns = np.argwhere(blurry[..., 0].sum(0) > 0)[:, 0] - SIZE[1] // 2
    assert (columns.min(), columns.max()) == (pytest.approx(-30, abs=1), pytest.approx(-10, abs=1))


@pytest.mark.parametrize("left", [0.0, 0.25, 1.0])
def test_registration_takes_the_gap_out(left):
    """The exposure's middle is 20 px from the short frame; what is left of that is seen."""
    _, blurry = exposed(scene_of(lamp(), straight(20, 0)), short_at=-0.5, left=left)
    middle = np.average(np.arange(SIZE[1]), weights=blurry[..., 0].sum(0)) - SIZE[1] // 2
    assert middle == pytest.approx(-20 * left, abs=0.5)


# Layers


def test_a_mover_moves_on_its_own_and_with_the_camera():
    layer = np.zeros((9, 9, 4), np.float32)
    layer[...] = (0, 1, 0, 1)
    backdrop = np.full_like(lamp(), 0.5)
    mover = Mover(layer, np.array([96.0, 80.0]), straight(0, 24))
    sharp, blurry = exposed(scene_of(backdrop, straight(0, 0), (mover,)))
    np.testing.assert_allclose(sharp[80, 96], [0, 1, 0], atol=1e-3)
    np.testing.assert_allclose(sharp[100, 96], 0.5, atol=1e-3)
    seen = blurry[:, 96, 1] - 0.5
    assert seen[70:112].min() >= -1e-3
    assert np.argwhere(seen > 0.02).min() == pytest.approx(76, abs=2)
    assert np.argwhere(seen > 0.02).max() == pytest.approx(108, abs=2)

    _, panned = exposed(scene_of(backdrop, straight(30, 0), (mover,)))
    columns = np.argwhere((panned[..., 1] - 0.5).max(0) > 0.02)
    assert (columns.min(), columns.max()) == (pytest.approx(62, abs=3), pytest.approx(100, abs=3))


def test_movers_have_soft_edges_and_fit_the_view():
    photos = [np.full((200, 220, 3), 0.7, np.float32)] * 3
    size = (480, 640)
    movers = motion.random_movers(np.random.default_rng(0), photos, size)
    assert len(movers) == 3
    for mover in movers:
        alpha = mover.layer[..., 3]
        assert alpha.shape[0] <= size[0] / 2
        assert alpha.shape[1] <= size[1] / 2
        assert alpha.max() == pytest.approx(1, abs=1e-3)
        assert max(alpha[0].max(), alpha[-1].max(), alpha[:, 0].max(), alpha[:, -1].max()) < 0.1
        assert ((alpha > 0.05) & (alpha < 0.95)).sum() > 20
        np.testing.assert_allclose(mover.layer[..., :3] - 0.7 * alpha[..., None], 0, atol=1e-5)
    assert motion.blur_extent(movers[0].path, SIZE) <= 41


def test_movers_may_leave_the_view():
    layer = np.ones((20, 20, 4), np.float32)
    for centre in ((-40.0, -40.0), (0.0, 0.0), (192.0, 160.0), (400.0, 80.0)):
        mover = Mover(layer, np.array(centre), straight(15, 15))
        sharp, blurry = exposed(scene_of(lamp() * 0, straight(5, 5), (mover,)))
        assert sharp.shape == blurry.shape == (*SIZE, 3)
        assert np.isfinite(blurry).all()


# Light


def test_relight_brings_light_above_white_and_changes_no_input():
    linear = np.tile(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None], (64, 1, 3))
    before = linear.copy()
    peaks = [motion.relight(linear, np.random.default_rng(seed)).max() for seed in range(30)]
    np.testing.assert_array_equal(linear, before)
    assert max(peaks) > 2
    assert min(peaks) < 1
    assert all(motion.relight(linear, np.random.default_rng(seed)).min() >= 0 for seed in range(5))


def test_random_scene_draws_what_the_range_allows():
    always = motion.MotionRange(blur=(3.0, 4.0), gap=(0.1, 0.2), inside=0.0, registered=1.0)
    inside = motion.MotionRange(blur=(3.0, 4.0), inside=1.0, registered=0.0)
    for seed in range(10):
        scene, short_at, left = motion.random_scene(np.random.default_rng(seed), always, lamp(), MARGIN, SIZE, ())
        assert 2.9 < motion.blur_extent(scene.camera, SIZE) < 4.3
        assert -0.2 <= short_at <= -0.1
        assert np.abs(left).max() <= always.leftover
        assert np.ptp(left) > 0
        _, short_at, left = motion.random_scene(np.random.default_rng(seed), inside, lamp(), MARGIN, SIZE, ())
        assert 0.2 <= short_at <= 0.8
        np.testing.assert_array_equal(left, 1)
