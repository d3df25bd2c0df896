"""The interface as OpenAPI 3.1, by hand: what a program that talks to the server can rely on."""

from __future__ import annotations

from typing import Any

from .archive import MOST_ZIPPED
from .forms import MOST_PHOTOS
from .layers import LARGEST_PART
from .plans import MOST_FILES
from .problems import TYPES

Json = dict[str, Any]

_VIEW: Json = {
    "id": "q0S3mJm7c0y2mXn7l0b4mYH0uXvT0yq1Q8mE3c2lq5A",
    **{"state": "done", "stage": "done", "progress": 1.0, "seconds_left": None, "ahead": 0},
    **{"photos": ["DSC_0412.JPG", "DSC_0413.JPG"], "roles": ["short", "long"]},
    **{"options": {"model": "twin"}, "size": [6000, 4000], "bits": 8},
    "report": {
        **{"noisy": "DSC_0412.JPG", "blurry": "DSC_0413.JPG", "size": [6000, 4000], "shift": [3.2, -1.5]},
        **{"registered": True, "confidence": 0.93, "model": "twin", "warnings": [], "swapped": ""},
    },
    "problem": None,
}


def _text(*values: str, **more: Any) -> Json:
    return {"type": "string", **({"enum": list(values)} if values else {}), **more}


def _number(kind: str = "integer", **more: Any) -> Json:
    return {"type": kind, **more}


def _object(properties: Json, optional: tuple[str, ...] = (), **more: Any) -> Json:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, **({"required": required} if required else {}), **more}


def _maybe(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_SIZE: Json = {
    "type": "array",
    "items": _number(minimum=1),
    "minItems": 2,
    "maxItems": 2,
    "description": "Width, height.",
}
_PROBLEM = _object({"type": _text(), "title": _text(), "status": _number(minimum=400, maximum=599), "detail": _text()})
_MODEL_NAME = _text(description="A name that /v1/models lists.", examples=["twin"])
_SHARE = _number("number", minimum=0, maximum=1)
_KNOBS: Json = {
    "strength": {**_SHARE, "description": "How much grain to remove; otherwise all."},
    "colour_strength": {**_SHARE, "description": "How much of the grain's colour to remove; otherwise all."},
    "gain": _number("number", exclusiveMinimum=0, description="How many times brighter the long photograph is."),
    "tone": _text("gain", "curve", description="How brightness is matched; otherwise by whichever fits better."),
    "light": _text(
        "long", "short", description="Whose brightness and colours the result has; otherwise the long one's."
    ),
}
_OPTIONS: Json = {"model": _MODEL_NAME, **_KNOBS}
_SWITCHES: Json = {
    "best": "Whether to average over eight orientations: a little better, and eight times slower.",
    "trust_map": "Whether to make the layer `trust`, which takes twice as long.",
}
_RESTORATION = _object(
    {
        "id": _text(description="Unguessable: whoever has it may see and remove the restoration."),
        "state": _text("queued", "running", "done", "failed", "cancelled"),
        "stage": _text(description="What is done now: waiting, reading, matching, restoring, writing; then the state."),
        "progress": _number("number", minimum=0, maximum=1, description="Of the stage."),
        "seconds_left": _maybe(_number("number", minimum=0)),
        "ahead": _number(minimum=0, description="Restorations that are done before this one."),
        "photos": {"type": "array", "items": _text(), "minItems": 2, "maxItems": MOST_PHOTOS},
        "roles": _maybe(
            {"type": "array", "items": _text("short", "long"), "description": "What each photo is, once it is known."}
        ),
        "options": _object(
            {**_OPTIONS, **{name: {"type": "boolean"} for name in _SWITCHES}},
            optional=(*_SWITCHES, *_KNOBS),
            additionalProperties=False,
        ),
        "size": _maybe(_SIZE),
        "bits": _number(description="Bits a channel of the result."),
        "report": _maybe({"type": "object", "description": "What was decided; the command's --report has the same."}),
        "problem": _maybe(_ref("Problem")),
    }
)
_MODEL = _object(
    {"name": _text(), "default": {"type": "boolean"}, "trained_on": _text(), "licence": _text(), "quality": _object({})}
)


def _json(schema: Json, about: str, example: Any = None, **more: Any) -> Json:
    content = {"schema": schema, **({"example": example} if example is not None else {})}
    return {"description": about, "content": {"application/json": content}, **more}


def _problem(kind: str) -> Json:
    status, title = TYPES[kind]
    example = {"type": f"urn:twinshot:problem:{kind}", "title": title, "status": status, "detail": "What to do."}
    return {
        "description": f"{title}.",
        "content": {"application/problem+json": {"schema": _ref("Problem"), "example": example}},
    }


def _operation(name: str, about: str, done: Json, problems: tuple[str, ...] = (), **more: Any) -> Json:
    answers = {str(TYPES[kind][0]): _problem(kind) for kind in problems}
    answers["default"] = {
        "description": "Another problem: no token (401), foreign site (403), foreign name (421), shutting down (503).",
        "content": {"application/problem+json": {"schema": _ref("Problem")}},
    }
    return {"operationId": name, "summary": about, "responses": {**done, **answers}, **more}


def _query(name: str, schema: Json, about: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": about}


_FILE: Json = {"type": "string", "contentMediaType": "application/octet-stream"}
_BURST: Json = {"type": "array", "items": _FILE, "minItems": 1, "maxItems": MOST_PHOTOS - 1}
_ROLES: Json = {
    "short": {**_BURST, "description": "The short photograph, or those of a burst, which are merged."},
    "long": {**_FILE, "description": "The long photograph. Without it, a burst of two or more is restored alone."},
}
_ANY: Json = {
    **{"type": "array", "items": _FILE, "minItems": 2, "maxItems": MOST_PHOTOS},
    "description": "All of them, in any order: the server finds out which is which.",
}
_EARLIER = {
    "of": _text(description="The id of an earlier restoration, whose photographs are used again."),
    "long_is": _text(
        description="Which of its `photos` is the long one, counted from 0, or `none`; otherwise as it was found.",
        examples=["0"],
    ),
}
_CHOICES: Json = {**_OPTIONS} | {name: _text("true", "false", description=about) for name, about in _SWITCHES.items()}
_FORM: Json = {
    "oneOf": [
        _object({**fields, **_CHOICES}, optional=("long", "long_is", *_CHOICES), additionalProperties=False)
        for fields in (_ROLES, {"photo": _ANY}, _EARLIER)
    ]
}
_PLAN_ID = "nq2C5QwM8r0cYv1eS7uK3bT9xZ4aJ6dLhF0pG1iR2sE"
_PLACES: Json = {"type": "array", "items": _number(minimum=0)}
_PLAN = _object(
    {
        "id": _text(description="Unguessable: whoever has it may see, fill and remove the plan."),
        "photos": {"type": "array", "items": _text(), "description": "The names; photographs go by their places here."},
        "wanted": {**_PLACES, "description": "Photographs that are to be sent yet."},
        "ignored": {
            **_PLACES,
            "description": "No picture, an earlier result, raw beside developed.",
        },
        "unreadable": {"type": "array", "items": _object({"photo": _number(minimum=0), "reason": _text()})},
        "pictures": {
            "type": "array",
            "items": _object(
                {
                    "short": {**_PLACES, "minItems": 1},
                    "long": _maybe(_number(minimum=0, description="None for a burst alone.")),
                    "left": {**_PLACES, "description": "Of the same scene, but of other exposures: not used."},
                    "unsure": {
                        "type": "boolean",
                        "description": "Only pixels tell which is the short one: send both as `photo`.",
                    },
                }
            ),
        },
        "alone": {**_PLACES, "description": "Photographs without a partner."},
    }
)
_PLAN_VIEW: Json = {
    **{"id": _PLAN_ID, "photos": ["a/1.jpg", "a/2.jpg", "a/3.jpg", "a/notes.txt"], "wanted": [], "ignored": [3]},
    **{"unreadable": [], "pictures": [{"short": [0], "long": 1, "left": [], "unsure": False}], "alone": [2]},
}
_DOWNLOAD = [
    ("format", _text("png", "tiff", "jpeg", "webp", default="png"), "Kind of file."),
    ("bits", _text("8", "16"), "Bits a channel; without it, the photographs' own."),
    ("quality", _number(minimum=1, maximum=100, default=95), "Of JPEG and WebP."),
]
_PIXEL = _number(minimum=0, maximum=999_999)
_ID: Json = {"name": "id", "in": "path", "required": True, "schema": _text(pattern="^[A-Za-z0-9_-]+$")}
_PICTURE: Json = {"schema": {"type": "string", "contentMediaType": "image/*"}}

DESCRIPTION: Json = {
    "openapi": "3.1.0",
    "info": {
        "title": "twinshot",
        "version": "1",
        "summary": "One sharp, clean picture from a short noisy and a long blurry photograph.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "servers": [{"url": "/"}],
    "security": [{}, {"token": []}, {"cookie": []}],
    "paths": {
        "/v1/restorations": {
            "post": _operation(
                "createRestoration",
                "Send the photographs of one picture; it waits in a queue, and one is restored after the other.",
                {
                    "202": _json(
                        _ref("Restoration"),
                        "Accepted.",
                        {**_VIEW, "state": "queued", "stage": "waiting", "progress": 0.0, "report": None, "size": None},
                        headers={"Location": {"schema": _text(), "description": "Where its state is."}},
                    )
                },
                (
                    "bad-request",
                    "not-found",
                    "body-too-slow",
                    "body-too-large",
                    "invalid-input",
                    "queue-full",
                    "storage-full",
                ),
                requestBody={
                    "required": True,
                    "content": {"multipart/form-data": {"schema": _FORM}},
                },
            )
        },
        "/v1/restorations/{id}": {
            "parameters": [_ID],
            "get": _operation(
                "showRestoration",
                "How far it is, and what was decided.",
                {"200": _json(_ref("Restoration"), "Its state.", _VIEW)},
                ("not-found",),
            ),
            "delete": _operation(
                "removeRestoration",
                "Cancel it if it is not over, and remove its files.",
                {"204": {"description": "It is gone."}},
                ("not-found",),
            ),
        },
        "/v1/restorations/{id}/events": {
            "parameters": [_ID],
            "get": _operation(
                "watchRestoration",
                "Server-sent events `update`, each with the whole state, until it is over.",
                {"200": {"description": "A stream.", "content": {"text/event-stream": {}}}},
                ("not-found",),
            ),
        },
        "/v1/restorations/{id}/result": {
            "parameters": [_ID],
            "get": _operation(
                "downloadResult",
                "The restored picture with its metadata.",
                {"200": {"description": "A file.", "content": {"image/*": _PICTURE}}},
                ("not-found", "not-ready", "invalid-input", "worker-failed", "storage-full"),
                parameters=[_query(*one) for one in _DOWNLOAD],
            ),
        },
        "/v1/restorations/{id}/preview": {
            "parameters": [_ID],
            "get": _operation(
                "previewPart",
                f"A part of a picture as a JPEG file of at most {LARGEST_PART} px a side.",
                {"200": {"description": "The part.", "content": {"image/jpeg": _PICTURE}}},
                ("not-found", "not-ready", "invalid-input", "worker-failed", "storage-full"),
                parameters=[
                    _query(
                        "layer",
                        _text("short", "long", "result", "trust", "quick", default="result"),
                        "Which picture; `quick` restores the part at once, before the whole is done; `trust` is "
                        "white where the result leans on the long photograph.",
                    ),
                    *(_query(name, _PIXEL, "Left or top edge, px of the whole picture.") for name in "xy"),
                    *(_query(name, _PIXEL, "Width or height, px; without it, to the edge.") for name in "wh"),
                    _query(
                        "shrink", _number(minimum=1), "1, 2, 4, ...: how many times smaller; without it, as needed."
                    ),
                    *(_query(name, _CHOICES[name], "For `quick`.") for name in (*_OPTIONS, "best")),
                ],
            ),
        },
        "/v1/archive": {
            "get": _operation(
                "downloadResults",
                "The pictures of several restorations as one ZIP file, made while it is sent.",
                {"200": {"description": "A file.", "content": {"application/zip": {"schema": _FILE}}}},
                ("not-found", "not-ready", "invalid-input"),
                parameters=[
                    {
                        **_query(
                            "id",
                            {"type": "array", "items": _text(), "minItems": 1, "maxItems": MOST_ZIPPED},
                            "Their ids.",
                        ),
                        "required": True,
                    },
                    *(_query(*one) for one in _DOWNLOAD),
                ],
            )
        },
        "/v1/plans": {
            "post": _operation(
                "createPlan",
                "Name the files of a folder, to hear which are worth a look.",
                {"201": _json(_ref("Plan"), "Made.", {**_PLAN_VIEW, "wanted": [0, 1, 2], "pictures": [], "alone": []})},
                ("bad-request", "body-too-large", "invalid-input"),
                requestBody={
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": _object(
                                {"names": {"type": "array", "items": _text(), "minItems": 2, "maxItems": MOST_FILES}}
                            )
                        }
                    },
                },
            )
        },
        "/v1/plans/{id}": {
            "parameters": [_ID],
            "get": _operation(
                "showPlan",
                "Which of the photographs that were sent so far make a picture.",
                {"200": _json(_ref("Plan"), "The plan.", _PLAN_VIEW)},
                ("not-found",),
            ),
            "delete": _operation("removePlan", "Forget it.", {"204": {"description": "It is gone."}}, ("not-found",)),
        },
        "/v1/plans/{id}/photos/{place}": {
            "parameters": [_ID, {"name": "place", "in": "path", "required": True, "schema": _number(minimum=0)}],
            "put": _operation(
                "lookAtPhotograph",
                "Send a photograph that is `wanted`; what it shows is noted, and the file is not kept.",
                {"204": {"description": "It was looked at."}},
                ("bad-request", "not-found", "body-too-slow", "body-too-large", "invalid-input", "queue-full"),
                requestBody={"required": True, "content": {"application/octet-stream": {"schema": _FILE}}},
            ),
        },
        "/v1/models": {
            "get": _operation(
                "listModels",
                "The networks at hand, the default first.",
                {"200": _json(_object({"models": {"type": "array", "items": _ref("Model")}}), "All of them.")},
            )
        },
        "/v1/session": {
            "post": _operation(
                "signIn",
                "Show the token once and get the page's cookie.",
                {"204": {"description": "Signed in."}},
                ("bad-request", "token-needed"),
                requestBody={
                    "required": True,
                    "content": {"application/json": {"schema": _object({"token": _text()})}},
                },
                security=[{}],
            )
        },
        "/v1/openapi.json": {
            "get": _operation("describe", "This description.", {"200": _json({"type": "object"}, "OpenAPI.")})
        },
        "/healthz": {
            "get": _operation(
                "health",
                "The server answers.",
                {"200": _json(_object({"status": _text("ok")}), "It does.", {"status": "ok"})},
                security=[{}],
            )
        },
        "/metrics": {
            "get": _operation(
                "metrics",
                "Counters for Prometheus.",
                {"200": {"description": "Text.", "content": {"text/plain": {"schema": _text()}}}},
            )
        },
    },
    "components": {
        "schemas": {"Restoration": _RESTORATION, "Plan": _PLAN, "Model": _MODEL, "Problem": _PROBLEM},
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "twinshot"},
        },
    },
}
"""What /v1/openapi.json answers."""
