"""Clients' names of files: shown to the client that sent them, and used for nothing else."""

from __future__ import annotations

import re

_LONGEST = 80


def suffix_of(name: str | None) -> str:
    """The ending, which tells readers the kind of a raw file; nothing where it is not a few letters and digits."""
    ending = re.search(r"\.[a-z0-9]{2,5}\Z", (name or "").lower())
    return ending[0] if ending else ""


def shown(name: str | None, otherwise: str) -> str:
    """A client's name of a file as it is shown to that client: the last part, printable and not too long."""
    last = re.split(r"[/\\]", name or "")[-1]
    clean = "".join(letter for letter in last if letter.isprintable())[-_LONGEST:].strip()
    return clean or otherwise
