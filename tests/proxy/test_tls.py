"""TLS towards clients over real sockets: which certificate, which protocols, reload, resumption."""

from __future__ import annotations

import asyncio
import ctypes
import platform
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gslb.errors import ConfigError
from gslb.model.proxy import Certificate
from gslb.proxy.memory import BUFFER_OCTETS, map_large_buffers
from gslb.proxy.tls import ServerTls
from tests.proxy.tcp_world import Authority, accepting, asked, connected, on_both_loops, run, until


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def names_of(writer: asyncio.StreamWriter) -> list[str]:
    """The names of the certificate that a client got."""
    octets = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    found = x509.load_der_x509_certificate(octets)
    extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


@on_both_loops
def test_certificate_is_chosen_by_server_name(loop, authority):
    first = authority.issue("first.example")
    wild = authority.issue("*.shop.example", "shop.example")
    exact = authority.issue("www.shop.example")
    shadowed = authority.issue("first.example", "other.example")
    cases = [
        ("first.example", "first.example"),
        ("WWW.Shop.Example", "www.shop.example"),
        ("api.shop.example", "*.shop.example"),
        ("shop.example", "*.shop.example"),
        ("other.example", "first.example"),  # told apart below: by its second name
        ("deep.api.shop.example", "first.example"),
        ("unknown.example", "first.example"),
        (None, "first.example"),
    ]

    async def scenario():
        async with accepting(ServerTls([first, wild, exact, shadowed])) as world:
            for asked_name, expected in cases:
                async with connected(world.address, authority.client(), asked_name) as (_, writer):
                    got = names_of(writer)
                    assert got[0] == expected, asked_name
                    assert ("other.example" in got) is (asked_name == "other.example")
                assert world.peers[-1].server_name == (asked_name and asked_name.lower())
                assert world.peers[-1].scheme == b"https"

    run(loop, scenario())


CLIENTS = {
    "tls 1.1": (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0", None),
    "tls 1.2": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "DEFAULT", "TLSv1.2"),
    "tls 1.2 without forward secrecy": (
        ssl.TLSVersion.TLSv1_2,
        ssl.TLSVersion.TLSv1_2,
        "kRSA",
        None,
    ),
    "tls 1.2 with CBC": (
        ssl.TLSVersion.TLSv1_2,
        ssl.TLSVersion.TLSv1_2,
        "ECDHE-ECDSA-AES128-SHA256",
        None,
    ),
    "tls 1.3": (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, "DEFAULT", "TLSv1.3"),
}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_only_modern_clients_are_served(client, authority):
    least, most, ciphers, version = client
    context = authority.client()
    context.minimum_version, context.maximum_version = least, most
    context.set_ciphers(ciphers)

    async def scenario():
        async with accepting(ServerTls([authority.issue("a.example")])) as world:
            if version is None:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    async with connected(world.address, context, "a.example"):
                        pass
                await until(lambda: world.acceptor.refused["handshake"] == 1)
                return
            async with connected(world.address, context, "a.example") as (reader, writer):
                session = writer.get_extra_info("ssl_object")
                assert session.version() == version
                assert session.compression() is None
                assert await asked(reader, writer, b"hello") == b"hello"

    run(asyncio.SelectorEventLoop, scenario())


@pytest.mark.parametrize(
    ("protocols", "offered", "agreed"),
    [
        (("http/1.1",), ["h2", "http/1.1"], "http/1.1"),
        (("http/1.1",), ["h2"], None),
        ((), ["http/1.1"], None),
    ],
)
def test_protocol_is_agreed_on_where_there_is_one(protocols, offered, agreed, authority):
    context = authority.client()
    context.set_alpn_protocols(offered)

    async def scenario():
        tls = ServerTls([authority.issue("a.example")], protocols=protocols)
        async with accepting(tls) as world, connected(world.address, context) as (_, writer):
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == agreed

    run(asyncio.SelectorEventLoop, scenario())


@on_both_loops
def test_reload_serves_new_certificate_and_keeps_connections(loop, authority):
    certificate = authority.issue("old.example")

    async def scenario():
        tls = ServerTls([certificate])
        client = authority.client()
        async with accepting(tls) as world, connected(world.address, client) as (reader, writer):
            assert names_of(writer) == ["old.example"]
            authority.write(Path(certificate.certificate), Path(certificate.key), "new.example")
            tls.reload([certificate])
            async with connected(world.address, client) as (_, other):
                assert names_of(other) == ["new.example"]
            assert await asked(reader, writer, b"still here") == b"still here"

    run(loop, scenario())


@on_both_loops
def test_reload_that_fails_changes_nothing(loop, authority):
    async def scenario():
        good = authority.issue("a.example")
        tls = ServerTls([good])
        async with accepting(tls) as world:
            with pytest.raises(ConfigError):
                tls.reload([good, Certificate("/nowhere.pem", "/nowhere.key")])
            async with connected(world.address, authority.client()) as (reader, writer):
                assert names_of(writer) == ["a.example"]
                assert await asked(reader, writer, b"x") == b"x"

    run(loop, scenario())


def broken_certificates(folder: Path) -> dict[str, tuple[Certificate, str, str]]:
    """What may be wrong with files: the certificate, the file blamed, a part of the message."""
    authority = Authority(folder)
    good, other = authority.issue("a.example"), authority.issue("b.example")
    nonsense = folder / "nonsense.pem"
    nonsense.write_text("nonsense")
    missing = str(folder / "missing.pem")
    key = serialization.load_pem_private_key(Path(good.key).read_bytes(), password=None)
    encrypted = folder / "encrypted.key"
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    return {
        "no certificate": (Certificate(missing, good.key), missing, "No such file"),
        "no key": (Certificate(good.certificate, missing), missing, "No such file"),
        "a key as certificate": (
            Certificate(good.key, good.key),
            good.key,
            "no certificate in PEM",
        ),
        "nonsense": (Certificate(str(nonsense), good.key), str(nonsense), "no certificate in PEM"),
        "nonsense as key": (
            Certificate(good.certificate, str(nonsense)),
            str(nonsense),
            "holds no private key",
        ),
        "another's key": (Certificate(good.certificate, other.key), other.key, "is not the key of"),
        "encrypted": (Certificate(good.certificate, str(encrypted)), str(encrypted), "encrypted"),
    }


def test_broken_files_are_all_named(tmp_path):
    cases = broken_certificates(tmp_path)
    for what, (certificate, file, part) in cases.items():
        with pytest.raises(ConfigError) as caught:
            ServerTls([certificate])
        (problem,) = caught.value.problems
        assert (problem.file, part in problem.message) == (file, True), (what, problem)
    with pytest.raises(ConfigError) as caught:
        ServerTls([certificate for certificate, _, _ in cases.values()])
    assert len(caught.value.problems) == len(cases)


def test_certificate_without_names_serves_those_who_ask_for_none(tmp_path):
    made = trustme.CA(key_type=trustme.KeyType.ECDSA)  # an authority's own names no host
    chain, key = tmp_path / "ca.pem", tmp_path / "ca.key"
    chain.write_bytes(made.cert_pem.bytes())
    key.write_bytes(made.private_key_pem.bytes())
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE

    async def scenario():
        async with (
            accepting(ServerTls([Certificate(str(chain), str(key))])) as world,
            connected(world.address, client) as (reader, writer),
        ):
            assert await asked(reader, writer, b"x") == b"x"

    run(asyncio.SelectorEventLoop, scenario())


class Resuming:
    """A client that brings its TLS session along, as neither loop's clients do: octets are moved by
    hand between a session in memory and a stream.
    """

    def __init__(self, context: ssl.SSLContext, session: ssl.SSLSession | None, name: str) -> None:
        self._inward, self._outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._inward, self._outward, server_hostname=name, session=session
        )

    async def talk(self, address: tuple[str, int]) -> tuple[bool, ssl.SSLSession]:
        """Whether the session was taken, and the one for the next time."""
        async with connected(address) as (reader, writer):
            await self._do(self.tls.do_handshake, reader, writer)
            self.tls.write(b"x")
            assert await self._do(lambda: self.tls.read(1), reader, writer) == b"x"
            return self.tls.session_reused, self.tls.session

    async def _do(self, step, reader, writer):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                writer.write(self._outward.read())
                self._inward.write(await asyncio.wait_for(reader.read(65536), 10))
            finally:
                writer.write(self._outward.read())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@on_both_loops
def test_session_is_resumed_until_reload(loop, version, authority):
    certificates = [authority.issue("a.example"), authority.issue("b.example")]

    async def scenario():
        tls = ServerTls(certificates)
        context = authority.client()
        context.minimum_version = context.maximum_version = version
        async with accepting(tls) as world:
            for name in ("a.example", "b.example"):  # the second is served by a context of its own
                _, session = await Resuming(context, None, name).talk(world.address)
                was_taken, session = await Resuming(context, session, name).talk(world.address)
                assert was_taken, name
            tls.reload(certificates)
            was_taken, _ = await Resuming(context, session, "b.example").talk(world.address)
            assert not was_taken

    run(loop, scenario())


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_large_buffers_have_pages_of_their_own():
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]

    def is_last_mapped() -> bool:
        """Whether malloc takes new pages when the heap has no room: it notes so before a buffer."""
        buffers = [library.malloc(BUFFER_OCTETS) for _ in range(200)]
        word = ctypes.sizeof(ctypes.c_size_t)
        sizes = [ctypes.c_size_t.from_address(where - word).value for where in buffers]
        for where in buffers:
            library.free(where)
        return bool(sizes[-1] & 2)

    assert map_large_buffers()
    assert [is_last_mapped() for _ in range(3)] == [True, True, True]
