"""TLS towards clients: certificates chosen by server name, and swapped while clients are connected.

1. A certificate is chosen by its names: the exact one first, then the wildcard one label up, else
   the first certificate. Of several with one name, the first counts.
2. A reload changes handshakes that begin after it. Connections keep what they have; a reload that
   fails changes nothing.
3. A ticket that was given under any name is taken by the same process until the next reload, which
   makes new ticket keys: so old traffic is not readable for ever by who gets hold of the memory.

Python's ssl cannot be given ticket keys, so the workers of one proxy do not take each other's
tickets: with N workers, (N - 1) / N of the clients that come back make a full handshake, some 1 ms
of CPU with ECDSA certificates and 2 ms with RSA ones, and one more round trip under TLS 1.2.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from gslb.errors import ConfigError, Problem
from gslb.model.proxy import Certificate

HTTP_PROTOCOLS = ("http/1.1",)
"""What HTTP listeners agree to in ALPN; TCP listeners offer nothing."""

# Forward secret and authenticated ones only, as the intermediate settings of Mozilla without its
# finite-field groups; TLS 1.3 brings its own three.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
TICKETS = 2  # for each full handshake of TLS 1.3, for clients that open several connections at once


class NamedSession(ssl.SSLObject):
    """A connection's TLS state. asked_name: the server name of the client, lower case."""

    asked_name: str | None = None


class ServerTls:
    """The TLS of one listener.

    context: for the handshakes that begin now; ask for it anew at each. protocols: for ALPN. Raises
    ConfigError with a problem for each file that cannot be used.
    """

    def __init__(
        self, certificates: Sequence[Certificate], *, protocols: Sequence[str] = HTTP_PROTOCOLS
    ) -> None:
        self._protocols = tuple(protocols)
        self.context = self._build(certificates)

    def reload(self, certificates: Sequence[Certificate]) -> None:
        """Reads certificates, the old or other ones, for the handshakes to come (law 2).

        Blocks for some milliseconds a file. Raises ConfigError, as the constructor does.
        """
        self.context = self._build(certificates)

    def _build(self, certificates: Sequence[Certificate]) -> ssl.SSLContext:
        """The context of the first certificate, which knows those of the others."""
        loaded: list[tuple[ssl.SSLContext, tuple[str, ...]]] = []
        problems: list[Problem] = []
        for each in certificates:
            try:
                loaded.append(load_certificate(each, protocols=self._protocols))
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems)
        by_name: dict[str, ssl.SSLContext] = {}
        for context, names in loaded:
            for name in names:
                by_name.setdefault(name, context)
        first = loaded[0][0]
        first.sslobject_class = NamedSession
        first.sni_callback = _Chooser(by_name)
        return first


class _Chooser:
    """What OpenSSL asks for the context of a server name. Its names belong to one build, so a
    handshake that began before a reload ends with the certificates it began with.
    """

    def __init__(self, by_name: dict[str, ssl.SSLContext]) -> None:
        self._by_name = by_name

    def __call__(
        self, session: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext
    ) -> None:
        if name is None:
            return
        name = name.lower()
        if isinstance(session, NamedSession):
            session.asked_name = name
        chosen = self._by_name.get(name) or self._by_name.get("*." + name.partition(".")[2])
        if chosen is not None:
            session.context = chosen


def load_certificate(
    certificate: Certificate, *, protocols: Sequence[str] = HTTP_PROTOCOLS
) -> tuple[ssl.SSLContext, tuple[str, ...]]:
    """A context that serves one certificate, and the names it is for, in lower case.

    Raises ConfigError, naming the file and what is wrong with it.
    """
    chain, key = Path(certificate.certificate), Path(certificate.key)
    names = _names(chain, _read(chain))
    _read(key)
    context = _new_context(protocols)
    try:
        # An encrypted key must fail: OpenSSL would ask for its password on the terminal, and wait.
        context.load_cert_chain(chain, key, password=_no_password)
    except (ssl.SSLError, _EncryptedError) as error:
        raise _problem(key, _describe(error, chain)) from error
    return context, names


def _new_context(protocols: Sequence[str]) -> ssl.SSLContext:
    """A context without a certificate. Python gives it a session id context, and the server's order
    of ciphers counts.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= (
        ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.num_tickets = TICKETS
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def _names(path: Path, octets: bytes) -> tuple[str, ...]:
    """The DNS names of a chain's first certificate, its own."""
    try:
        own = x509.load_pem_x509_certificates(octets)[0]
        extension = own.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()  # it can be the first one, for clients that ask for no name
    except ValueError as error:
        raise _problem(path, "holds no certificate in PEM form that can be read") from error
    return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _problem(path, f"cannot be read: {error.strerror}") from error


class _EncryptedError(Exception):
    """The key needs a password."""


def _no_password() -> str:
    raise _EncryptedError


def _describe(error: Exception, chain: Path) -> str:
    if isinstance(error, _EncryptedError):
        return "is encrypted; a server's key must be readable without a password"
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        return f"is not the key of the certificate in {chain}"
    if reason in ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"):
        return f"or the chain in {chain} is too weak to be used ({reason})"
    return f"holds no private key in PEM form that can be used with {chain} ({reason})"


def _problem(path: Path, message: str) -> ConfigError:
    return ConfigError([Problem(file=str(path), line=0, column=0, path="", message=message)])
