"""Certificates made for one test, and the authority that signed them."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """`server` is what a relay shows; `client` trusts only who signed it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def certificate(folder: Path, *, host: str = "127.0.0.1", days: int = 30) -> Certificate:
    """A certificate for `host`, valid for `days` more; a negative number has passed."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    ends = datetime.now(UTC) + timedelta(days=days)
    started = ends - timedelta(days=60)
    authority = (
        _builder(authority_name, authority_key, authority_name, started, ends + timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    shown = (
        _builder(name, key, authority_name, started, ends)
        .add_extension(x509.SubjectAlternativeName([_general(host)]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    chain, trusted = folder / "relay.pem", folder / "authority.pem"
    chain.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + shown.public_bytes(serialization.Encoding.PEM)
    )
    trusted.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain)
    return Certificate(server, ssl.create_default_context(cafile=trusted))


def _builder(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    started: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(started)
        .not_valid_after(ends)
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
