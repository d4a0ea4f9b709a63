import asyncio
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from signalling.errors import SecretsError, SettingsError
from signalling.settings import Settings
from signalling.tls import RENEW_BEFORE, VALIDITY, own_certificate, server_context

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_our_own_certificate_names_hosts_and_addresses(tmp_path: Path) -> None:
    path = own_certificate(tmp_path, ["sight.example", "192.0.2.7", "2001:db8::7"], NOW)
    names = read(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["sight.example"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.7", "2001:db8::7"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_phones_accept_how_long_it_is_valid(tmp_path: Path) -> None:
    certificate = read(own_certificate(tmp_path, ["localhost"], NOW))
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= timedelta(days=398)


def test_the_certificate_is_kept_while_it_fits(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, ["localhost", "192.0.2.7"], NOW).read_bytes()
    assert own_certificate(tmp_path, ["192.0.2.7"], NOW + timedelta(days=300)).read_bytes() == first


@pytest.mark.parametrize(
    ("names", "later"),
    [(["192.0.2.8"], timedelta(0)), (["localhost"], VALIDITY - RENEW_BEFORE)],
    ids=["other name", "soon over"],
)
def test_a_certificate_that_no_longer_fits_is_replaced(
    tmp_path: Path, names: list[str], later: timedelta
) -> None:
    first = own_certificate(tmp_path, ["localhost"], NOW).read_bytes()
    assert own_certificate(tmp_path, names, NOW + later).read_bytes() != first


def test_a_damaged_certificate_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "tls-auto.pem").write_text("nonsense")
    assert read(own_certificate(tmp_path, ["localhost"], NOW))


def test_a_directory_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SecretsError):
        own_certificate(tmp_path / "file" / "x", ["localhost"], NOW)


async def test_a_client_that_trusts_it_can_connect(tmp_path: Path) -> None:
    context = server_context(Settings(data_dir=tmp_path, public={"tls": "auto"}))
    assert context is not None
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    client = ssl.create_default_context(cafile=str(tmp_path / "secrets" / "tls-auto.pem"))
    _reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client, server_hostname="localhost"
    )
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    writer.close()
    server.close()


def test_without_tls_there_is_no_context_and_no_file(tmp_path: Path) -> None:
    assert server_context(Settings(data_dir=tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


def test_the_operators_files_are_used_or_told_in_words(tmp_path: Path) -> None:
    path = own_certificate(tmp_path, ["localhost"], NOW)
    assert server_context(Settings(data_dir=tmp_path, public={"tls": f"{path}, {path}"})) is not None
    with pytest.raises(SettingsError, match="SIGHTLINE_TLS"):
        server_context(Settings(data_dir=tmp_path, public={"tls": f"{path},{tmp_path}/missing.pem"}))
