"""The command line, `sightline`.

    sightline serve [--demo] [--tls auto|off|<certificate>,<key>]
    sightline room create [--reference …] [--json]
    sightline config [--json]

`room` talks to the running server through its internal API. A mistake of the operator's is told in words on
standard error, with exit status 1.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from signalling.datadir import locked
from signalling.demo import show_demo
from signalling.errors import OperatorError
from signalling.internal_client import create_room
from signalling.logging import configure_logging
from signalling.network import lan_address
from signalling.secrets import load_secrets, read_api_key
from signalling.settings import Leaf, Settings, leaves, load_settings
from signalling.tls import server_context

app = typer.Typer(
    help="Sightline: live video assistance, self-hosted.", no_args_is_help=True, add_completion=False
)
room_app = typer.Typer(help="Rooms of the running server.", no_args_is_help=True)
app.add_typer(room_app, name="room")


def main() -> None:
    app()


@app.command()
def serve(
    demo: Annotated[bool, typer.Option("--demo", help="Also create a room and print its links.")] = False,
    tls: Annotated[
        str | None,
        typer.Option(
            help="auto (own certificate), off, or <certificate file>,<key file>; see SIGHTLINE_TLS."
        ),
    ] = None,
) -> None:
    """Run the server until it is told to stop (SIGTERM, Ctrl-C)."""
    # Imported here: it brings the whole server, which the other commands do not need.
    from signalling.app import serve as run

    with _told_in_words():
        settings = _serve_settings(tls)
        configure_logging(settings.log)
        with locked(settings.data_dir):
            secrets = load_secrets(settings.secrets_dir, api_key=_own_key(settings))
            context = server_context(settings)

            async def on_ready() -> None:
                if demo:
                    await show_demo(settings, secrets.api_key, sys.stdout)

            asyncio.run(run(settings, secrets, tls=context, on_ready=on_ready))


@room_app.command("create")
def room_create(
    kind: Annotated[str, typer.Option(help="assistance or meeting.")] = "assistance",
    reference: Annotated[str | None, typer.Option(help="Your number for the case.")] = None,
    name: Annotated[str | None, typer.Option(help="What the room is called.")] = None,
    agent: Annotated[str | None, typer.Option(help="Who will handle it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole room.")] = False,
) -> None:
    """Create a room and print its links."""
    with _told_in_words():
        settings = load_settings()
        key = _own_key(settings) or read_api_key(settings.secrets_dir)
        wanted = {"kind": kind, "reference": reference, "name": name, "agent": agent}
        room = asyncio.run(create_room(settings.internal, key, wanted))
    if as_json:
        typer.echo(json.dumps(room, indent=2, ensure_ascii=False))
    else:
        typer.echo(f"requester  {room['requestor_url']}\nagent      {room['agent_url']}")


@app.command()
def config(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List every setting: variable, value, default, what it does."""
    with _told_in_words():
        settings = load_settings()
    rows = [_describe(leaf, settings) for leaf in leaves()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        typer.secho(row["variable"], bold=True, nl=False)
        typer.echo(
            f" = {row['value']}"
            + ("" if row["value"] == row["default"] else f"   (default {row['default']})")
        )
        typer.echo(f"    {row['description']}")


def _serve_settings(tls: str | None) -> Settings:
    """The settings, with the command line's, and with the address that a phone can reach."""
    public: dict[str, Any] = {} if tls is None else {"tls": tls}
    settings = load_settings(public=public)
    if settings.public.tls == "auto" and settings.public.url is None:
        public["url"] = f"https://{lan_address()}:{settings.public.port}"
        settings = load_settings(public=public)
    return settings


def _own_key(settings: Settings) -> str | None:
    """The API key that the operator chose, if so."""
    key = settings.internal.api_key
    return None if key is None else key.get_secret_value()


def _describe(leaf: Leaf, settings: Settings) -> dict[str, str]:
    value: Any = settings
    for part in leaf.path:
        value = getattr(value, part)
    return {
        "variable": leaf.env,
        "value": _text(value),
        "default": _text(leaf.field.get_default(call_default_factory=True, validated_data={})),
        "description": leaf.field.description or "",
    }


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, SecretStr):
        return "********"
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value) or "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


@contextmanager
def _told_in_words() -> Iterator[None]:
    try:
        yield
    except OperatorError as error:
        message = error.message
    except OSError as error:
        if error.filename is None:
            raise
        message = f"{error.filename}: {error.strerror}"  # a file that may not be read, a disk that is full
    else:
        return
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(1)
