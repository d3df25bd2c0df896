"""How far a call is: its stages, whoever watches them, and the seconds they took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Stage = Literal["read", "match", "restore"]
DOING: dict[Stage, str] = {"read": "reading", "match": "matching", "restore": "restoring"}
"""A stage in words, for whoever watches."""
Progress = Callable[[Stage, int, int], None]
"""(stage, done, total): when a stage begins, with nothing done, and then after each of its parts."""


@dataclass
class Clock:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        """Everything since the last lap was `stage`."""
        now = time.perf_counter()
        self.seconds[stage], self.last = round(now - self.last, 4), now
