import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from signalling.errors import SecretsError
from signalling.secrets import Secrets, load_secrets, read_api_key, replace_private


def values(secrets: Secrets) -> list[bytes]:
    return [
        secrets.api_key.encode(),
        secrets.agent_token_key,
        secrets.resume_token_key,
        secrets.media_url_key,
    ]


def test_keys_are_made_once_one_for_each_purpose(tmp_path: Path) -> None:
    first = load_secrets(tmp_path / "secrets")
    assert len(set(values(first))) == 4
    assert all(len(value) >= 32 for value in values(first))
    assert load_secrets(tmp_path / "secrets") == first
    assert read_api_key(tmp_path / "secrets") == first.api_key


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    load_secrets(tmp_path / "secrets")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    for path in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_half_written_is_left_behind(tmp_path: Path) -> None:
    load_secrets(tmp_path)
    replace_private(tmp_path / "api-key", b"x" * 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "agent-token-key",
        "api-key",
        "media-url-key",
        "resume-token-key",
    ]


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_secrets(tmp_path / "secrets"), range(16)))
    assert len({secrets.api_key for secrets in found}) == 1
    assert len({secrets.media_url_key for secrets in found}) == 1


def test_the_operators_own_key_is_used_and_none_is_made(tmp_path: Path) -> None:
    assert load_secrets(tmp_path, api_key="k" * 32).api_key == "k" * 32
    assert not (tmp_path / "api-key").exists()


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_secrets(tmp_path)
    (tmp_path / "api-key").chmod(0o640)
    with pytest.raises(SecretsError, match="chmod 600"):
        load_secrets(tmp_path)
    with pytest.raises(SecretsError, match="chmod 600"):
        read_api_key(tmp_path)


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 64, b"z" * 64])
def test_a_damaged_file_is_told_in_words(tmp_path: Path, content: bytes) -> None:
    load_secrets(tmp_path)
    (tmp_path / "media-url-key").write_bytes(content)
    with pytest.raises(SecretsError, match="damaged"):
        load_secrets(tmp_path)


def test_a_directory_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SecretsError, match="file"):
        load_secrets(tmp_path / "file" / "secrets")


def test_no_key_yet_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match="has the server been started"):
        read_api_key(tmp_path)
    assert os.listdir(tmp_path) == []


def test_keys_are_not_in_the_repr(tmp_path: Path) -> None:
    secrets = load_secrets(tmp_path)
    assert repr(secrets) == "Secrets()"
