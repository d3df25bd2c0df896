"""The networks by name."""

from __future__ import annotations

from typing import Any

import pytest

from twinshot.nets import NETS, takes_of
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


def test_a_new_rival_says_in_one_place_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETS, "newest", type("Newest", (Noise2Noise,), {"takes": "blurry"}))
    assert takes_of("newest", {}) == "blurry"
