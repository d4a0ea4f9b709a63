"""TLS of the public listener: the operator's certificate, or one that we make ourselves.

Browsers give camera and microphone only to `https://` pages (and to localhost), so trying the product with
a phone on the same network needs a certificate. A self-signed one is enough for that: the phone asks once.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signalling.errors import SecretsError, SettingsError
from signalling.network import lan_address
from signalling.secrets import replace_private
from signalling.settings import Settings

VALIDITY = timedelta(days=397)
"""Apple's devices refuse a certificate that is valid for longer than 398 days."""
RENEW_BEFORE = timedelta(days=30)


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """The public listener's TLS context; None if it is to be plain.

    Raises:
        SettingsError: the operator's files cannot be used.
        SecretsError: our own certificate cannot be read or written.
    """
    tls = settings.public.tls
    if tls == "off":
        return None
    if tls == "auto":
        host = urlsplit(settings.public.base_url).hostname or "localhost"
        names = list(dict.fromkeys([host, "localhost", "127.0.0.1", lan_address()]))
        certificate = key = own_certificate(settings.secrets_dir, names)
    else:
        first, _, second = tls.partition(",")
        certificate, key = Path(first.strip()), Path(second.strip())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"SIGHTLINE_TLS: {certificate}, {key}: {error.strerror or error}") from error
    return context


def own_certificate(directory: Path, names: Sequence[str], now: datetime | None = None) -> Path:
    """Make a self-signed certificate, unless there is one that still fits.

    Returns:
        A PEM file with key and certificate, 0600.
    Raises:
        SecretsError
    """
    now = now or datetime.now(UTC)
    path = directory / "tls-auto.pem"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _fits(path, names, now):
            replace_private(path, _make(names, now))
    except OSError as error:
        raise SecretsError(f"{path}: {error.strerror}") from error
    return path


def _fits(path: Path, names: Sequence[str], now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return False
    return (
        set(_alternative_names(names)) <= set(covered)
        and now + RENEW_BEFORE < certificate.not_valid_after_utc
    )


def _make(names: Sequence[str], now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sightline (self-signed)")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks of phones may be slow
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectAlternativeName(_alternative_names(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def _alternative_names(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found
