"""Errors that clients meet, as problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..files import atomic

TYPES = {
    "bad-request": (400, "The request cannot be understood"),
    "token-needed": (401, "A token is needed"),
    "foreign-origin": (403, "Another site sent this request"),
    "not-found": (404, "There is nothing here"),
    "not-ready": (409, "The restoration has no result yet"),
    "no-result": (409, "The restoration has no result"),
    "body-too-slow": (408, "The request came too slowly"),
    "body-too-large": (413, "The request is too large"),
    "wrong-host": (421, "The server does not go by this name"),
    "invalid-input": (422, "The input cannot be used"),
    "queue-full": (429, "The queue is full"),
    "worker-failed": (502, "The worker process failed"),
    "stopping": (503, "The server is shutting down"),
    "storage-full": (507, "There is no room left"),
}
"""Kind of problem -> its HTTP status and title."""


class Problem(Exception):  # noqa: N818  # the word of RFC 9457
    """What went wrong, as a client is told.

    Args:
        kind: a key of TYPES.
        detail: what is wrong and what to do, in one or two sentences.
        headers: response headers that go with it.
    """

    def __init__(self, kind: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.headers = kind, detail, headers

    @property
    def status(self) -> int:
        return TYPES[self.kind][0]

    def body(self) -> dict[str, Any]:
        """The members of RFC 9457."""
        status, title = TYPES[self.kind]
        return {"type": f"urn:twinshot:problem:{self.kind}", "title": title, "status": status, "detail": self.detail}

    def response(self) -> Response:
        return JSONResponse(self.body(), self.status, self.headers, "application/problem+json")


def disk_problem(error: OSError) -> Problem:
    """What a client is told of a disk that does not take its files, or of files that were removed meanwhile."""
    if isinstance(error, FileNotFoundError):
        return Problem("not-found", "The files were removed meanwhile. Send them again.")
    if error.errno in atomic.DISK_FULL:
        return Problem("storage-full", "The server's disk is full. Try again later.")
    return Problem("storage-full", f"The server cannot store the files ({error.strerror}).")


async def on_problem(request: Request, error: Exception) -> Response:
    """Starlette's handler for Problem."""
    assert isinstance(error, Problem)
    return error.response()


async def on_lost_file(request: Request, error: Exception) -> Response:
    """Starlette's handler for a file that is gone: somebody removed a restoration while another request used it."""
    assert isinstance(error, FileNotFoundError)
    return disk_problem(error).response()


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for its own errors: no such route, wrong method, a form that cannot be parsed."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return Problem(
            "not-found", "Check the address; a restoration's files are removed some time after use."
        ).response()
    if error.status_code == 400:
        return Problem(
            "bad-request", f"{error.detail} Send multipart/form-data as the API's description says."
        ).response()
    title = HTTPStatus(error.status_code).phrase
    detail = "Use one of the methods that the header Allow names." if error.status_code == 405 else error.detail
    body = {"type": "about:blank", "title": title, "status": error.status_code, "detail": detail}
    return JSONResponse(body, error.status_code, error.headers, "application/problem+json")


async def on_bug(request: Request, error: Exception) -> Response:
    """Starlette's handler for whatever else is raised: no detail leaves the server."""
    body = {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "This is a bug of twinshot.",
    }
    return JSONResponse(body, 500, media_type="application/problem+json")
