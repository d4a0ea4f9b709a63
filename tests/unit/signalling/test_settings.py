from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from signalling.errors import SettingsError
from signalling.settings import PREFIX, SHORT_NAMES, PublicSettings, Settings, leaves, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for leaf in leaves():
        monkeypatch.delenv(leaf.env, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_defaults_run_everything_on_one_machine() -> None:
    settings = load_settings()
    assert settings.public.base_url == "http://localhost:8080"
    assert (settings.internal.host, settings.internal.port) == ("127.0.0.1", 8081)
    assert settings.media.port == 8082
    assert settings.data_dir == Path("data")
    assert settings.database == f"sqlite:///{Path.cwd()}/data/sightline.db"
    assert settings.recorder.directory == Path("data/recordings")


def test_a_variable_wins_over_the_file_and_the_command_line_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(
        "SIGHTLINE_PUBLIC_PORT=1001\nSIGHTLINE_INTERNAL_PORT=1002\nSIGHTLINE_MEDIA_PORT=1003\nOTHER=1\n"
    )
    monkeypatch.setenv("SIGHTLINE_INTERNAL_PORT", "2002")
    monkeypatch.setenv("SIGHTLINE_PUBLIC_PORT", "2001")
    settings = load_settings(public={"port": 3001})
    assert (settings.public.port, settings.internal.port, settings.media.port) == (3001, 2002, 1003)


def test_every_setting_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "SIGHTLINE_DATA_DIR": "/srv/sightline",
        "SIGHTLINE_DATABASE_URL": "postgresql://u:p@db/sightline",
        "SIGHTLINE_ENTERPRISE": "7",
        "SIGHTLINE_PUBLIC_URL": "https://Sight.Example/",
        "SIGHTLINE_PUBLIC_HOST": "::",
        "SIGHTLINE_PUBLIC_PORT": "443",
        "SIGHTLINE_TLS": "cert.pem,key.pem",
        "SIGHTLINE_FRAME_ANCESTORS": "https://a.example, https://b.example:8443",
        "SIGHTLINE_TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8",
        "SIGHTLINE_API_KEY": "k" * 32,
        "SIGHTLINE_MEDIA_ANNOUNCE": "192.0.2.7,2001:db8::7",
        "SIGHTLINE_MEDIA_VIDEO_CODECS": '["H264"]',
        "SIGHTLINE_LOG_LEVEL": "debug",
        "SIGHTLINE_LOG_FORMAT": "json",
    }
    assert values.keys() <= {leaf.env for leaf in leaves()}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.public.url == "https://sight.example"
    assert settings.public.frame_ancestors == ("https://a.example", "https://b.example:8443")
    assert [str(network) for network in settings.public.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert [str(address) for address in settings.media.announced_addresses] == ["192.0.2.7", "2001:db8::7"]
    assert settings.media.video_codecs == ("H264",)
    assert settings.recorder.directory == Path("/srv/sightline/recordings")
    assert settings.database == "postgresql://u:p@db/sightline"
    assert settings.internal.api_key is not None
    assert "kkkk" not in repr(settings)
    assert "u:p" not in repr(settings)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_PUBLIC_PORT", "")
    assert load_settings().public.port == 8080


def test_a_misspelt_variable_is_an_error_that_names_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_MEDIA_PRT", "1")
    with pytest.raises(SettingsError, match="SIGHTLINE_MEDIA_PORT"):
        load_settings()


def test_a_misspelt_name_in_the_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SIGHTLINE_WHAT=1\n")
    with pytest.raises(SettingsError, match=r"SIGHTLINE_WHAT \(\.env\)"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGHTLINE_PUBLIC_PORT", "80a"),
        ("SIGHTLINE_PUBLIC_PORT", "65536"),
        ("SIGHTLINE_PUBLIC_URL", "sight.example"),
        ("SIGHTLINE_PUBLIC_URL", "https://sight.example/app"),
        ("SIGHTLINE_PUBLIC_URL", "https://user@sight.example"),
        ("SIGHTLINE_PUBLIC_URL", "https://sight.example:99999"),
        ("SIGHTLINE_API_KEY", "short"),
        ("SIGHTLINE_TLS", "on"),
        ("SIGHTLINE_TLS", "cert.pem,"),
        ("SIGHTLINE_FRAME_ANCESTORS", "*"),
        ("SIGHTLINE_TRUSTED_PROXIES", "everyone"),
        ("SIGHTLINE_MEDIA_ANNOUNCE", "[1,"),
        ("SIGHTLINE_LOG_LEVEL", "loud"),
    ],
)
def test_a_value_that_cannot_work_is_told_under_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert value == "short" or "input_value" not in caught.value.message


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_PUBLIC_PORT", "0")
    monkeypatch.setenv("SIGHTLINE_MEDIA_PORT", "-1")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert len(caught.value.message.splitlines()) == 2


def test_the_secret_is_not_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_API_KEY", "hunter2")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "hunter2" not in caught.value.message


def test_every_setting_is_described_and_has_one_name() -> None:
    found = list(leaves())
    assert all(leaf.field.description for leaf in found)
    assert len({leaf.env for leaf in found}) == len(found)
    assert all(leaf.env.startswith(PREFIX) for leaf in found)
    assert SHORT_NAMES.keys() <= {leaf.path for leaf in found}


def test_the_tree_is_frozen() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.public.port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.enterprise = 2  # type: ignore[misc]


def test_with_tls_the_address_is_https() -> None:
    assert PublicSettings(tls="auto", port=443).base_url == "https://localhost:443"


@given(st.text(max_size=60))
def test_any_address_is_accepted_or_refused_with_a_reason(text: str) -> None:
    try:
        settings = PublicSettings(url=text)
    except ValidationError:
        return
    assert settings.base_url.startswith(("http://", "https://"))
    assert not settings.base_url.endswith("/")


def test_settings_can_be_built_in_code(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).recorder.directory == tmp_path / "recordings"
