"""Kinds of fields that several models share, each with its bounds, as the OpenAPI document shows them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text without control characters; each field says how long."""
Reference = Annotated[Line, Field(max_length=50)]
Label = Annotated[Line, Field(max_length=200)]


def _decimal(value: Any) -> Any:
    """A query parameter's digits; pydantic alone also takes `1.0`, ` 1` and `1_000`."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value, re.ASCII) is None:
        raise ValueError("must be a whole number")
    return value


DECIMAL = BeforeValidator(_decimal)
Limit = Annotated[int, Field(ge=1, le=1000), DECIMAL]
Offset = Annotated[int, Field(ge=0, le=2_147_483_647), DECIMAL]


def _integral(value: Any) -> Any:
    """To JSON, `2.0` is the same number as `2`."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


INTEGRAL = BeforeValidator(_integral)
"""Stands after the bounds in an annotation, or they would be missing from the schema."""


def _as_written(value: Any) -> Any:
    """Insist on RFC 3339; pydantic alone also takes numbers and other spellings."""
    if isinstance(value, str):
        # In a query string a "+" that was not escaped arrives as a space.
        value = re.sub(r" (?=\d\d:\d\d$)", "+", value)
        if _RFC3339.fullmatch(value) is not None:
            return datetime.fromisoformat(value.upper())
    raise ValueError("must be a time such as 2023-07-12T15:48:12+00:00")


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise ValueError("is outside the years 1 to 9999") from None


Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_as_written),
    AfterValidator(_in_utc),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment that a caller sends, RFC 3339 with offset; kept to the second, in UTC."""

Seconds = Annotated[
    datetime,
    PlainSerializer(lambda value: value.astimezone(UTC).isoformat(timespec="seconds"), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2023-07-12T15:48:12+00:00"]}),
]
"""A moment that the server tells, to the second."""

Milliseconds = Annotated[
    datetime,
    PlainSerializer(lambda value: value.astimezone(UTC).isoformat(timespec="milliseconds"), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2023-07-12T15:48:12.345+00:00"]}),
]
"""A moment that the server tells, to the millisecond."""

Email = Annotated[
    str, StringConstraints(max_length=254, pattern=r"^[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+$")
]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9 ().-]{2,31}$")]
_HOST = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:[0-9]{1,5})?"
_PATH = r"[/?#][A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*"
HttpUrl = Annotated[str, StringConstraints(max_length=2048, pattern=rf"^https?://{_HOST}({_PATH})?$")]
"""An absolute address with a host name or an IPv4 address (RFC 3986)."""

Language = Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


def _is_none(value: object) -> bool:
    return value is None


def _drop_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def absent_if_none(description: str = "") -> Any:
    """For a response field that is left out where there is nothing to tell."""
    return Field(
        default=None, exclude_if=_is_none, description=description or None, json_schema_extra=_drop_default
    )


def not_null(description: str = "") -> Any:
    """For a request field of type `X | None` that may be left out, but whose value is never `null`.

    The validator that refuses `null` is the model's; this keeps `null` out of the schema.
    """

    def without_null(schema: dict[str, Any]) -> None:
        schema.pop("default", None)
        (only,) = (item for item in schema.pop("anyOf") if item != {"type": "null"})
        schema.update(only)

    return Field(default=None, description=description or None, json_schema_extra=without_null)


class Request(BaseModel):
    """What a caller sends: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Answer(BaseModel):
    """What the server tells. Callers must expect new fields."""

    model_config = ConfigDict(frozen=True)


class Nothing(Request):
    """No parameters, or an empty object."""
