"""Keys, health, metrics, documentation, and what happens when something breaks."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer

from signalling.internal_api import create_internal_app
from signalling.internal_api.app import ENDPOINTS
from signalling.store import Store
from tests.integration.api.conftest import KEY, Api
from tests.support.internal_server import API_KEY, fake_links


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        API_KEY,
        "Bearer",
        "Bearer ",
        f"Bearer {API_KEY[:-1]}",
        f"Bearer {API_KEY}x",
        f"Bearer {API_KEY.upper()}",
        f"Basic {API_KEY}",
        f"Bearer{API_KEY}",
        "Bearer \xff",
    ],
)
async def test_without_the_key_nothing_is_answered_not_even_what_exists(
    api: Api, authorization: str | None
) -> None:
    room = await api.create()
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("/rooms", f"/rooms/{room['convId']}", "/rooms/0", "/nowhere"):
        response = await api.client.get(f"/internal/v1{path}", headers=headers)
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert (await response.json(content_type=None))["code"] == "unauthorized"


async def test_a_second_authorization_header_does_not_help(api: Api) -> None:
    right, wrong = ("Authorization", f"Bearer {API_KEY}"), ("Authorization", "Bearer wrong")
    for headers in ([right, wrong], [wrong, right]):
        assert (await api.client.get("/internal/v1/rooms", headers=headers)).status == 401


async def test_the_scheme_may_be_written_in_any_case(api: Api) -> None:
    headers = {"Authorization": f"bearer {API_KEY}"}
    assert (await api.client.get("/internal/v1/rooms", headers=headers)).status == 200


async def test_health_needs_no_key(api: Api) -> None:
    for path, answer in (("/healthz", {"status": "ok"}), ("/readyz", {"status": "ready"})):
        response = await api.client.get(path)
        assert (response.status, await response.json()) == (200, answer)


async def test_not_ready_says_what_is_not(tmp_path: Path) -> None:
    async def check() -> None:
        raise RuntimeError("secret detail")

    store = await Store.open(f"sqlite:///{tmp_path}/x.db")
    app = create_internal_app(
        store=store,
        live=None,  # type: ignore[arg-type]
        links=fake_links(),
        api_key=API_KEY,
        enterprise=1,
        checks={"media port": check},
    )
    async with TestClient(TestServer(app)) as client:
        with structlog.testing.capture_logs() as logs:
            response = await client.get("/readyz")
        problem = await response.json(content_type=None)
        assert (response.status, problem["code"]) == (503, "not_ready")
        assert "media port" in problem["detail"]
        assert "secret detail" not in json.dumps(problem)
        assert [entry["event"] for entry in logs] == ["not_ready"]
        assert (await client.get("/healthz")).status == 200
    await store.aclose()


async def test_metrics_count_rooms_and_requests_without_naming_any(api: Api) -> None:
    room = await api.create()
    await api.call("GET", f"/rooms/{room['convId']}")
    response = await api.client.get("/metrics")
    text = await response.text()
    assert response.content_type == "text/plain"
    assert 'sightline_rooms{state="invited"} 1.0' in text
    assert 'method="GET",route="/internal/v1/rooms/{convId}",status="200"} 1.0' in text
    assert room["convId"] not in text


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/rooms", "GET,HEAD,POST"),
        ("OPTIONS", "/rooms/0", "DELETE,GET,HEAD,PATCH"),
        ("TRACE", "/rooms/0/recordings", "GET,HEAD,POST"),
        ("GET", "/rooms/0/snapshots", "POST"),
    ],
)
async def test_a_method_that_does_not_belong_is_refused(api: Api, method: str, path: str, allow: str) -> None:
    await api.problem(method, path, 405, "method_not_allowed")
    response = await api.send(method, path)
    assert response.headers["Allow"] == allow


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/rooms/", "/rooms/0/nowhere", "/rooms/0/recordings/1/2/3"]
)
async def test_an_address_that_does_not_exist_is_not_found(api: Api, path: str) -> None:
    await api.problem("GET", path, 404, "not_found")


async def test_head_is_get_without_its_body(api: Api) -> None:
    response = await api.send("HEAD", "/rooms")
    assert (response.status, await response.read()) == (200, b"")


async def test_answers_are_not_kept_and_do_not_tell_the_software(api: Api) -> None:
    response = await api.send("GET", "/rooms")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in response.headers


async def test_an_unexpected_failure_tells_its_number_and_logs_the_rest(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise LookupError("the inner detail")

    room = await api.create()
    monkeypatch.setattr(api.live, "close", fail)
    with structlog.testing.capture_logs() as logs:
        problem = await api.problem("DELETE", f"/rooms/{room['convId']}", 500, "internal")
    assert "inner detail" not in json.dumps(problem)
    (entry,) = logs
    assert entry["request_id"] == problem["request_id"]
    assert entry["route"] == "/internal/v1/rooms/{convId}"
    assert isinstance(entry["exc_info"], LookupError)


async def test_the_document_describes_every_operation_and_nothing_else(api: Api) -> None:
    document = await (await api.client.get("/internal/v1/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    described = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    routed = {
        (route.method, route.resource.canonical)
        for route in api.client.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    documentation = {("GET", "/internal/v1/openapi.json"), ("GET", "/internal/v1/docs")}
    assert described == routed - documentation
    ids = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    assert len(set(ids)) == len(ids)


async def test_every_reference_in_the_document_leads_somewhere(api: Api) -> None:
    text = await (await api.client.get("/internal/v1/openapi.json")).text()
    schemas = json.loads(text)["components"]["schemas"]
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert names <= schemas.keys()
    assert schemas.keys() <= names | {"Problem"}


def test_the_bounds_of_fields_are_in_the_document() -> None:
    create = next(endpoint for endpoint in ENDPOINTS if endpoint.function.__name__ == "create_room")
    schema = create.body.model_json_schema()["properties"]
    assert schema["max_participants"]["anyOf"][0] == {"type": "integer", "minimum": 2, "maximum": 50}
    assert schema["reference"]["anyOf"][0]["maxLength"] == 50
    assert schema["moderation"]["const"] is False


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        assert "src" not in values and not any(name.startswith("on") for name in values)
        self.ids.add(values.get("id") or "")
        self.links.append(values.get("href") or "")


async def test_the_page_loads_nothing_and_its_links_lead_somewhere(api: Api) -> None:
    response = await api.client.get("/internal/v1/docs")
    text = await response.text()
    page = _Loads()
    page.feed(text)
    assert not page.tags & {"script", "link", "img", "iframe"}
    inner = {link[1:] for link in page.links if link.startswith("#")}
    assert inner <= page.ids
    assert {link for link in page.links if link and not link.startswith("#")} == {"openapi.json"}
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_the_type_of_each_problem_leads_to_the_page(api: Api) -> None:
    page = _Loads()
    page.feed(await (await api.client.get("/internal/v1/docs")).text())
    problem = await api.problem("GET", "/rooms/0", 404, "room_not_found")
    path, _, anchor = problem["type"].partition("#")
    assert path == "/internal/v1/docs"
    assert anchor in page.ids


async def test_the_key_is_not_in_the_documents(api: Api) -> None:
    for path in ("/internal/v1/openapi.json", "/internal/v1/docs", "/metrics"):
        assert API_KEY not in await (await api.client.get(path, headers=KEY)).text()
