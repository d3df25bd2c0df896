"""The networks by name."""

from __future__ import annotations

from typing import Any

import pytest

from twinshot.nets import NETS, about, takes_of
from twinshot.nets.noise2noise import Noise2Noise


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
def test_what_a_network_takes(kind: str, settings: dict[str, Any], takes: str) -> None:
    assert takes_of(kind, settings) == takes


def test_a_new_rival_says_in_one_place_what_it_takes_and_is(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"takes": "blurry", "about": "the newest", "source": "2027"}
    monkeypatch.setitem(NETS, "newest", type("Newest", (Noise2Noise,), said))
    assert takes_of("newest", {}) == "blurry"
    assert about("newest") == ("the newest", "2027")


@pytest.mark.parametrize("kind", NETS)
def test_every_network_says_what_it_is(kind: str) -> None:
    assert all(about(kind))
