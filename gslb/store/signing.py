"""The keys of agents: made, written, read. The private one never leaves its file and the signer.

1. A key file is PEM (PKCS 8, unencrypted), mode 0600, and is never overwritten.
2. A key file that group or others may read is refused: whoever reads it can speak for the agent.
3. No error, log line or text form holds a private key.
"""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gslb.errors import ConfigError, Problem

MAX_KEY_FILE_OCTETS = 16 * 1024
"""An Ed25519 key in PEM has 119 octets; a file that is larger by far is another one."""


def make_key() -> tuple[bytes, str]:
    """A new private key as the octets of its file, and its public key in text form."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem, compose_public_key(key)


def compose_public_key(key: Ed25519PrivateKey) -> str:
    """The public key of a private one in text form, as `agents.NAME.public_key` has it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")


def write_key(path: Path, pem: bytes) -> None:
    """Write a private key to a new file that only this user may read. Raises ConfigError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise _refused(path, "is there already; a key is never overwritten") from None
    except OSError as error:
        raise _refused(path, f"cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask: 0600 is what the operator is told
            file.write(pem)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _refused(path, f"cannot be written: {error.strerror}") from None


def load_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file. Raises ConfigError, which names the file and what to do."""
    pem = _read_private(path)
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # the cause may quote the file
        raise _refused(path, "is not a private key in PEM; make one: gslb agent-key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _refused(path, "is not an Ed25519 key; make one: gslb agent-key")
    return key


def _read_private(path: Path) -> bytes:
    """What a file holds that must be readable for this user only."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise _refused(path, "is not a regular file")
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise _refused(
                    path, f"may be used by others (mode {mode:04o}); do: chmod 600 {path}"
                )
            return file.read(MAX_KEY_FILE_OCTETS)
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from None


def _refused(path: Path, message: str) -> ConfigError:
    return ConfigError([Problem(str(path), 0, 0, "", message)])
