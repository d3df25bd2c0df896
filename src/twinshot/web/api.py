"""What clients can ask for, one function each; `description.py` says the same as OpenAPI."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from sse_starlette.sse import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from . import forms, layers
from .archive import MOST_ZIPPED, zipped
from .description import DESCRIPTION
from .jobs import Desk, Download, Job
from .plans import Plans
from .problems import Problem, disk_problem
from .safety import COOKIE, cookie_of, same

_KINDS = {"png": ".png", "tiff": ".tif", "jpeg": ".jpg", "webp": ".webp"}
_MEDIA = {suffix: f"image/{kind}" for kind, suffix in _KINDS.items()}
_DEEP = ("png", "tiff")
_LAYERS = ("short", "long", "result", "trust")
_MOST_DRAINED = 32 << 20  # bytes of a refused upload that are read, so that its client hears why


async def create(request: Request) -> Response:
    """POST /v1/restorations: take the photographs of a picture and put them into the queue."""
    desk = _desk(request)
    async with (
        _upload(request, desk.slot),
        request.form(max_files=forms.MOST_PHOTOS, max_fields=20) as form,
    ):
        job = await forms.add(desk, form)
    return JSONResponse(_view(desk, job), 202, {"Location": f"/v1/restorations/{job.id}"})


async def one(request: Request) -> Response:
    """/v1/restorations/{id}: GET says how far it is and what was decided, DELETE cancels it and removes its files."""
    desk, job = _desk(request), _job(request)
    if request.method == "DELETE":
        await desk.remove(job)
        return Response(status_code=204)
    return JSONResponse(_view(desk, job))


async def events(request: Request) -> Response:
    """GET /v1/restorations/{id}/events: the same as `one`, whenever it changes, until it is over."""
    desk, job = _desk(request), _job(request)

    async def updates() -> AsyncIterator[dict[str, str]]:
        async for now in job.changes():
            yield {"event": "update", "data": json.dumps(_view(desk, now))}

    return EventSourceResponse(updates(), shutdown_grace_period=2.0)


async def result(request: Request) -> Response:
    """GET /v1/restorations/{id}/result: the picture as a file."""
    job, wanted = _job(request), _wanted(request)
    _check_done(job)
    path = await _desk(request).encode(job, wanted)
    return FileResponse(path, filename=f"{job.result_name}{wanted.suffix}", media_type=_MEDIA[wanted.suffix])


async def archive(request: Request) -> Response:
    """GET /v1/archive: the pictures of several restorations as one ZIP file."""
    desk, wanted = _desk(request), _wanted(request)
    ids = list(dict.fromkeys(request.query_params.getlist("id")))
    if not 1 <= len(ids) <= MOST_ZIPPED:
        raise Problem("invalid-input", f"Name 1 to {MOST_ZIPPED} restorations, each as id=ID.")
    jobs = [desk.get(one) for one in ids]
    for job in jobs:
        _check_done(job)
    headers = {"Content-Disposition": 'attachment; filename="restored.zip"'}
    return StreamingResponse(zipped(desk, jobs, wanted), media_type="application/zip", headers=headers)


async def preview(request: Request) -> Response:
    """GET /v1/restorations/{id}/preview: a part of a picture, to look at; `layer=quick` restores it at once."""
    job = _job(request)
    layer = _one_of(request, "layer", (*_LAYERS, "quick"), "result")
    size = await run_in_threadpool(layers.size, job.folder, "short" if layer == "quick" else layer)
    if size is None:
        raise _missing(job)
    box, fields = _box(request, *size), dict(request.query_params)
    forms.knobs(fields)  # wrong ones are refused for layers, too, that have no use for them
    if layer == "quick":
        _check_side(*box[2:])
        data = await _desk(request).quick(job, box, await forms.options(fields))
    else:
        level = _level(request, size, box)
        data = await run_in_threadpool(layers.part, job.folder, layer, box, level)
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


async def create_plan(request: Request) -> Response:
    """POST /v1/plans: the names of files that are to be sorted into pictures."""
    plans = _plans(request)
    try:
        names = (await request.json())["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Problem("bad-request", 'Send JSON: {"names": ["IMG_1.jpg", "IMG_2.jpg", ...]}.')
    plan = await plans.add(names)
    return JSONResponse(await plans.view(plan), 201, {"Location": f"/v1/plans/{plan.id}"})


async def plan(request: Request) -> Response:
    """/v1/plans/{id}: GET says which photographs make a picture, DELETE forgets it."""
    plans = _plans(request)
    one = plans.get(request.path_params["id"])
    if request.method == "DELETE":
        await plans.remove(one)
        return Response(status_code=204)
    return JSONResponse(await plans.view(one))


async def look(request: Request) -> Response:
    """PUT /v1/plans/{id}/photos/{place}: see what a photograph shows, without keeping it."""
    plans, place = _plans(request), request.path_params["place"]
    one = plans.get(request.path_params["id"])
    if not re.fullmatch(r"[0-9]{1,4}", place):
        raise Problem("not-found", "Photographs go by their places among the names, from 0.")
    async with _upload(request, _desk(request).look):
        await plans.look(one, int(place), request.stream())
    return Response(status_code=204)


async def models(request: Request) -> Response:
    """GET /v1/models: the networks at hand, the default first."""
    names = await run_in_threadpool(forms.models)
    return JSONResponse({"models": names})


async def session(request: Request) -> Response:
    """POST /v1/session: show the token once, and get the page's cookie for it."""
    token = request.app.state.settings.token
    try:
        shown = (await request.json())["token"]
    except (ValueError, KeyError, TypeError):
        shown = None
    if not isinstance(shown, str):
        raise Problem("bad-request", 'Send JSON: {"token": "..."}.')
    if token and not same(shown, token):
        await asyncio.sleep(0.5)
        raise Problem("token-needed", "This is not the token. Copy it from where the server was started.")
    response = Response(status_code=204)
    if token:
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, cookie_of(token), httponly=True, samesite="strict", secure=secure)
    return response


async def health(request: Request) -> Response:
    """GET /healthz: the server answers."""
    return JSONResponse({"status": "ok"})


async def metrics(request: Request) -> Response:
    """GET /metrics: for Prometheus."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def description(request: Request) -> Response:
    """GET /v1/openapi.json: this interface as OpenAPI."""
    return JSONResponse(DESCRIPTION)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _plans(request: Request) -> Plans:
    plans: Plans = request.app.state.plans
    return plans


def _job(request: Request) -> Job:
    return _desk(request).get(request.path_params["id"])


def _view(desk: Desk, job: Job) -> dict[str, Any]:
    """What a client sees of a restoration."""
    return {
        "id": job.id,
        "state": job.state,
        "stage": job.stage,
        "progress": job.fraction,
        "seconds_left": job.seconds_left(),
        "ahead": desk.place(job),
        "photos": [photo.name for photo in job.photos],
        "roles": job.roles,
        "options": job.options,
        "size": job.size,
        "bits": job.bits,
        "report": job.report,
        "problem": job.problem.body() if job.problem else None,
    }


def _wanted(request: Request) -> Download:
    """The kind of file that is asked for."""
    kind = _one_of(request, "format", tuple(_KINDS), "png")
    bits = _one_of(request, "bits", ("8", "16"), "")
    if bits == "16" and kind not in _DEEP:
        raise Problem("invalid-input", f"format={kind} holds 8 bits a channel. Choose png or tiff for 16.")
    quality = _number(request, "quality", 95)
    if not 1 <= quality <= 100:
        raise Problem("invalid-input", "quality must be a whole number from 1 to 100.")
    return Download(_KINDS[kind], int(bits) if bits else None, quality)


def _check_done(job: Job) -> None:
    if job.state == "done":
        return
    if job.over:
        raise Problem("no-result", job.problem.detail if job.problem else "It was cancelled.")
    raise Problem("not-ready", "Wait until its state is `done`.")


def _missing(job: Job) -> Problem:
    """Why a restoration has not the picture that was asked for."""
    if not job.over:
        return Problem("not-ready", "This picture is not there yet. Wait for the restoration to go on.")
    _check_done(job)
    return Problem(
        "invalid-input",
        "It has no such picture. A trust map is made where trust_map=true was sent, and a long photograph is there "
        "where one was sent.",
    )


def _one_of(request: Request, name: str, values: tuple[str, ...], default: str) -> str:
    value = request.query_params.get(name)
    if value is None:
        return default
    if value not in values:
        raise Problem("invalid-input", f"{name} must be one of: {', '.join(values)}.")
    return value


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise Problem("invalid-input", f"{name} must be a whole number from 0 to 999999.")
    return int(text)


def _box(request: Request, height: int, width: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of the part that is asked for, all inside the picture."""
    left, top = _number(request, "x", 0), _number(request, "y", 0)
    if left >= width or top >= height:
        raise Problem("invalid-input", f"x and y must lie inside the picture, which has {width} x {height} px.")
    wide = min(_number(request, "w", width - left), width - left)
    high = min(_number(request, "h", height - top), height - top)
    if min(wide, high) < 1:
        raise Problem("invalid-input", "w and h must be at least 1.")
    return left, top, wide, high


def _level(request: Request, size: tuple[int, int], box: tuple[int, int, int, int]) -> int:
    """How often the part is halved: as `shrink` says, or until it is small enough."""
    most = layers.levels(*size) - 1
    shrinks = [str(1 << level) for level in range(most + 1)]
    if "shrink" in request.query_params:
        level = shrinks.index(_one_of(request, "shrink", tuple(shrinks), "1"))
    else:
        level = next((k for k in range(most) if max(box[2:]) >> k <= layers.LARGEST_PART), most)
    _check_side(box[2] >> level, box[3] >> level)
    return level


def _check_side(*sides: int) -> None:
    if max(sides) > layers.LARGEST_PART:
        raise Problem(
            "invalid-input", f"A part may have at most {layers.LARGEST_PART} px a side. Ask for less, or shrink it."
        )


@asynccontextmanager
async def _upload(request: Request, place: Callable[[int], AbstractAsyncContextManager[None]]) -> AsyncIterator[None]:
    """An upload that has its place for as long as the block lasts. Raises Problem for whatever ends it before."""
    try:
        async with place(int(request.headers.get("content-length", "0"))):
            yield
    except Problem:
        await _drain(request)
        raise
    except ClientDisconnect as error:
        raise Problem("bad-request", "The upload broke off. Send it again.") from error
    except OSError as error:
        raise disk_problem(error) from error


async def _drain(request: Request) -> None:
    """Read on for a while after a refusal: a client that still sends would not hear the answer."""
    read = 0
    try:
        async for chunk in request.stream():
            read += len(chunk)
            if read > _MOST_DRAINED:
                return
    except (Problem, ClientDisconnect, RuntimeError):  # too slow, gone, or read already
        return
