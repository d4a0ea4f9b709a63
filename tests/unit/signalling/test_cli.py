import json
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from signalling.cli import app
from signalling.datadir import locked
from signalling.demo import demo_text
from signalling.settings import leaves, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for leaf in leaves():
        monkeypatch.delenv(leaf.env, raising=False)
    monkeypatch.chdir(tmp_path)


def test_config_lists_every_setting_with_its_description() -> None:
    result = CliRunner().invoke(app, ["config"])
    assert result.exit_code == 0
    for leaf in leaves():
        assert f"{leaf.env} = " in result.output
        assert (leaf.field.description or "?") in result.output


def test_config_masks_secrets_and_marks_what_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_API_KEY", "secret-" * 8)
    monkeypatch.setenv("SIGHTLINE_DATABASE_URL", "postgresql://user:hunter2@db/x")
    monkeypatch.setenv("SIGHTLINE_PUBLIC_PORT", "9000")
    plain = CliRunner().invoke(app, ["config"])
    assert "SIGHTLINE_PUBLIC_PORT = 9000   (default 8080)" in plain.output
    result = CliRunner().invoke(app, ["config", "--json"])
    rows = {row["variable"]: row for row in json.loads(result.output)}
    assert rows["SIGHTLINE_API_KEY"]["value"] == "********"
    for output in (plain.output, result.output):
        assert "secret-" not in output
        assert "hunter2" not in output


def test_a_wrong_setting_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_PUBLIC_PORT", "many")
    for command in (["config"], ["serve"], ["room", "create"]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 1
        assert "SIGHTLINE_PUBLIC_PORT" in result.output
        assert "Traceback" not in result.output


def test_room_create_without_a_server_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["room", "create"])
    assert result.exit_code == 1
    assert "has the server been started" in result.output
    monkeypatch.setenv("SIGHTLINE_API_KEY", "k" * 32)
    monkeypatch.setenv("SIGHTLINE_INTERNAL_PORT", "1")
    result = CliRunner().invoke(app, ["room", "create"])
    assert result.exit_code == 1
    assert "is it running?" in result.output


def test_a_second_server_with_the_same_data_is_told_in_words(tmp_path: Path) -> None:
    with locked(tmp_path / "data"):
        result = CliRunner().invoke(app, ["serve"])
    assert result.exit_code == 1
    assert "Another server is running" in result.output


def test_the_demo_tells_both_links_and_what_to_do_with_them() -> None:
    room = {"requestor_url": "https://192.0.2.7:8080/?a", "agent_url": "https://192.0.2.7:8080/agent?b"}
    end = datetime(2026, 3, 1, 15, 30)
    plain = demo_text(room, load_settings(), end)
    assert room["requestor_url"] in plain
    assert room["agent_url"] in plain
    assert "15:30" in plain
    assert "--tls auto" in plain
    assert "scan the code" in demo_text(room, load_settings(public={"tls": "auto"}), end)
