"""Secrets that nobody has to invent: generated on first start, kept under the data directory.

One file per purpose in `<data dir>/secrets` (directory 0700, files 0600), so that each can be replaced
alone: delete the file and start again. A file appears complete or not at all, also when two processes
start at once.
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from signalling.errors import SecretsError

_KEY_BYTES = 32
_API_KEY_FILE = "api-key"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Every key of this installation. Each signs one kind of thing only."""

    api_key: str = field(repr=False)
    """Bearer key of the internal API."""
    agent_token_key: bytes = field(repr=False)
    """HS256 key of agent links."""
    resume_token_key: bytes = field(repr=False)
    """HS256 key of resume tokens."""
    media_url_key: bytes = field(repr=False)
    """HMAC key of media addresses."""


def load_secrets(directory: Path, *, api_key: str | None = None) -> Secrets:
    """Read the keys, generating those that do not exist yet.

    Args:
        directory: made if missing.
        api_key: the operator's own; then none is generated.
    Raises:
        SecretsError: unreadable, malformed, or readable by others.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if api_key is None:
            api_key = _load(directory / _API_KEY_FILE)
        return Secrets(
            api_key=api_key,
            agent_token_key=bytes.fromhex(_load(directory / "agent-token-key")),
            resume_token_key=bytes.fromhex(_load(directory / "resume-token-key")),
            media_url_key=bytes.fromhex(_load(directory / "media-url-key")),
        )
    except ValueError:
        raise SecretsError(f"A key file in {directory} is damaged: delete it to get a new key.") from None
    except OSError as error:
        raise SecretsError(f"{error.filename}: {error.strerror}") from error


def read_api_key(directory: Path) -> str:
    """The generated API key, for commands that talk to the running server.

    Raises:
        SecretsError: no server has run with this data directory, or as `load_secrets`.
    """
    path = directory / _API_KEY_FILE
    try:
        return _read(path)
    except FileNotFoundError:
        raise SecretsError(f"There is no key at {path}: has the server been started here?") from None
    except OSError as error:
        raise SecretsError(f"{path}: {error.strerror}") from error


def _load(path: Path) -> str:
    if not path.exists():
        create_private(path, secrets.token_hex(_KEY_BYTES).encode() + b"\n")
    return _read(path)


def _read(path: Path) -> str:
    mode = path.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretsError(f"{path} can be read by other users: chmod 600 it, or delete it to get a new key.")
    text = path.read_text("ascii").strip()
    if len(text) < 2 * _KEY_BYTES:
        raise SecretsError(f"{path} is damaged: delete it to get a new key.")
    return text


def create_private(path: Path, content: bytes) -> None:
    """Create a file 0600 with its whole content, durably; leave one that exists as it is."""
    temporary = _write_beside(path, content)
    try:
        os.link(temporary, path)  # unlike rename, this never replaces what another process has put there
    except FileExistsError:
        return
    finally:
        temporary.unlink()
    _sync_directory(path.parent)


def replace_private(path: Path, content: bytes) -> None:
    """Write a file 0600 with its whole content, durably, in place of one that may exist."""
    _write_beside(path, content).replace(path)
    _sync_directory(path.parent)


def _write_beside(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink()
        raise
    return temporary


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
