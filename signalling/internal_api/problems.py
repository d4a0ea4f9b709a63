"""Errors as problem documents (RFC 9457), in one place.

Every failure of the internal API is `application/problem+json` with a stable `code`: what handlers raise,
what aiohttp's router and parser raise, and what nobody expected.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict, Field

from signalling import errors

log = structlog.get_logger()

PROBLEM_TYPE = "application/problem+json"


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(extra="forbid")

    pointer: str = Field(description="JSON pointer into the body (RFC 6901), or the name of the parameter")
    detail: str


class Problem(BaseModel):
    """A problem document. `code` is stable; `title` and `detail` are for people and may change."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(json_schema_extra={"format": "uri-reference"})
    title: str
    status: int
    code: str
    detail: str
    errors: list[Fault] = Field(default=[], description="What is wrong, item by item")
    request_id: str | None = Field(default=None, description="Names the entry in the server's log")


@dataclass(frozen=True, slots=True)
class Kind:
    status: int
    title: str


KINDS: Mapping[str, Kind] = {
    "malformed_json": Kind(400, "The body is not valid JSON"),
    "bad_request": Kind(400, "The request cannot be read"),
    "unauthorized": Kind(401, "A valid key is needed"),
    "not_found": Kind(404, "There is nothing at this address"),
    errors.RoomNotFoundError.code: Kind(404, "Unknown room"),
    errors.RecordingNotFoundError.code: Kind(404, "Unknown recording"),
    "method_not_allowed": Kind(405, "This address does not take this method"),
    errors.ParticipantNotFoundError.code: Kind(409, "The participant is not in the room"),
    errors.RoomEndedError.code: Kind(409, "The session has ended"),
    errors.RoomExpiredError.code: Kind(409, "The session's time is over"),
    errors.RecordingOffError.code: Kind(409, "Recording is switched off for this room"),
    errors.AlreadyRecordingError.code: Kind(409, "The session is already being recorded"),
    errors.NotRecordingError.code: Kind(409, "The session is not being recorded"),
    errors.NoPictureError.code: Kind(409, "There is nothing to take a photo of"),
    errors.TimesConflictError.code: Kind(409, "The times do not fit together"),
    errors.IdempotencyKeyReusedError.code: Kind(409, "The Idempotency-Key belongs to another request"),
    errors.VersionMismatchError.code: Kind(412, "The room has changed since it was read"),
    "content_too_large": Kind(413, "The body is too large"),
    "unsupported_media_type": Kind(415, "The body must be JSON"),
    "invalid_request": Kind(422, "The request does not fit its schema"),
    "internal": Kind(500, "Something went wrong on the server"),
    "not_ready": Kind(503, "The server is not ready"),
    errors.StorageFullError.code: Kind(507, "There is too little space left to record"),
}
"""Every problem that the internal API can answer with."""

_ROUTER_CODES = {404: "not_found", 405: "method_not_allowed", 413: "content_too_large"}


class ProblemError(errors.RequestError):
    """A problem that only HTTP knows, raised by the API itself."""

    def __init__(self, code: str, detail: str | None = None, faults: list[Fault] | None = None) -> None:
        super().__init__(detail or KINDS[code].title + ".")
        self.problem_code = code
        self.faults = faults or []


def problem_response(
    code: str, detail: str, *, faults: list[Fault] | None = None, request_id: str | None = None
) -> web.Response:
    kind = KINDS[code]
    problem = Problem(
        type=f"/internal/v1/docs#problem-{code}",
        title=kind.title,
        status=kind.status,
        code=code,
        detail=detail,
        errors=faults or [],
        request_id=request_id,
    )
    absent = {name for name in ("errors", "request_id") if not getattr(problem, name)}
    return web.Response(
        status=kind.status,
        reason=HTTPStatus(kind.status).phrase,
        body=problem.model_dump_json(exclude=absent).encode(),
        content_type=PROBLEM_TYPE,
        headers={"WWW-Authenticate": "Bearer"} if kind.status == 401 else None,
    )


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn everything that is raised beneath into a problem document."""
    try:
        return await handler(request)
    except ProblemError as error:
        return problem_response(error.problem_code, error.message, faults=error.faults)
    except errors.RequestError as error:
        if error.code in KINDS:
            return problem_response(error.code, error.message)
        return _unexpected(request, error)
    except web.HTTPException as error:
        return _from_aiohttp(error)
    except Exception as error:
        return _unexpected(request, error)


def _from_aiohttp(error: web.HTTPException) -> web.Response:
    code = _ROUTER_CODES.get(error.status, "bad_request")
    response = problem_response(code, f"{KINDS[code].title}.")
    allow: Any = error.headers.get("Allow")
    if allow is not None:
        response.headers["Allow"] = allow
    return response


def _unexpected(request: web.Request, error: Exception) -> web.Response:
    request_id = secrets.token_hex(8)
    resource = request.match_info.route.resource
    log.error(
        "internal_api_failed",
        request_id=request_id,
        method=request.method,
        route=resource.canonical if resource is not None else None,
        exc_info=error,
    )
    return problem_response("internal", "The server's log has the details.", request_id=request_id)
