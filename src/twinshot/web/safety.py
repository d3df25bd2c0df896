"""What every request passes before it is handled: who sent it, where to, and how much of it there is."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import socket
import time
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Problem
from .settings import Settings, is_loopback

COOKIE = "twinshot"
_OPEN = ("/", "/healthz", "/v1/session")  # without a token; so is what lies under /page/
_LARGEST_WORDS = 2 << 20  # bytes of a request that holds no photographs: it is read into memory as a whole
_SAFE = {"GET", "HEAD", "OPTIONS"}
_ONE_STYLE = "'sha256-9xTiqzfwFaL2SGb1rmr8gysEwVVjIvqWAgmZgqFqpEE='"  # which OpenSeadragon puts into the page
_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {_ONE_STYLE}; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class SafeHeaders:
    """Puts the headers that browsers go by on every response that does not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, sending)


class _Door:
    """Lets a request in or answers it with why not; what is no request, as the server's start, passes."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                receive = self.admitted(scope, receive)
            except Problem as problem:
                await problem.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def admitted(self, scope: Scope, receive: Receive) -> Receive:
        """How the request's body is read from here on. Raises Problem for a request that is refused."""
        raise NotImplementedError


class Gate(_Door):
    """Refuses foreign hosts (DNS rebinding), foreign pages (CSRF), and clients without the token."""

    def admitted(self, scope: Scope, receive: Receive) -> Receive:
        headers = Headers(scope=scope)
        _check_host(headers, self.settings)
        _check_origin(headers, scope["method"])
        _check_token(headers, scope["path"], self.settings.token)
        return receive


def _check_host(headers: Headers, settings: Settings) -> None:
    hosts = headers.getlist("host")
    name = _host_of(hosts[0]) if len(hosts) == 1 else ""
    if not name or not _is_ours(name, settings):
        raise Problem("wrong-host", "Open the address that `twinshot serve` printed, or add the name with --name.")


def _host_of(netloc: str) -> str:
    """The name in a Host header, lower case; empty where it is none."""
    try:
        parts = urlsplit(f"//{netloc}")
        if parts.netloc != netloc or parts.username is not None or (parts.port or 1) < 1:
            return ""
        return (parts.hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_ours(name: str, settings: Settings) -> bool:
    """A page that rebinds its name to this machine still sends that name; numbers cannot be rebound."""
    if name in settings.names or name == "localhost" or is_loopback(name):
        return True
    if is_loopback(settings.host):
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in (settings.host.lower(), socket.gethostname().lower())
    return True


def _check_origin(headers: Headers, method: str) -> None:
    detail = "Use the page or a program of your own, not another web site."
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers["host"].lower():
        raise Problem("foreign-origin", detail)
    navigates = method in _SAFE and headers.get("sec-fetch-mode") == "navigate"
    if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not navigates:
        raise Problem("foreign-origin", detail)


def _check_token(headers: Headers, path: str, token: str) -> None:
    if not token or path in _OPEN or path.startswith("/page/"):
        return
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and same(shown, token):
        return
    if same(cookie_in(headers), cookie_of(token)):
        return
    raise Problem(
        "token-needed", "Send `Authorization: Bearer TOKEN`, or sign in on the page.", {"WWW-Authenticate": "Bearer"}
    )


def same(shown: str, secret: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), secret.encode())


def cookie_of(token: str) -> str:
    """What the page's cookie holds: it proves the token and does not give it away."""
    return hmac.new(token.encode(), b"twinshot page", hashlib.sha256).hexdigest()


def cookie_in(headers: Headers) -> str:
    """The value of the page's cookie; empty where there is none."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


class BodyLimits(_Door):
    """Ends a request whose body is too large, too slow, or falls silent."""

    def admitted(self, scope: Scope, receive: Receive) -> Receive:
        photographs = scope["method"] == "PUT" or scope["path"] == "/v1/restorations"
        most = self.settings.upload_bytes if photographs else min(_LARGEST_WORDS, self.settings.upload_bytes)
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > most:
            raise _too_large(most)
        return self._bounded(receive, most)

    def _bounded(self, receive: Receive, most: int) -> Receive:
        size, whole = 0, False
        refused: Problem | None = None
        deadline = time.monotonic() + self.settings.upload_seconds

        async def bounded() -> Message:
            nonlocal size, whole, refused
            if refused:  # who goes on reading would wait for a client that waits for the answer
                raise refused
            if whole:  # what comes now is the end of the connection, whenever that is
                return await receive()
            patience = min(self.settings.stall_seconds, deadline - time.monotonic())
            try:
                message = await asyncio.wait_for(receive(), max(patience, 0))
            except TimeoutError as error:
                refused = Problem("body-too-slow", "Send the files again over a faster connection.")
                raise refused from error
            size += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if size > most:
                refused = _too_large(most)
                raise refused
            return message

        return bounded


def _too_large(most: int) -> Problem:
    return Problem("body-too-large", f"A request here may have {most / (1 << 20):.0f} MiB. Send less at once.")
