"""TLS towards a PMS: whom we trust, what we accept at least, and the certificate that some want to see of us."""

import hashlib
import ssl
import tempfile
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from pydantic import SecretStr

from app.domain.errors import CredentialsUnreadable, InvalidRequest

CERT, KEY = "client_cert", "client_key"
"""The names of the two among a hotel's credentials."""


@dataclass(frozen=True)
class ClientCertificate:
    """A certificate (PEM, with its chain where there is one) and its private key (PEM, without a passphrase)."""

    cert: SecretStr
    key: SecretStr

    @cached_property
    def fingerprint(self) -> str:
        """Tell certificates apart by what everybody may see of them."""
        return hashlib.sha256(self.cert.get_secret_value().encode()).hexdigest()

    @cached_property
    def ends(self) -> datetime:
        """Give the instant after which nobody accepts it.

        Raises:
            InvalidRequest: it is no certificate.
        """
        return self._leaf.not_valid_after_utc

    def require_pair(self) -> None:
        """Refuse what is no certificate, no key, or not the key of this certificate.

        Raises:
            InvalidRequest: with the credential that is to blame.
        """
        wanted = self._leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        try:
            key = load_pem_private_key(self.key.get_secret_value().encode(), password=None)
        except TypeError:
            raise InvalidRequest.of(("credentials", KEY), "must not be protected by a passphrase") from None
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidRequest.of(("credentials", KEY), "is no private key in PEM form") from None
        if key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != wanted:
            raise InvalidRequest.of(("credentials", KEY), f"is not the private key of {CERT}")

    def require_usable(self) -> None:
        """Refuse a pair that no TLS connection can be made with.

        Raises:
            InvalidRequest: with the credential that is to blame.
        """
        showing(self)

    @cached_property
    def _leaf(self) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificates(self.cert.get_secret_value().encode())[0]
        except ValueError:
            raise InvalidRequest.of(("credentials", CERT), "is no certificate in PEM form") from None


def trusting(ca_file: Path | None = None) -> ssl.SSLContext:
    """Make what speaks TLS 1.2 or newer with servers that the machine trusts, and those of `ca_file` beside them.

    Raises:
        OSError: `ca_file` cannot be read, or holds no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def showing(certificate: ClientCertificate, ca_file: Path | None = None) -> ssl.SSLContext:
    """Make what shows a certificate to servers that ask for one.

    Raises:
        InvalidRequest: certificate and key cannot be used.
        CredentialsUnreadable: this machine has no place for a temporary file.
    """
    certificate.require_pair()
    context = trusting(ca_file)
    text = f"{certificate.key.get_secret_value()}\n{certificate.cert.get_secret_value()}\n"
    try:
        # OpenSSL takes a chain from a file only: one that nobody else may read (0600), and that is gone at once.
        with tempfile.NamedTemporaryFile(prefix="pms-gateway-", suffix=".pem") as file:
            file.write(text.encode())
            file.flush()
            context.load_cert_chain(file.name)
    except ssl.SSLError:
        raise InvalidRequest.of(("credentials", CERT), "cannot be used: too weak, or not of one piece") from None
    except OSError:
        why = "the gateway has no folder for temporary files"
        raise CredentialsUnreadable(f"the client certificate of this hotel cannot be used now: {why}") from None
    return context
