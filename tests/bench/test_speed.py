"""Speed and memory, each system in a process of its own: that they are measured, not how fast it is."""

from __future__ import annotations

import pytest
from msgspec import to_builtins

from twinshot.bench import speed
from twinshot.bench.datasets import triples_in


def test_a_system_is_measured(folder):
    found = speed.measure("blurry", folder)
    assert set(to_builtins(found)) == {"seconds", "runs", "memory_mb"}
    assert found.seconds >= 0
    assert found.runs == 3
    assert 20 < found.memory_mb < 4000


def test_a_system_that_fails_says_why(folder):
    assert "no system is called 'magic'" in speed.measure("magic", folder).error


@pytest.mark.slow
def test_the_picture_has_the_papers_size(tmp_path, photos):
    [row] = triples_in(speed.picture(photos, tmp_path, 0))
    assert row.truth().shape == (720, 1280, 3)
    assert len(row.burst) == 11
