"""A cluster of this one process, for what is not Ray's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def connected(on: str) -> Iterator[None]:
    yield


def mapped(make, arguments, things, memory):
    work = make(*arguments)
    for thing in things:
        yield thing, work(thing)


def without_ray(monkeypatch: pytest.MonkeyPatch, module: object) -> None:
    """The module's calls of the cluster are done here and now."""
    monkeypatch.setattr(module, "connected", connected)
    monkeypatch.setattr(module, "mapped", mapped)
