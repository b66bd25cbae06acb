"""Key files: who may read them, and that a private key is nowhere else."""

import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from gslb.config.credentials import parse_public_key
from gslb.errors import ConfigError
from gslb.store.signing import (
    compose_public_key,
    load_key,
    make_key,
    write_key,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fra.key"


def message_of(call, *arguments):
    with pytest.raises(ConfigError) as raised:
        call(*arguments)
    (problem,) = raised.value.problems
    return problem.file, problem.message


def test_a_key_that_was_written_signs_what_its_public_key_verifies(path):
    pem, public = make_key()
    write_key(path, pem)
    key = load_key(path)
    assert compose_public_key(key) == public
    Ed25519PublicKey.from_public_bytes(parse_public_key(public)).verify(key.sign(b"x"), b"x")


def test_no_two_keys_are_alike():
    assert make_key() != make_key()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_law_1_a_key_file_is_for_its_user_only(path, umask):
    before = os.umask(umask)
    try:
        write_key(path, make_key()[0])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_law_1_a_key_is_never_overwritten(path):
    path.write_bytes(b"precious")
    assert message_of(write_key, path, b"other") == (
        str(path),
        "is there already; a key is never overwritten",
    )
    assert path.read_bytes() == b"precious"


def test_a_key_that_cannot_be_written_is_said(tmp_path):
    _, message = message_of(write_key, tmp_path / "none" / "fra.key", b"x")
    assert message == "cannot be written: No such file or directory"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o610])
def test_law_2_a_key_that_others_may_use_is_refused(path, mode):
    write_key(path, make_key()[0])
    path.chmod(mode)
    assert message_of(load_key, path) == (
        str(path),
        f"may be used by others (mode {mode:04o}); do: chmod 600 {path}",
    )


def test_a_key_that_is_read_only_is_taken(path):
    write_key(path, make_key()[0])
    path.chmod(0o400)
    assert load_key(path)


def test_a_missing_key_is_named(path):
    assert message_of(load_key, path) == (str(path), "cannot be read: No such file or directory")


def pem_of(key, password=None):
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"", "is not a private key in PEM"),
        (b"\x00" * 100, "is not a private key in PEM"),
        (make_key()[0][:60], "is not a private key in PEM"),
        (pem_of(Ed25519PrivateKey.generate(), b"x"), "is not a private"),
        (pem_of(rsa.generate_private_key(65537, 2048)), "is not an Ed25519 key"),
    ],
    ids=["empty", "zeros", "cut", "encrypted", "RSA"],
)
def test_what_is_no_ed25519_key_is_refused(path, octets, message):
    write_key(path, octets)
    _, found = message_of(load_key, path)
    assert found.startswith(message)
    assert found.endswith("; make one: gslb agent-key")


def test_law_3_no_error_and_no_text_form_shows_the_key(path):
    pem, _ = make_key()
    secret = pem.splitlines()[1].decode()
    write_key(path, pem)
    path.chmod(0o644)
    with pytest.raises(ConfigError) as raised:
        load_key(path)
    path.chmod(0o600)
    shown = repr(load_key(path)) + str(load_key(path)) + repr(raised.value) + str(raised.value)
    assert secret not in shown
    path.write_bytes(pem.replace(b"-----END", b"-----NOT"))
    with pytest.raises(ConfigError) as raised:
        load_key(path)
    assert secret not in repr(raised.value)
    assert raised.value.__cause__ is None
