"""What every compared system promises, checked alike for all; the networks of a checkout included."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from twinshot.bench import datasets, systems
from twinshot.bench.datasets import triples_in
from twinshot.bench.metrics import psnr
from twinshot.bench.systems import identity_of, known_systems, system, takes_of, version_of
from twinshot.engines.models import manifest
from twinshot.picture.pair import TwinshotError

FRAMES = ("noisy", "blurry")
SLOW = {"bm3d"}  # ten seconds a picture
NAMES = [name for name in known_systems() if name not in SLOW]


@pytest.fixture
def shot(folder):
    """A night shot of 80 x 224 px, with a burst that was taken without moving."""
    first, second = triples_in(folder)
    shot = second.shot()
    rng = np.random.default_rng(0)
    truth = first.truth()[:80]
    burst = [(truth + rng.normal(0, 0.08, truth.shape)).clip(0, 1).astype(np.float32) for _ in range(10)]
    return replace(shot, burst=(shot.noisy, *burst))


@pytest.mark.parametrize("name", NAMES)
def test_contract(name, shot):
    found = system(name)
    assert found.name == name
    assert found.takes in ("pair", "noisy", "blurry", "burst")
    before = [image.copy() for image in (shot.noisy, shot.blurry, *shot.burst)]
    picture = found.restore(shot)
    assert picture.shape == shot.noisy.shape
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    for image, kept in zip((shot.noisy, shot.blurry, *shot.burst), before, strict=True):
        np.testing.assert_array_equal(image, kept)
    np.testing.assert_array_equal(found.restore(shot), picture)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_seen_but_what_a_system_takes(name, shot):
    """Swapping the frames that a system does not take for others leaves its picture as it is."""
    found = system(name)
    if name in manifest() and found.takes == "noisy":
        pytest.skip("the blurry frame sets the exposure of all networks")
    other = np.float32(1) - shot.noisy
    # Networks read the pair.
    unseen = {
        kind: replace(
            shot.pair, **{kind: replace(getattr(shot.pair, kind), pixels=255 - getattr(shot.pair, kind).pixels)}
        )
        for kind in FRAMES
    }
    changed = {
        "pair": {"burst": ()},
        "noisy": {"blurry": other, "burst": (), "pair": unseen["blurry"]},
        "blurry": {"noisy": other, "burst": (), "pair": unseen["noisy"]},
        "burst": {"noisy": other, "blurry": other, "pair": unseen["noisy"]},
    }[found.takes]
    np.testing.assert_array_equal(found.restore(replace(shot, **changed)), found.restore(shot))


@pytest.mark.parametrize("name", ["nlm", "wavelet", "mean", "hdrplus", "ringaby", "twin"])
def test_better_than_the_noisy_frame(name, shot, folder):
    truth = triples_in(folder)[1].truth()
    assert psnr(system(name).restore(shot), truth) > psnr(shot.noisy, truth) + 1


def test_unknown_and_missing(monkeypatch, shot):
    with pytest.raises(TwinshotError, match="no system is called 'magic'; choose of noisy, blurry"):
        system("magic")
    with pytest.raises(TwinshotError, match="takes a burst"):
        system("mean").restore(replace(shot, burst=()))
    monkeypatch.setitem(sys.modules, "bm3d", None)
    with pytest.raises(TwinshotError, match="twinshot\\[bench\\]"):
        system("bm3d").restore(shot)


def test_versions():
    assert version_of("twin").split()[0] == manifest()["twin"].sha256[:12]
    assert version_of("nlm") == version_of("bm3d")  # one module has both
    assert version_of("yuan") != version_of("hdrplus")
    assert version_of("yuan").split()[:-1] == identity_of("yuan").split()


def test_the_code_that_a_row_depends_on_is_there():
    with pytest.raises(FileNotFoundError, match=r"gone\.py"):
        systems.code_checksum("gone.py")
    for files in (systems._WAY, systems._MEASURES, systems._SHARED, datasets._SHOWING):
        assert len(systems.code_checksum(*files)) == 12


def test_a_move_and_a_comment_leave_a_row_as_it_is(monkeypatch, tmp_path):
    """What a file imports from where, and what it says of itself, is no part of what it does."""

    def checksum(source):
        (tmp_path / "some.py").write_text(source)
        systems.code_checksum.cache_clear()
        return systems.code_checksum("some.py")

    monkeypatch.setattr(systems, "__file__", str(tmp_path / "bench" / "systems.py"))
    before = checksum('"""One."""\nfrom .light import Image\nLIMIT = 3\n')
    assert checksum('"""Two."""\nfrom .picture.encoding import Image\nLIMIT = 3  # px\n') == before
    assert checksum('"""One."""\nfrom .light import Image\nLIMIT = 4\n') != before
    systems.code_checksum.cache_clear()


@pytest.mark.parametrize(
    ("kind", "settings", "takes"),
    [
        ("twin", {}, "pair"),
        ("twin", {"inputs": ["noisy"]}, "noisy"),
        ("merger", {"inputs": ["blurry"]}, "blurry"),
        ("merger", {"inputs": ["noisy", "blurry"]}, "pair"),
        ("srn", {"width": 16}, "blurry"),
        ("noise2noise", {}, "noisy"),
    ],
)
def test_what_a_network_takes(kind, settings, takes):
    assert takes_of({"kind": kind, "settings": settings}) == takes


def test_every_baseline_of_one_frame_is_known():
    from twinshot.nets import NETS

    assert set(systems._SINGLE) <= set(NETS)
