"""The OpenAPI document as a page for people: one HTML file that loads nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from signalling.internal_api.problems import KINDS

JSON = Mapping[str, Any]

_METHODS = ("get", "post", "patch", "put", "delete")

_STYLE = """
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent);
--accent:light-dark(#0b57a4,#8ec2ff)}
body{font:16px/1.55 system-ui,sans-serif;margin:0 auto;padding:2rem 1.25rem 6rem;max-width:62rem}
h1{font-size:1.9rem;margin:0 0 .3rem}
h2{margin:3rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.3rem}
h3{margin:2rem 0 .4rem;font-size:1.05rem}h4{margin:1.1rem 0 .3rem;font-size:.9rem}
a{color:var(--accent)}code,pre{font:.88em/1.5 ui-monospace,monospace}
pre{border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;overflow-x:auto}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--line)}
.method{display:inline-block;min-width:4.2rem;font-weight:700;color:var(--accent)}
nav ul{columns:2 20rem;list-style:none;padding:0;font-size:.92rem}
"""

STYLE_SOURCE = "'sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode() + "'"
"""For `style-src` of the page's Content-Security-Policy."""


def docs_page(document: JSON) -> str:
    return "".join(_page(document))


def _page(document: JSON) -> Iterator[str]:
    info = document["info"]
    operations = list(_operations(document))
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(info['title'])}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{html.escape(info['title'])}</h1><p>Version {html.escape(info['version'])} · "
        f'<a href="openapi.json">OpenAPI document</a></p><p>{_prose(info["description"])}</p>'
        f"<pre>{html.escape(_EXAMPLE)}</pre><nav><ul>"
    )
    for path, method, operation in operations:
        link = f'<span class="method">{method.upper()}</span> {html.escape(path)}'
        yield f'<li><a href="#{operation["operationId"]}">{link}</a></li>'
    yield "</ul></nav>"
    for tag in document["tags"]:
        yield f"<h2>{html.escape(tag['description'])}</h2>"
        for path, method, operation in operations:
            if tag["name"] in operation["tags"]:
                yield from _operation(path, method, operation, document["paths"][path].get("parameters", []))
    yield from _problems()
    yield "<h2>Models</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield f'<h3 id="model-{name}">{name}</h3>'
        if "description" in schema:
            yield f"<p>{_prose(schema['description'])}</p>"
        required = schema.get("required", [])
        rows = [
            (field, _type(value), "yes" if field in required else "", value.get("description", ""))
            for field, value in schema.get("properties", {}).items()
        ]
        yield from _table(("field", "type", "always", ""), rows)
    yield "</body></html>"


_EXAMPLE = """KEY=$(cat data/secrets/api-key)
curl -X POST http://127.0.0.1:8081/internal/v1/rooms \\
  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
  -d '{"reference": "1234", "agent": "agent1", "requestor": {"phone": "+33662682193"}}'"""


def _operations(document: JSON) -> Iterator[tuple[str, str, JSON]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _operation(path: str, method: str, operation: JSON, shared: Sequence[JSON]) -> Iterator[str]:
    yield (
        f'<h3 id="{operation["operationId"]}"><span class="method">{method.upper()}</span> '
        f"<code>{html.escape(path)}</code></h3><p>{_prose(operation['summary'])}. "
        f"{_prose(operation.get('description', ''))}</p>"
    )
    parameters = [*shared, *operation.get("parameters", [])]
    rows = [
        (item["name"], f"{item['in']}, {_type(item['schema'])}", item.get("description", ""))
        for item in parameters
    ]
    if rows:
        yield "<h4>Parameters</h4>"
        yield from _table(("name", "type", ""), rows)
    if "requestBody" in operation:
        yield f"<h4>Body</h4><p>{_type(_schema(operation['requestBody']['content']))}</p>"
    yield "<h4>Answers</h4>"
    yield from _table(
        ("status", "body", ""),
        [
            (status, _type(_schema(answer["content"])), answer["description"])
            for status, answer in operation["responses"].items()
        ],
    )


def _problems() -> Iterator[str]:
    yield "<h2>Problems</h2><div class='scroll'><table><tr><th>code</th><th>status</th><th></th></tr>"
    for code, kind in KINDS.items():
        yield (
            f'<tr id="problem-{code}"><td><code>{code}</code></td><td>{kind.status}</td>'
            f"<td>{html.escape(kind.title)}</td></tr>"
        )
    yield "</table></div>"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Cells: the first is a name, the second is markup already, the others are prose."""
    if not rows:
        return
    yield "<div class='scroll'><table><tr>" + "".join(f"<th>{name}</th>" for name in head) + "</tr>"
    for name, markup, *prose in rows:
        cells = "".join(f"<td>{_prose(text)}</td>" for text in prose)
        yield f"<tr><td><code>{html.escape(name)}</code></td><td>{markup}</td>{cells}</tr>"
    yield "</table></div>"


def _schema(content: JSON) -> JSON:
    schema: JSON = next(iter(content.values()))["schema"]
    return schema


def _type(schema: JSON) -> str:
    """A short name of a JSON schema, with links to models; markup."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#model-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(item) for item in schema["anyOf"])
    if "allOf" in schema:
        return " and ".join(_type(item) for item in schema["allOf"])
    if "enum" in schema:
        return " ".join(f"<code>{html.escape(json.dumps(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{html.escape(json.dumps(schema['const']))}</code>"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    words = [schema.get("format") or schema.get("type") or "any JSON"]
    bounds = {"minimum": "≥", "maximum": "≤", "minLength": "length ≥", "maxLength": "length ≤"}
    words += [f"{sign} {schema[key]}" for key, sign in bounds.items() if key in schema]
    text = html.escape(" ".join(words))
    default = schema.get("default")
    return (
        text if default in (None, "") else f"{text}, default <code>{html.escape(json.dumps(default))}</code>"
    )


def _prose(text: str) -> str:
    """Text with `code` in it."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
