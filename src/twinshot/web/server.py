"""The server: routes, what every request passes, and how it starts and ends."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..picture.pair import TwinshotError
from . import api, forms
from .jobs import Desk
from .metrics import Metrics
from .plans import Plans
from .problems import Problem, on_bug, on_http_error, on_lost_file, on_problem
from .safety import BodyLimits, Gate, SafeHeaders
from .settings import Settings, checked, is_loopback

PAGE = Path(__file__).with_name("page")
_LARGEST_HEAD = 16 << 10  # bytes of a request's line and headers
_HEAD_SECONDS = 10.0  # the longest that they may take
_MOST_CONNECTIONS = 256
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
_ONE = "/v1/restorations/{id}"


def application(settings: Settings) -> Starlette:
    """The server as an ASGI application. Raises TwinshotError for settings that are not safe."""
    settings = checked(settings)
    counters = Metrics()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(forms.models)  # the first thread takes a moment, in which no client is served
        desk = app.state.desk = Desk(settings, counters)
        app.state.plans = Plans(desk)
        desk.open()
        try:
            yield
        finally:
            await desk.close()

    handlers = {
        Problem: on_problem, FileNotFoundError: on_lost_file, HTTPException: on_http_error, Exception: on_bug,
    }  # fmt: skip
    layers = [
        Middleware(Counting, metrics=counters),
        Middleware(SafeHeaders),
        Middleware(Gate, settings=settings),
        Middleware(BodyLimits, settings=settings),
    ]
    app = Starlette(routes=_routes(), middleware=layers, exception_handlers=handlers, lifespan=lifespan)
    app.state.settings, app.state.metrics = settings, counters
    return app


def _routes() -> list[Route | Mount]:
    return [
        Route("/", page),
        Mount("/page", StaticFiles(directory=PAGE)),
        Route("/v1/restorations", api.create, methods=["POST"]),
        Route(_ONE, api.one, methods=["GET", "DELETE"]),
        Route(f"{_ONE}/events", api.events),
        Route(f"{_ONE}/result", api.result),
        Route(f"{_ONE}/preview", api.preview),
        Route("/v1/archive", api.archive),
        Route("/v1/plans", api.create_plan, methods=["POST"]),
        Route("/v1/plans/{id}", api.plan, methods=["GET", "DELETE"]),
        Route("/v1/plans/{id}/photos/{place}", api.look, methods=["PUT"]),
        Route("/v1/models", api.models),
        Route("/v1/session", api.session, methods=["POST"]),
        Route("/v1/openapi.json", api.description),
        Route("/healthz", api.health),
        Route("/metrics", api.metrics),
    ]


async def page(request: Request) -> Response:
    """GET /: the page."""
    return FileResponse(PAGE / "index.html")


class Counting:
    """Counts requests by method and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self.metrics.requests.labels(method, str(message["status"])).inc()
            await send(message)

        await self.app(scope, receive, sending)


class PatientForAWhile(H11Protocol):
    """HTTP/1.1 that closes a connection whose request does not get through its headers in time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = self.loop.call_later(_HEAD_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and self.cycle is not None and self.cycle.response_complete:
            self._deadline = self.loop.call_later(_HEAD_SECONDS, self.transport.close)
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before and self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        super().connection_lost(exc)


class Server(uvicorn.Server):
    """uvicorn, which first tells those who wait that it ends, and then ends."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app: Any = self.config.app
        await app.state.desk.stop()
        await super().shutdown(sockets)


def server(settings: Settings) -> Server:
    """A server that is ready to run; it writes no log of requests."""
    config = uvicorn.Config(
        application(settings),
        http=PatientForAWhile,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        timeout_graceful_shutdown=5,
    )
    return Server(config)


def listen(settings: Settings) -> socket.socket:
    """A socket at the address. Raises TwinshotError where it cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except (OSError, OverflowError, UnicodeError) as error:  # the last of a name that is too long for one
        reason = getattr(error, "strerror", None) or error
        raise TwinshotError(
            f"{settings.host}:{settings.port}: cannot listen there ({reason}); choose another --port or --host"
        ) from error


def serve(settings: Settings, started: Callable[[str], None]) -> None:
    """Serve until a signal comes; `started` is called with the page's address once it can be opened.

    Raises TwinshotError for settings that are not safe, or an address that cannot be had.
    """
    running = server(settings)
    with listen(settings) as at:
        shown = settings.host if is_loopback(settings.host) else socket.gethostname()
        shown = f"[{shown}]" if ":" in shown else shown
        fragment = f"#token={settings.token}" if settings.token else ""
        _hush()
        started(f"http://{shown}:{at.getsockname()[1]}/{fragment}")
        running.run(sockets=[at])


def _hush() -> None:
    """Keep the remarks that a library makes on what clients send out of the log."""
    remarks = logging.getLogger("python_multipart")
    remarks.addHandler(logging.NullHandler())
    remarks.propagate = False
