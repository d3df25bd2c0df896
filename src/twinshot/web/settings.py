"""Where the server listens, and the limits that it keeps."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from ..picture.pair import TwinshotError

LEAST_TOKEN = 16  # characters: shorter ones can be guessed


@dataclass(frozen=True)
class Settings:
    """Where the server listens, and the limits that it keeps.

    Attributes:
        host, port: the address; port 0 takes any free one.
        token: the secret that clients show; empty asks for none, which only a loopback address may.
        names: DNS names, beside the host's own, under which clients may reach the server.
        queue: restorations that may wait or be in upload; the one that runs is not counted.
        upload_bytes: the largest request.
        upload_seconds: the longest time that a request's body may take.
        stall_seconds: the longest silence in the middle of a request.
        job_seconds: the longest that one restoration may run.
        keep_seconds: how long a finished restoration is kept after it was last asked for.
        storage_bytes: disk space that uploads and results may take in all.
        folder: where the private folder is made; None for the system's temporary folder.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str = ""
    names: tuple[str, ...] = ()
    queue: int = 8
    upload_bytes: int = 1 << 30
    upload_seconds: float = 600
    stall_seconds: float = 20
    job_seconds: float = 1800
    keep_seconds: float = 1800
    storage_bytes: int = 8 << 30
    folder: Path | None = None


def checked(settings: Settings) -> Settings:
    """The settings, if they are safe. Raises TwinshotError for an open address without a token, or a weak token."""
    if not settings.token and not is_loopback(settings.host):
        raise TwinshotError(
            f"{settings.host}: other machines can reach this address, so it needs a token; set TWINSHOT_TOKEN, "
            f"for example to {secrets.token_urlsafe(24)}"
        )
    if settings.token and (len(settings.token) < LEAST_TOKEN or not settings.token.isascii()):
        raise TwinshotError(
            f"the token is too weak; use at least {LEAST_TOKEN} ASCII characters, "
            f"for example {secrets.token_urlsafe(24)}"
        )
    return replace(settings, names=tuple(name.lower() for name in settings.names))


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, which no other machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
