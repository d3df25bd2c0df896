"""A folder sorted into pictures before they are restored: each file is looked at, and only what was seen is kept."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from .jobs import Desk
from .names import shown, suffix_of
from .problems import Problem

MOST_FILES = 1000
_MOST_PLANS = 32  # the one that was not asked for longest goes
_LONGEST_NAME = 255


@dataclass(eq=False)
class Plan:
    """Which photographs of a folder make a picture.

    Attributes:
        id: 256 random bits.
        folder: what was seen of each photograph.
        names: the client's, with their folders; they sort frames that have no clock, and are used for nothing else.
        wanted: places in `names` of photographs that are worth a look and were not sent yet.
        ignored: places of files that are not: no pictures, results of earlier calls, raw files beside developed ones.
        unreadable: why a photograph cannot be read, by its place.
        used: when it was last asked for, by the monotonic clock.
    """

    id: str
    folder: Path
    names: tuple[str, ...]
    wanted: set[int]
    ignored: list[int]
    unreadable: dict[int, str] = field(default_factory=dict)
    used: float = field(default_factory=time.monotonic)


class Plans:
    """The plans that are kept; files of photographs are not."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._plans: dict[str, Plan] = {}

    async def add(self, names: list[str]) -> Plan:
        """A plan of files with these names. Raises Problem where they are too many."""
        if not 2 <= len(names) <= MOST_FILES:
            raise Problem("invalid-input", f"A plan takes 2 to {MOST_FILES} files. Send the folder in parts.")
        clean = tuple("".join(filter(str.isprintable, name))[-_LONGEST_NAME:] for name in names)
        wanted = set((await self.desk.aside(task="choose", names=clean))["wanted"])
        await self._make_room()
        folder = self.desk.new_folder()
        plan = Plan(folder.name, folder, clean, wanted, [place for place in range(len(clean)) if place not in wanted])
        self._plans[plan.id] = plan
        return plan

    def get(self, plan_id: str) -> Plan:
        """A plan by its id. Raises Problem where there is none."""
        plan = self._plans.get(plan_id)
        if plan is None:
            raise Problem("not-found", "No plan has this id; it may have been removed some time after its last use.")
        plan.used = time.monotonic()
        return plan

    async def look(self, plan: Plan, place: int, body: AsyncIterator[bytes]) -> None:
        """See what a photograph shows; its file is gone afterwards. Raises Problem for one that cannot be read."""
        if place not in plan.wanted:
            raise Problem("invalid-input", "This place is not among `wanted`.")
        name = plan.names[place]
        path = plan.folder / f"{secrets.token_hex(8)}{suffix_of(name)}"
        try:
            async with await anyio.open_file(path, "xb") as file:
                async for chunk in body:
                    await file.write(chunk)
            photo = {"file": path.name, "name": shown(name, f"photo {place}")}
            await self.desk.aside(plan.folder, task="glance", photos=[photo], place=place, name=name)
        except Problem as problem:
            if problem.kind != "invalid-input":
                raise
            plan.unreadable[place] = problem.detail
            plan.wanted.discard(place)
            raise
        finally:
            path.unlink(missing_ok=True)
        plan.wanted.discard(place)

    async def view(self, plan: Plan) -> dict[str, Any]:
        """What a client sees of it: what goes together among the photographs that were sent so far."""
        unreadable = [{"photo": place, "reason": reason} for place, reason in sorted(plan.unreadable.items())]
        grouped = await self.desk.aside(plan.folder, task="group")
        return {
            **{"id": plan.id, "photos": plan.names, "wanted": sorted(plan.wanted), "ignored": plan.ignored},
            **{"unreadable": unreadable, "pictures": grouped["pictures"], "alone": grouped["alone"]},
        }

    async def remove(self, plan: Plan) -> None:
        """Forget it."""
        self._plans.pop(plan.id, None)
        await self.desk.clear(plan.folder)

    async def _make_room(self) -> None:
        """Forget those that were not asked for in a while, and the oldest where there are still too many."""
        kept = sorted(self._plans.values(), key=lambda plan: plan.used)
        latest = time.monotonic() - self.desk.settings.keep_seconds
        for number, plan in enumerate(kept):
            if plan.used < latest or len(kept) - number >= _MOST_PLANS:
                await self.remove(plan)
