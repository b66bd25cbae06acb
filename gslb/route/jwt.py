"""Signed tokens: whether a request brings one that is valid and claims what a route asks for.

Laws:
1. Nothing of a token is believed before its signature is verified with the route's key, by one of
   the route's algorithms. `none` is never one of them, and a key is used by the algorithms of its
   own kind only, so a public key is never the secret of an HMAC (RFC 8725 3.1, 3.2).
2. Times are judged at every request: a token is valid before `exp`, not at it (RFC 7519 4.1.4), and
   from SKEW_S before `nbf`. A time that is no number is no time. Without `exp` it never expires.
3. `aud` and `iss` are judged where the route names them.
4. A claim must be there and equal; one that is a list must hold it. 1 and 1.0 are equal, 1 and true
   are not.
5. A signature costs 100 us or more, so the verdict is kept by the token's digest, KEPT of signed
   ones and KEPT of others.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from gslb.model.proxy import JwtMatch

TOKEN_OCTETS = 8 * 1024
"""Longer tokens are refused unread: nginx and HAProxy take no longer header lines either, by
default."""

KEPT = 4096
"""Verdicts kept for each route; some 1 MB."""

SKEW_S = 10.0
"""How far the clock of who signs may be ahead; Envoy allows 60 s, nginx none."""

_SECRET_OCTETS = {"HS256": 32, "HS384": 48, "HS512": 64}
"""What a secret has at least (RFC 7518 3.2)."""

RSA_BITS = 2048
"""The least of an RSA key (RFC 7518 3.3)."""

NEVER = float("inf")
MAX_TIME = 10**15
"""Seconds, either way: an integer may have thousands of digits, which no float has."""

PublicKey = (
    ed25519.Ed25519PublicKey | ed448.Ed448PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey
)

_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a token for ever: why it is refused whatever the time, and its times."""

    refused: str | None
    not_before: float = -NEVER
    expires: float = NEVER


class TokenGate:
    """Who passes a JwtMatch.

    keys: the octets of key files by their name. A secret is its file's octets without a line's end
    at their end. Raises ValueError, the operator's fault, naming the key that does not serve.
    """

    def __init__(self, match: JwtMatch, keys: Mapping[str, bytes]) -> None:
        self.header = match.header.lower().encode()
        self._match = match
        self._algorithms = list(match.algorithms)
        self._key = _load_key(match, keys)
        self._signatures = PyJWS(algorithms=match.algorithms)
        # Two tables, so that a flood of forged tokens does not push out what is known of real ones.
        self._verified: OrderedDict[bytes, Verdict] = OrderedDict()
        self._unsigned: OrderedDict[bytes, Verdict] = OrderedDict()

    def judge(self, field: bytes | None, *, at: float) -> str | None:
        """Why a request with this field does not pass at Unix seconds `at`; None if it does.

        Costs 1.5 us for a token that was seen before.
        """
        if field is None:
            return "no token"
        token = _find_token(field) if self.header == b"authorization" else field.strip()
        if not token:
            return "no bearer token"
        if len(token) > TOKEN_OCTETS:
            return f"token is longer than {TOKEN_OCTETS} octets"
        verdict = self._recall(token)
        if verdict.refused is not None:
            return verdict.refused
        if at >= verdict.expires:
            return "token has expired"
        return "token is not valid yet" if at < verdict.not_before - SKEW_S else None

    def _recall(self, token: bytes) -> Verdict:
        digest = sha256(token).digest()
        for verdicts in (self._verified, self._unsigned):
            verdict = verdicts.get(digest)
            if verdict is not None:
                verdicts.move_to_end(digest)
                return verdict
        payload = self._verify(token)
        if isinstance(payload, str):
            return _keep(self._unsigned, digest, Verdict(payload))
        return _keep(self._verified, digest, _read_claims(payload, self._match))

    def _verify(self, token: bytes) -> bytes | str:
        """The payload of a token whose signature is right, or in words why it is not."""
        try:
            payload: bytes = self._signatures.decode(token, self._key, algorithms=self._algorithms)
        except PyJWTError as error:
            return f"token is not signed by the key: {error}"
        return payload


def _keep(verdicts: OrderedDict[bytes, Verdict], digest: bytes, verdict: Verdict) -> Verdict:
    verdicts[digest] = verdict
    if len(verdicts) > KEPT:
        verdicts.popitem(last=False)
    return verdict


def _find_token(field: bytes) -> bytes:
    """What follows `Bearer`, empty for another scheme (RFC 6750 2.1)."""
    scheme, _, token = field.strip().partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


def _read_claims(payload: bytes, match: JwtMatch) -> Verdict:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        return Verdict("claims are no JSON")
    if not isinstance(claims, dict):
        return Verdict("claims are no JSON object")
    return _judge_claims(claims, match)


def _judge_claims(claims: Mapping[str, Any], match: JwtMatch) -> Verdict:
    expires = claims.get("exp", NEVER)
    not_before = claims.get("nbf", -NEVER)
    if not ("exp" not in claims or _is_time(expires)):
        return Verdict("exp is no time")
    if not ("nbf" not in claims or _is_time(not_before)):
        return Verdict("nbf is no time")
    if match.issuer is not None and claims.get("iss") != match.issuer:
        return Verdict("token is of another issuer")
    if match.audience is not None and not _has_claim(claims, "aud", match.audience):
        return Verdict("token is for another audience")
    for name, wanted in match.claims.items():
        if not _has_claim(claims, name, wanted):
            return Verdict(f"claim {name} is not {json.dumps(wanted)}")
    return Verdict(None, not_before, expires)


def _is_time(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_TIME


def _has_claim(claims: Mapping[str, Any], name: str, wanted: object) -> bool:
    if name not in claims:
        return False
    found = claims[name]
    if isinstance(found, list):
        return any(_is_equal(one, wanted) for one in found)
    return _is_equal(found, wanted)


def _is_equal(found: object, wanted: object) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return found == wanted


# ---------------------------------------------------------------- keys


def _load_key(match: JwtMatch, keys: Mapping[str, bytes]) -> PublicKey | bytes:
    """The key that fits every algorithm of a JwtMatch. Raises ValueError, naming the file."""
    if match.key_file not in keys:
        raise ValueError(f"jwt: {match.key_file}: the key was not read")
    if not match.algorithms:
        raise ValueError(f"jwt: {match.key_file}: no algorithm is allowed")
    octets = keys[match.key_file]
    is_secret = match.algorithms[0] in _SECRET_OCTETS
    key = (
        _load_secret(match.key_file, octets) if is_secret else _load_public(match.key_file, octets)
    )
    for algorithm in match.algorithms:
        if not _fits(algorithm, key):
            raise ValueError(f"jwt: {match.key_file}: {_tell_kind(key)} does not fit {algorithm}")
    return key


def _load_secret(file: str, octets: bytes) -> bytes:
    if b"-----BEGIN" in octets:
        raise ValueError(f"jwt: {file}: a PEM file is not a shared secret")
    return octets.removesuffix(b"\n").removesuffix(b"\r")


def _load_public(file: str, octets: bytes) -> PublicKey:
    try:
        key = load_pem_public_key(octets)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"jwt: {file}: this is no PEM of a public key") from error
    if not isinstance(key, PublicKey):
        raise ValueError(f"jwt: {file}: keys of this kind sign no tokens")
    return key


def _fits(algorithm: str, key: PublicKey | bytes) -> bool:
    match key:
        case bytes():
            return len(key) >= _SECRET_OCTETS.get(algorithm, len(key) + 1)
        case rsa.RSAPublicKey():
            return algorithm in _RSA and key.key_size >= RSA_BITS
        case ec.EllipticCurvePublicKey():
            return _CURVES.get(algorithm) == key.curve.name
        case _:
            return algorithm == "EdDSA"


def _tell_kind(key: PublicKey | bytes) -> str:
    match key:
        case bytes():
            return f"a secret of {len(key)} octets"
        case rsa.RSAPublicKey():
            return f"an RSA key of {key.key_size} bits"
        case ec.EllipticCurvePublicKey():
            return f"a key of the curve {key.curve.name}"
        case _:
            return "an Edwards curve key"
