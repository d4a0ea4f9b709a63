"""The OpenAPI 3.1 document, made from the same endpoints and models that answer requests."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from signalling.internal_api.endpoint import PREFIX, AnyEndpoint
from signalling.internal_api.models.sessions import Health, Readiness
from signalling.internal_api.problems import KINDS, PROBLEM_TYPE, Problem

JSON = dict[str, Any]

_REF = "#/components/schemas/{model}"
_ANY_ENDPOINT = ("unauthorized", "internal")
_WITH_PARAMETERS = ("invalid_request",)
_WITH_BODY = (
    "bad_request",
    "malformed_json",
    "content_too_large",
    "unsupported_media_type",
    "invalid_request",
)


def openapi_document(endpoints: Iterable[AnyEndpoint], version: str) -> JSON:
    """Args: version: the program's."""
    endpoints = tuple(endpoints)
    schemas = _Schemas(endpoints)
    paths: dict[str, JSON] = {}
    for endpoint in endpoints:
        item = paths.setdefault(PREFIX + endpoint.path, {})
        if endpoint.path_parameters:
            item["parameters"] = [
                {
                    "name": parameter.name,
                    "in": "path",
                    "required": True,
                    "description": parameter.description,
                    "schema": {"type": "string", "pattern": parameter.pattern},
                }
                for parameter in endpoint.path_parameters
            ]
        item[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sightline internal API",
            "version": version,
            "description": "For the ticketing backend: rooms, their links, recordings, photos and events. "
            "Every error is a problem document (RFC 9457) with a stable `code`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "rooms", "description": "Sessions and their links"},
            {"name": "media", "description": "Recordings and photos"},
            {"name": "sessions", "description": "Participants and events"},
            {"name": "operation", "description": "For whoever runs the server; no key needed"},
        ],
        "security": [{"key": []}],
        "paths": paths | _operation_paths(schemas),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas.components,
        },
    }


class _Schemas:
    """Every model's JSON schema, under `components` and by reference."""

    def __init__(self, endpoints: tuple[AnyEndpoint, ...]) -> None:
        models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {
            (Problem, "serialization"): None,
            (Health, "serialization"): None,
            (Readiness, "serialization"): None,
        }
        for endpoint in endpoints:
            models[endpoint.answer, "serialization"] = None
            if endpoint.takes_body:
                models[endpoint.body, "validation"] = None
        references, definitions = models_json_schema(list(models), ref_template=_REF)
        self._references = references
        self.components: JSON = definitions["$defs"]

    def answer(self, model: type[BaseModel]) -> JSON:
        return dict(self._references[model, "serialization"])

    def body(self, model: type[BaseModel]) -> JSON:
        return dict(self._references[model, "validation"])


def _operation(endpoint: AnyEndpoint, schemas: _Schemas) -> JSON:
    operation: JSON = {
        "operationId": endpoint.function.__name__,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    parameters = _query_parameters(endpoint.query) + [
        {
            "name": header.name,
            "in": "header",
            "required": False,
            "description": header.description,
            "schema": {"type": "string", "pattern": header.pattern},
        }
        for header in endpoint.headers
        if header.pattern is not None
    ]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.takes_body:
        operation["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {"application/json": {"schema": schemas.body(endpoint.body)}},
        }
    operation["responses"] = {
        str(endpoint.status): {
            "description": inspect.cleandoc(endpoint.answer.__doc__ or endpoint.summary).split("\n")[0],
            "headers": {
                name: {"description": description, "schema": {"type": "string"}}
                for name, description in endpoint.answer_headers.items()
            },
            "content": {"application/json": {"schema": schemas.answer(endpoint.answer)}},
        }
    } | _problems(_codes(endpoint), schemas)
    return operation


def _codes(endpoint: AnyEndpoint) -> list[str]:
    codes = [*_ANY_ENDPOINT, *_WITH_PARAMETERS]
    codes += [error.code for error in endpoint.errors]
    codes += [parameter.unknown.code for parameter in endpoint.path_parameters]
    if endpoint.takes_body:
        codes += _WITH_BODY
    return codes


def _problems(codes: Iterable[str], schemas: _Schemas) -> JSON:
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        str(status): {
            "description": "; ".join(f"`{code}`: {KINDS[code].title}" for code in found),
            "content": {PROBLEM_TYPE: {"schema": schemas.answer(Problem)}},
        }
        for status, found in sorted(by_status.items())
    }


def _query_parameters(model: type[BaseModel]) -> list[JSON]:
    schema = model.model_json_schema(mode="validation")
    parameters = []
    for name, value in schema.get("properties", {}).items():
        value = dict(value)
        value.pop("title", None)
        description = value.pop("description", None)
        parameter: JSON = {"name": name, "in": "query", "required": False, "schema": value}
        if description:
            parameter["description"] = description
        parameters.append(parameter)
    return parameters


def _operation_paths(schemas: _Schemas) -> JSON:
    def get(name: str, summary: str, answers: Mapping[str, JSON]) -> JSON:
        return {
            "get": {
                "operationId": name,
                "tags": ["operation"],
                "summary": summary,
                "security": [],
                "responses": answers,
            }
        }

    def json(model: type[BaseModel], description: str) -> JSON:
        return {
            "description": description,
            "content": {"application/json": {"schema": schemas.answer(model)}},
        }

    return {
        "/healthz": get("healthz", "Is the process alive", {"200": json(Health, "It is")}),
        "/readyz": get(
            "readyz",
            "Can sessions be held now",
            {"200": json(Readiness, "Yes")} | _problems(["not_ready"], schemas),
        ),
        "/metrics": get(
            "metrics",
            "Figures for Prometheus",
            {
                "200": {
                    "description": "Text format",
                    "content": {"text/plain": {"schema": {"type": "string"}}},
                }
            },
        ),
    }
