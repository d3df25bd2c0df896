"""Rows are kept while they are true, and no longer."""

from __future__ import annotations

from types import ModuleType

import pytest
from msgspec import structs

from twinshot import restoration
from twinshot.bench import classical, datasets, robustness, rows, speed, systems
from twinshot.bench.rows import RowKey, code_checksum, modules_behind, own_checksum
from twinshot.bench.systems import key_of
from twinshot.engines.models import manifest


@pytest.fixture
def package(monkeypatch, tmp_path):
    """Writes modules of a small package, and tells the checksum of `twinshot.way` and all that it imports."""
    monkeypatch.setattr(rows, "ROOT", tmp_path)

    def checksum(without=(), **sources):
        for name, source in sources.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
        code_checksum.cache_clear()
        return code_checksum(ModuleType("twinshot.way"), without=tuple(map(ModuleType, without)))

    yield checksum
    code_checksum.cache_clear()


def test_a_module_that_is_not_there_is_an_error():
    with pytest.raises(FileNotFoundError, match=r"twinshot\.gone: no such module"):
        code_checksum(ModuleType("twinshot.gone"))
    with pytest.raises(FileNotFoundError):
        own_checksum(ModuleType("twinshot.bench.gone"))


def test_what_is_imported_counts_wherever_it_lies(package):
    before = package(way="from .light import LIMIT", light="LIMIT = 3")
    assert package(light="LIMIT = 4") != before
    moved = package(way="from .picture.encoding import LIMIT", picture__encoding="LIMIT = 3")
    assert package(picture__encoding='"""Encoded values."""\nLIMIT = 3  # px') == moved
    assert package(picture__encoding="LIMIT = 4") != moved
    assert package(way="from .picture import encoding", picture__encoding="LIMIT = 4") == package()


def test_a_move_and_a_comment_leave_a_row_as_it_is(package):
    before = package(way='"""One."""\nfrom .light import LIMIT\nSIDE = 2 * LIMIT', light="LIMIT = 3")
    after = package(way="from .picture.encoding import LIMIT\nSIDE = 2 * LIMIT  # px", picture__encoding="LIMIT = 3")
    assert after == before


def test_what_a_system_is_in_words_leaves_a_row_as_it_is(package):
    before = package(way='SYSTEM = Plain("nlm", 3, about=About("means", "2005"))')
    assert package(way='SYSTEM = Plain("nlm", 3, about=About("non-local means", "CVPR"))') == before
    assert package(way='SYSTEM = Plain("nlm", 4, about=About("means", "2005"))') != before


def test_what_is_only_imported_when_needed_or_left_out_does_not_count(package):
    before = package(way="from .light import A\ndef late():\n    from .torch import B\n    return B", light="A = 1")
    assert package(torch="B = 2") == before
    without = package(without=["twinshot.light"])
    assert package(without=["twinshot.light"], light="A = 2") == without
    assert package() != before


def test_the_way_of_a_picture_is_followed_to_its_end():
    """A threshold anywhere on it makes rows anew."""
    read = modules_behind(restoration)
    floors = (
        "match.tone",
        "match.tone_fit",
        "match.align",
        "files.io",
        "picture.levels",
        "picture.window",
        "engines.tile",
        "engines.precision",
    )
    assert {f"twinshot.{name}" for name in floors} <= read
    assert not [name for name in read if name.startswith(("twinshot.nets", "twinshot.train"))]


def test_keys():
    assert str(key_of("twin")).startswith(f"{manifest()['twin'].sha256[:12]} {manifest()['twin-noisy'].sha256[:12]} ")
    assert key_of("nlm") == key_of("bm3d")  # one module has both
    assert key_of("yuan") != key_of("hdrplus")
    assert key_of("yuan", whole=True).code.startswith(key_of("yuan").code)
    assert key_of("twin", whole=True).code != key_of("twin").code
    assert len({str(key_of("twin", engine)) for engine in ("onnx", "int8", "openvino")}) == 3
    assert key_of("no such system") == RowKey()


def test_a_networks_figures_hang_on_the_check_after_it_and_not_on_what_it_is_shown():
    behind = rows.modules_behind(systems.restoration, without=systems._SHOWING)
    assert {f"twinshot.match.{name}" for name in ("consistency", "coarse", "sharpness", "spectrum", "grain")} < behind
    shown = ("tone", "tone_fit", "prepare", "flow", "lines", "bands", "framing")
    assert not {f"twinshot.match.{name}" for name in shown} & behind


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"fallback": None}])
def test_another_network_or_fallback_has_another_key(monkeypatch, change):
    before, models = key_of("twin"), manifest()
    changed = {**models, "twin": structs.replace(models["twin"], **change)}
    monkeypatch.setattr(systems, "manifest", lambda: changed)
    assert key_of("twin") != before


def test_every_kind_of_row_depends_on_what_makes_it():
    checksums = [code_checksum(module) for module in (robustness, datasets, speed)] + [own_checksum(classical)]
    assert len(set(checksums)) == 4
    assert all(len(checksum) == 12 for checksum in checksums)
