"""What clients can ask for, one function each; `description.py` says the same as OpenAPI."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from sse_starlette.sse import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response

from ..picture.errors import InputError
from ..picture.settings import Settings as Knobs
from . import layers
from .description import DESCRIPTION
from .jobs import Desk, Job, Photo
from .problems import Problem
from .safety import COOKIE, cookie_of, same

DEFAULT_MODEL = "twin"
KINDS = {"png": ".png", "tiff": ".tif", "jpeg": ".jpg", "webp": ".webp"}
_DEEP = ("png", "tiff")
_LAYERS = ("short", "long", "result", "trust")
_NUMBERS, _WORDS = ("strength", "colour_strength", "gain"), ("tone", "light")
_KNOBS = {*_NUMBERS, *_WORDS, "trust_map"}
_LONGEST_NAME = 80
_MOST_DRAINED = 32 << 20  # bytes of a refused upload that are read, so that its client hears why


async def create(request: Request) -> Response:
    """POST /v1/restorations: take two photographs and put them into the queue."""
    desk = _desk(request)
    try:
        with desk.slot(int(request.headers.get("content-length", "0"))):
            async with request.form(max_files=2, max_fields=20) as form:
                job = await _add(desk, form)
    except Problem:
        await _drain(request)
        raise
    except ClientDisconnect as error:
        raise Problem("bad-request", "The upload broke off. Send it again.") from error
    except OSError as error:
        raise _disk_problem(error) from error
    return JSONResponse(_view(desk, job), 202, {"Location": f"/v1/restorations/{job.id}"})


async def one(request: Request) -> Response:
    """/v1/restorations/{id}: GET says how far it is and what was decided, DELETE cancels it and removes its files."""
    desk, job = _desk(request), _job(request)
    if request.method == "DELETE":
        await desk.remove(job)
        return Response(status_code=204)
    return JSONResponse(_view(desk, job))


async def events(request: Request) -> Response:
    """GET /v1/restorations/{id}/events: the same as `show`, whenever it changes, until it is over."""
    desk, job = _desk(request), _job(request)

    async def updates() -> AsyncIterator[dict[str, str]]:
        async for now in job.changes():
            yield {"event": "update", "data": json.dumps(_view(desk, now))}

    return EventSourceResponse(updates(), shutdown_grace_period=2.0)


async def result(request: Request) -> Response:
    """GET /v1/restorations/{id}/result: the picture as a file."""
    job = _job(request)
    kind = _one_of(request, "format", tuple(KINDS), "png")
    bits = _one_of(request, "bits", ("8", "16"), "")
    if bits == "16" and kind not in _DEEP:
        raise Problem("invalid-input", f"format={kind} holds 8 bits a channel. Choose png or tiff for 16.")
    quality = _number(request, "quality", 95)
    if not 1 <= quality <= 100:
        raise Problem("invalid-input", "quality must be a whole number from 1 to 100.")
    _check_done(job)
    path = await _desk(request).encode(job, int(bits) if bits else None, KINDS[kind], quality)
    stem = Path(job.report["noisy"] if job.report else "").stem or "picture"
    return FileResponse(path, filename=f"{stem}-restored{KINDS[kind]}", media_type=f"image/{kind}")


async def preview(request: Request) -> Response:
    """GET /v1/restorations/{id}/preview: a part of a picture, to look at; `layer=quick` restores it at once."""
    job = _job(request)
    layer = _one_of(request, "layer", (*_LAYERS, "quick"), "result")
    found = await run_in_threadpool(layers.size, job.folder, "short" if layer == "quick" else layer)
    if found is None:
        raise Problem("not-ready", "This picture is not there yet. Wait for the restoration to go on.")
    box = _box(request, *found)
    if layer == "quick":
        _check_side(*box[2:])
        options = await _options(dict(request.query_params))
        data = await _desk(request).quick(job, box, options)
    else:
        level = _level(request, found, box)
        data = await run_in_threadpool(layers.part, job.folder, layer, box, level)
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


async def models(request: Request) -> Response:
    """GET /v1/models: the networks at hand, the default first."""
    names = await run_in_threadpool(_models)
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
        "options": job.options,
        "size": job.size,
        "bits": job.bits,
        "report": job.report,
        "problem": job.problem.body() if job.problem else None,
    }


async def _add(desk: Desk, form: FormData) -> Job:
    """A job from a form: new photographs, or those of an earlier restoration again."""
    fields = {key: value for key, value in form.multi_items() if isinstance(value, str)}
    _check_names(form, fields)
    options = await _options(fields)
    earlier = desk.get(fields["of"]) if "of" in fields else None
    uploads = [] if earlier else _uploads(form)
    folder = desk.new_folder()
    try:
        if earlier:
            swap = fields.get("swap") == "true"
            photos = await run_in_threadpool(_link, earlier, folder, swap)
            return desk.add(folder, photos, earlier.keep_order or swap, options)
        return desk.add(folder, await _store(uploads, folder), False, options)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _uploads(form: FormData) -> list[UploadFile]:
    """Both photographs, the short one first if the client says which it is."""
    fields = ("short", "long", "photo")
    named = [[item for item in form.getlist(name) if isinstance(item, UploadFile)] for name in fields]
    if [len(items) for items in named] not in ([1, 1, 0], [0, 0, 2]):
        raise Problem("invalid-input", "Send two files: one as `short` and one as `long`, or both as `photo`.")
    return [item for items in named for item in items]


def _check_names(form: FormData, fields: dict[str, str]) -> None:
    """Refuse fields that nobody reads: a typing error would pass for a choice."""
    known = {"model", *_KNOBS} | ({"of", "swap"} if "of" in fields else {"short", "long", "photo"})
    if unknown := form.keys() - known:
        names = ", ".join(sorted(known))
        raise Problem("invalid-input", f"{len(unknown)} field(s) have no meaning here. Known are: {names}.")
    for name in ("swap", "trust_map"):
        if fields.get(name, "true") not in ("true", "false"):
            raise Problem("invalid-input", f"{name} must be one of: true, false.")


async def _store(uploads: list[UploadFile], folder: Path) -> tuple[Photo, Photo]:
    """Write uploads under names of our own, of which only the kind is the client's."""
    first, second = [
        Photo(f"{place}{_suffix(upload.filename)}", _shown(upload.filename, place))
        for place, upload in zip(("a", "b"), uploads, strict=True)
    ]
    for photo, upload in zip((first, second), uploads, strict=True):
        await run_in_threadpool(_copy, upload, folder / photo.file)
    return first, second


def _copy(upload: UploadFile, path: Path) -> None:
    with path.open("xb") as file:
        shutil.copyfileobj(upload.file, file, 1 << 20)


def _link(earlier: Job, folder: Path, swap: bool) -> tuple[Photo, Photo]:
    """The photographs of an earlier restoration in the order that was found then, or in the other one."""
    for photo in earlier.photos:
        os.link(earlier.folder / photo.file, folder / photo.file)
    first, second = earlier.photos
    turned = bool(earlier.report and earlier.report["swapped"])
    return (second, first) if turned != swap else (first, second)


def _suffix(name: str | None) -> str:
    """The ending, which tells readers the kind of a raw file; nothing where it is not a few letters and digits."""
    found = re.search(r"\.[a-z0-9]{2,5}\Z", (name or "").lower())
    return found[0] if found else ""


def _shown(name: str | None, place: str) -> str:
    """A client's name of a file as it is shown to that client: the last part, printable and not too long."""
    last = re.split(r"[/\\]", name or "")[-1]
    clean = "".join(letter for letter in last if letter.isprintable())[-_LONGEST_NAME:].strip()
    return clean or f"photo {place}"


async def _options(fields: dict[str, str]) -> dict[str, Any]:
    """What `restore` is called with: the model, and the knobs that were turned. Raises Problem for what cannot be."""
    model = fields.get("model", DEFAULT_MODEL)
    names = [entry["name"] for entry in await run_in_threadpool(_models)]
    if model not in names:
        raise Problem("invalid-input", f"There is no such model. Choose one of: {', '.join(names)}.")
    return {"model": model, **_turned(fields)}


def _turned(fields: dict[str, str]) -> dict[str, Any]:
    """The knobs that were turned, by their names in `Settings`."""
    try:
        found: dict[str, Any] = {name: float(fields[name]) for name in _NUMBERS if name in fields}
        found |= {name: fields[name] for name in _WORDS if name in fields}
        found |= {"trust_map": True} if fields.get("trust_map") == "true" else {}
        Knobs(**found)
    except InputError as error:
        raise Problem("invalid-input", f"{error}.") from error
    except ValueError as error:
        raise Problem("invalid-input", f"{', '.join(_NUMBERS)} must be numbers.") from error
    return found


def _models() -> list[dict[str, Any]]:
    from ..engines.models import manifest

    cards = sorted(manifest().items(), key=lambda entry: entry[0] != DEFAULT_MODEL)
    return [
        {
            "name": name,
            "default": name == DEFAULT_MODEL,
            "trained_on": card.trained_on,
            "licence": card.licence,
            "quality": card.quality,
        }
        for name, card in cards
    ]


def _check_done(job: Job) -> None:
    if job.state == "done":
        return
    if job.over:
        raise Problem("no-result", job.problem.detail if job.problem else "It was cancelled.")
    raise Problem("not-ready", "Wait until its state is `done`.")


def _one_of(request: Request, name: str, values: tuple[str, ...], default: str) -> str:
    value = request.query_params.get(name, default)
    if value != default and value not in values:
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


def _level(request: Request, found: tuple[int, int], box: tuple[int, int, int, int]) -> int:
    """How often the part is halved: as `shrink` says, or until it is small enough."""
    most = layers.levels(*found) - 1
    shrinks = [str(1 << level) for level in range(most + 1)]
    if "shrink" in request.query_params:
        level = shrinks.index(_one_of(request, "shrink", tuple(shrinks), "1"))
    else:
        level = next((k for k in range(most) if max(box[2:]) >> k <= layers.LARGEST_PART), most)
    _check_side(box[2] >> level, box[3] >> level)
    return level


def _check_side(*sides: int) -> None:
    if max(sides) > layers.LARGEST_PART:
        raise Problem("invalid-input", f"A part may have {layers.LARGEST_PART} px a side. Ask for less, or shrink it.")


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


def _disk_problem(error: OSError) -> Problem:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Problem("storage-full", "The server's disk is full. Try again later.")
    return Problem("storage-full", f"The server cannot store the files ({error.strerror}).")
