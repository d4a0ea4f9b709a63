"""Reading what a caller sent: strict JSON into strict models, and query strings into the same.

JSON is read twice, on purpose. The first reading refuses what RFC 8259 leaves open and what would come back
differently from the store: a name that stands twice in one object, `NaN`, `1e999`, nesting without end. The
second one, pydantic's, is strict: no text where a number belongs, no lone surrogates.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from signalling.internal_api.problems import Fault, ProblemError

M = TypeVar("M", bound=BaseModel)

MAX_DEPTH = 64
MAX_FAULTS = 20


async def read_body(request: web.Request, model: type[M], *, optional: bool) -> M:
    """The request's JSON body as `model`.

    Args:
        optional: no body at all is the same as `{}`.
    Raises:
        ProblemError: `content_too_large`, `unsupported_media_type`, `malformed_json`, `invalid_request`.
    """
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise ProblemError("content_too_large") from None
    if not body and optional:
        return model()
    charset = (request.charset or "utf-8").lower()
    if request.content_type != "application/json" or charset not in ("utf-8", "utf8"):
        raise ProblemError("unsupported_media_type", "Send application/json in UTF-8.")
    check_json(body)
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise invalid(error, "#") from None


def read_query(parameters: Sequence[tuple[str, str]], model: type[M]) -> M:
    """Query parameters as `model`.

    Raises:
        ProblemError: `invalid_request`.
    """
    counts = Counter(name for name, _ in parameters)
    faults = [
        Fault(pointer=name[:200], detail="is given more than once")
        for name, count in counts.items()
        if count > 1
    ]
    if faults:
        raise ProblemError("invalid_request", faults=faults[:MAX_FAULTS])
    try:
        return model.model_validate(dict(parameters))
    except ValidationError as error:
        raise invalid(error, "") from None


def check_json(body: bytes) -> None:
    """Refuse JSON that different readers understand differently.

    Raises:
        ProblemError: `malformed_json`.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_finite)
    except UnicodeDecodeError:
        raise ProblemError("malformed_json", "The body is not UTF-8.") from None
    except RecursionError:
        raise ProblemError("malformed_json", "The body is nested too deeply.") from None
    except ValueError as error:
        raise ProblemError("malformed_json", f"The body is not valid JSON: {error}.") from None
    _check_depth(value)


def invalid(error: ValidationError, root: str) -> ProblemError:
    """A model's complaints as a problem: where, and what; never the value itself."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(item["type"] == "json_invalid" for item in found):
        return ProblemError("malformed_json")
    return ProblemError("invalid_request", faults=[_fault(item, root) for item in found[:MAX_FAULTS]])


def _fault(item: ErrorDetails, root: str) -> Fault:
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in item["loc"]]
    pointer = "/".join([root, *parts]) if root else "/".join(parts)
    detail = "is not a known field" if item["type"] == "extra_forbidden" else item["msg"]
    return Fault(pointer=pointer[:200], detail=detail)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _check_depth(root: Any) -> None:
    """Level by level, because recursion is what must not happen."""
    level = [root]
    for _ in range(MAX_DEPTH):
        following: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                following.extend(value.values())
            elif isinstance(value, list):
                following.extend(value)
        if not following:
            return
        level = following
    raise ProblemError("malformed_json", "The body is nested too deeply.")
