"""One operation of the API: its place, its models, its errors, its function.

The table of these is what requests are routed by and what the OpenAPI document is made from, so the two
cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel

from signalling.errors import (
    RecordingNotFoundError,
    RequestError,
    RoomNotFoundError,
)
from signalling.internal_api.bodies import read_body, read_query
from signalling.internal_api.live import LiveRooms
from signalling.internal_api.models.fields import Nothing, Request
from signalling.internal_api.problems import Fault, ProblemError
from signalling.links import Links
from signalling.store import Store, Transaction
from signalling.store.records import Room

PREFIX = "/internal/v1"

Q = TypeVar("Q", bound=Request)
B = TypeVar("B", bound=Request)


@dataclass(frozen=True, slots=True)
class PathParameter:
    name: str
    pattern: str
    """ECMA 262 and Python understand it alike."""
    description: str
    unknown: type[RequestError]
    """Raised for a value that cannot exist."""


_ID = r"^[0-9a-f-]{1,36}$"
CONV_ID = PathParameter("convId", _ID, "The room's `convId`", RoomNotFoundError)
RECORDING_ID = PathParameter("rid", _ID, "The recording's `recording_id`", RecordingNotFoundError)

PATH_PARAMETERS: Mapping[str, PathParameter] = {
    parameter.name: parameter for parameter in (CONV_ID, RECORDING_ID)
}


@dataclass(frozen=True, slots=True)
class HeaderParameter:
    name: str
    description: str
    pattern: str | None = None
    """None: any value can be understood. Such a header is described, but is not a parameter in the OpenAPI
    document: whether a precondition (RFC 9110 13) holds is no question of its form."""


@dataclass(frozen=True, slots=True)
class Services:
    """What operations work with."""

    store: Store
    live: LiveRooms
    links: Links
    enterprise: int
    """Enterprise id of rooms that are created without one."""


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request, read and checked."""

    api: Services
    path: Mapping[str, str]
    headers: Mapping[str, str]
    """Those that the endpoint declares, where given; names as declared."""
    query: Q
    body: B

    @property
    def conv_id(self) -> str:
        return self.path[CONV_ID.name]

    async def room(self, tx: Transaction) -> Room:
        """The room that the path names.

        Raises:
            RoomNotFoundError
        """
        room = await tx.rooms.by_conv_id(self.conv_id)
        if room is None:
            raise RoomNotFoundError
        return room


@dataclass(frozen=True, slots=True)
class Reply:
    model: BaseModel
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Generic[Q, B]):
    method: str
    path: str
    """Below `PREFIX`, parameters as `{name}`."""
    tag: str
    summary: str
    function: Callable[[Call[Q, B]], Awaitable[Reply]]
    answer: type[BaseModel]
    status: int = 200
    description: str = ""
    query: type[Q]
    body: type[B]
    body_optional: bool = False
    """No body at all is the same as `{}`."""
    headers: tuple[HeaderParameter, ...] = ()
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    """Header of the answer to what it says."""
    errors: tuple[type[RequestError], ...] = ()
    """Besides those of a path parameter, and those that any request can meet."""

    @property
    def takes_body(self) -> bool:
        return self.body is not Nothing

    @property
    def path_parameters(self) -> list[PathParameter]:
        return [PATH_PARAMETERS[name] for name in re.findall(r"\{(\w+)\}", self.path)]

    def handler(self, services: Services) -> Handler:
        """The aiohttp handler."""

        async def handle(request: web.Request) -> web.StreamResponse:
            for parameter in self.path_parameters:
                if re.fullmatch(parameter.pattern.strip("^$"), request.match_info[parameter.name]) is None:
                    raise parameter.unknown
            call = Call(
                api=services,
                path=request.match_info,
                headers=_read_headers(request, self.headers),
                query=read_query(list(request.query.items()), self.query),
                body=await read_body(request, self.body, optional=self.body_optional)
                if self.takes_body
                else self.body(),
            )
            reply = await self.function(call)
            return web.Response(
                status=reply.status,
                body=reply.model.model_dump_json().encode(),
                content_type="application/json",
                headers=reply.headers,
            )

        return handle


AnyEndpoint = Endpoint[Any, Any]


def _read_headers(request: web.Request, declared: tuple[HeaderParameter, ...]) -> dict[str, str]:
    found = {}
    for header in declared:
        values = request.headers.getall(header.name, [])
        if not values:
            continue
        value = ",".join(values)
        if header.pattern is not None and re.fullmatch(header.pattern.strip("^$"), value) is None:
            fault = Fault(pointer=header.name, detail=f"must match {header.pattern}")
            raise ProblemError("invalid_request", faults=[fault])
        found[header.name] = value
    return found
