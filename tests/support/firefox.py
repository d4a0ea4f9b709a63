"""The real Firefox of the system, headless, driven over WebDriver BiDi (https://w3c.github.io/webdriver-bidi/).

Firefox speaks BiDi itself, on a WebSocket, so nothing stands between it and the test. Its fake camera shows
changing colours and its fake microphone hums; the profile is fresh each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.page import PRELOAD

EXECUTABLE = "/usr/bin/firefox-esr"
START_TIMEOUT_S = 60.0
COMMAND_TIMEOUT_S = 20.0

_LISTENING = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")

PREFERENCES: dict[str, str | int | bool] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "permissions.default.geo": 2,
    # No traffic of its own: no updates, no telemetry, no blocklists, no captive portal probe.
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "browser.newtabpage.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.healthreport.uploadEnabled": False,
    "toolkit.telemetry.server": "",
    "extensions.update.enabled": False,
    "extensions.blocklist.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "intl.accept_languages": "en-GB, en",
}


class BidiError(Exception):
    """Firefox answered a command with an error."""


class BidiConnection:
    """Commands and events of one BiDi WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.log: list[str] = []
        self._reader = asyncio.create_task(self._read(), name="bidi-reader")

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends a command and returns its result.

        Raises:
            BidiError: Firefox refused it, or the connection is gone.
            TimeoutError: no answer within `COMMAND_TIMEOUT_S`.
        """
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            await self._socket.send_json({"id": number, "method": method, "params": params})
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                return await answer
        finally:
            del self._answers[number]

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            data = json.loads(message.data)
            if data.get("type") == "event":
                entry = data["params"]
                if data["method"] == "log.entryAdded" and entry["level"] == "error" and _calls(entry):
                    self.log.append(_problem(entry))
                continue
            answer = self._answers.get(data.get("id"))
            if answer is None or answer.done():
                continue
            if data["type"] == "success":
                answer.set_result(data["result"])
            else:
                answer.set_exception(BidiError(f"{data.get('error')}: {data.get('message')}"))
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(BidiError("the connection is closed"))

    async def aclose(self) -> None:
        await self._socket.close()
        await self._reader


def _calls(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Where a log entry comes from. Empty for faults inside Firefox, which no script of a page made: 140 logs
    "Permission denied to access property" whenever a page with a preload script opens."""
    calls: list[dict[str, Any]] = entry.get("stackTrace", {}).get("callFrames", [])
    return calls


def _problem(entry: dict[str, Any]) -> str:
    """A log entry in one line: what and where."""
    places = [f"{call['functionName']} {call['url']}:{call['lineNumber']}" for call in _calls(entry)[:4]]
    return " < ".join([str(entry.get("text")), *places])


class FirefoxPage:
    """Implements `tests.support.page.Page`."""

    def __init__(self, bidi: BidiConnection, context: str) -> None:
        self._bidi = bidi
        self._context = context

    @property
    def problems(self) -> list[str]:
        return self._bidi.log

    async def open(self, url: str) -> None:
        await self._bidi.command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def reload(self) -> None:
        await self._bidi.command("browsingContext.reload", context=self._context, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        result = await self._bidi.command(
            "script.evaluate",
            # JSON spares us BiDi's own serialisation; undefined becomes null.
            expression=f"(async () => JSON.stringify(await ({expression.strip()}) ?? null))()",
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if result["type"] == "exception":
            raise BidiError(result["exceptionDetails"]["text"])
        return json.loads(result["result"]["value"])

    def _visible(self, testid: str) -> str:
        return f"[...document.querySelectorAll('[data-testid=\"{testid}\"]')].find(e => e.checkVisibility())"

    async def click(self, testid: str) -> None:
        await self.evaluate(f"{self._visible(testid)}.click()")

    async def fill(self, testid: str, text: str) -> None:
        # Through the prototype's setter, as typing does: a framework may have put its own on the element.
        await self.evaluate(
            f"(e => {{ Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set"
            f".call(e, {json.dumps(text)}); e.dispatchEvent(new InputEvent('input', {{bubbles: true}})); }})"
            f"({self._visible(testid)})"
        )

    async def aclose(self) -> None:
        await self._bidi.command("browsingContext.close", context=self._context)


def _write_profile(directory: Path) -> None:
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (directory / "user.js").write_text("\n".join(lines) + "\n")


async def _address(process: asyncio.subprocess.Process) -> str:
    """Where Firefox says that it listens."""
    assert process.stderr is not None
    async with asyncio.timeout(START_TIMEOUT_S):
        async for line in process.stderr:
            match = _LISTENING.search(line)
            if match:
                return match.group(1).decode()
    raise RuntimeError(f"Firefox ended with {await process.wait()} before it listened")


@contextlib.asynccontextmanager
async def firefox_page() -> AsyncIterator[FirefoxPage]:
    """A page in a Firefox of its own; position denied, camera and microphone fake and allowed."""
    with tempfile.TemporaryDirectory(prefix="sightline-firefox-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        profile, home = directory / "profile", directory / "home"
        profile.mkdir()
        home.mkdir()
        _write_profile(profile)
        process = await asyncio.create_subprocess_exec(
            *(
                EXECUTABLE,
                "--headless",
                "--no-remote",
                "--remote-debugging-port=0",
                "--profile",
                str(profile),
            ),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HOME": str(home), "MOZ_CRASHREPORTER_DISABLE": "1"},
            start_new_session=True,
        )
        drain: asyncio.Task[bytes] | None = None
        try:
            address = await _address(process)
            assert process.stderr is not None
            drain = asyncio.create_task(process.stderr.read(), name="firefox-stderr")
            async with (
                aiohttp.ClientSession() as http,
                http.ws_connect(f"{address}/session", max_msg_size=0) as socket,
            ):
                bidi = BidiConnection(socket)
                await bidi.command("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
                await bidi.command("session.subscribe", events=["log.entryAdded"])
                await bidi.command("script.addPreloadScript", functionDeclaration=f"() => {{ {PRELOAD} }}")
                created = await bidi.command("browsingContext.create", type="tab")
                yield FirefoxPage(bidi, created["context"])
                with contextlib.suppress(BidiError, TimeoutError):
                    await bidi.command("browser.close")
                await bidi.aclose()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            if drain is not None:
                await drain
