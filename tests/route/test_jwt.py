from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from gslb.model.proxy import JwtMatch
from gslb.route import jwt as room
from gslb.route.jwt import TOKEN_OCTETS, TokenGate
from tests.route.values import KEY_FILE, KEYS, NOON, public_pem, signer, token

BETA = {"plan": "beta"}
SECRET = b"a shared secret of 32 octets, or more"


def gate(claims=None, **more):
    return TokenGate(JwtMatch(KEY_FILE, BETA if claims is None else claims, **more), KEYS)


def bearer(text):
    return b"Bearer " + (text if isinstance(text, bytes) else text.encode())


def pack(value):
    octets = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(octets).rstrip(b"=")


def sign_as(header, claims=BETA, *, secret=None):
    """A token with any header; signed as HS256 with a secret, else not at all."""
    signed = pack(header) + b"." + pack(claims)
    mac = hmac.digest(secret, signed, hashlib.sha256) if secret is not None else b""
    return signed + b"." + pack(mac)


def tamper(text):
    header, _, signature = text.split(".")
    return f"{header}.{pack(BETA).decode()}.{signature}"


UNSIGNED = "token is not signed by the key: "


@pytest.mark.parametrize(
    ("field", "why"),
    [
        pytest.param(bearer(token(BETA)), None, id="valid"),
        pytest.param(b"bearer   " + token(BETA).encode(), None, id="scheme in lower case"),
        pytest.param(None, "no token", id="missing"),
        pytest.param(b"", "no bearer token", id="empty"),
        pytest.param(b"Bearer ", "no bearer token", id="no token"),
        pytest.param(b"Basic " + token(BETA).encode(), "no bearer token", id="another scheme"),
        pytest.param(token(BETA).encode(), "no bearer token", id="no scheme"),
        pytest.param(bearer(token(BETA, by="other")), UNSIGNED, id="wrong key"),
        pytest.param(bearer(tamper(token({"plan": "free"}))), UNSIGNED, id="tampered claims"),
        pytest.param(bearer(token(BETA)[:-4]), UNSIGNED, id="cut"),
        pytest.param(bearer(token(BETA)) + b", x", UNSIGNED, id="two fields"),
        pytest.param(bearer(b"a.b"), UNSIGNED, id="no token at all"),
        pytest.param(bearer(b"\xff.\xff.\xff"), UNSIGNED, id="not even text"),
        pytest.param(bearer(pack(b"[" * 3000) + b".e30."), UNSIGNED, id="a deep header"),
        pytest.param(bearer(sign_as({"alg": "none"})), UNSIGNED, id="alg none"),
        pytest.param(bearer(sign_as({"alg": "NonE"})), UNSIGNED, id="alg none in other letters"),
        pytest.param(bearer(sign_as({})), UNSIGNED, id="no alg"),
        pytest.param(bearer(sign_as({"alg": ["EdDSA"]})), UNSIGNED, id="alg that is a list"),
        pytest.param(
            bearer(sign_as({"alg": "HS256"}, secret=KEYS[KEY_FILE])),
            UNSIGNED,
            id="the public key as a secret",
        ),
        pytest.param(
            bearer(jwt.encode(BETA, signer(), algorithm="EdDSA", headers={"crit": ["x"], "x": 1})),
            UNSIGNED,
            id="a critical header that nobody knows",
        ),
        pytest.param(
            bearer(b"x" * (TOKEN_OCTETS + 1)),
            f"token is longer than {TOKEN_OCTETS} octets",
            id="too long",
        ),
        pytest.param(bearer(token({"plan": "free"})), 'claim plan is not "beta"', id="claim"),
        pytest.param(bearer(token({})), 'claim plan is not "beta"', id="no claim"),
    ],
)
def test_law_1_what_passes(field, why):
    found = gate().judge(field, at=NOON)
    assert found == why or (why == UNSIGNED and found.startswith(UNSIGNED))


def test_law_1_a_payload_that_is_no_object_claims_nothing():
    signatures = jwt.PyJWS()
    for payload, why in [
        (b"[]", "claims are no JSON object"),
        (b"{", "claims are no JSON"),
        (b"[" * 5000, "claims are no JSON"),
        (b'{"exp": ' + b"9" * 5000 + b"}", "claims are no JSON"),
    ]:
        text = signatures.encode(payload, signer(), algorithm="EdDSA")
        assert gate({}).judge(bearer(text), at=NOON) == why


@pytest.mark.parametrize(
    ("times", "at", "why"),
    [
        ({"exp": 100}, 99.999, None),
        ({"exp": 100}, 100, "token has expired"),
        ({"exp": 100.5}, 100.4, None),
        ({"nbf": 100}, 90, None),
        ({"nbf": 100}, 89.9, "token is not valid yet"),
        ({"nbf": 100, "exp": 95}, 90, None),
        ({}, 1e12, None),
        ({"exp": True}, 0, "exp is no time"),
        ({"exp": "100"}, 0, "exp is no time"),
        ({"exp": None}, 0, "exp is no time"),
        ({"exp": float("inf")}, 0, "exp is no time"),
        ({"nbf": float("nan")}, 0, "nbf is no time"),
        ({"nbf": []}, 0, "nbf is no time"),
        ({"exp": 10**400}, 0, "exp is no time"),
        ({"nbf": -(10**400)}, 0, "nbf is no time"),
    ],
)
def test_law_2_times_are_judged_at_every_request(times, at, why):
    field = bearer(jwt.PyJWS().encode(json.dumps(times).encode(), signer(), algorithm="EdDSA"))
    judge = gate({}).judge
    assert [judge(field, at=at), judge(field, at=at)] == [why, why]


def test_law_2_a_remembered_token_expires():
    judge = gate().judge
    field = bearer(token(BETA | {"exp": NOON}))
    assert [judge(field, at=NOON + late) for late in (-1, 0, -1)] == [
        None,
        "token has expired",
        None,
    ]


@pytest.mark.parametrize(
    ("settings", "claims", "why"),
    [
        ({"audience": "shop"}, {"aud": "shop"}, None),
        ({"audience": "shop"}, {"aud": ["bank", "shop"]}, None),
        ({"audience": "shop"}, {"aud": ["bank"]}, "token is for another audience"),
        ({"audience": "shop"}, {}, "token is for another audience"),
        ({}, {"aud": "bank"}, None),
        ({"issuer": "us"}, {"iss": "us"}, None),
        ({"issuer": "us"}, {"iss": ["us"]}, "token is of another issuer"),
        ({"issuer": "us"}, {}, "token is of another issuer"),
    ],
)
def test_law_3_audience_and_issuer(settings, claims, why):
    assert gate({}, **settings).judge(bearer(_any_token(claims)), at=NOON) == why


def _any_token(claims):
    return jwt.PyJWS().encode(json.dumps(claims).encode(), signer(), algorithm="EdDSA")


@pytest.mark.parametrize(
    ("wanted", "found", "passes"),
    [
        ("beta", "beta", True),
        ("beta", ["alpha", "beta"], True),
        ("beta", [["beta"]], False),
        ("beta", "Beta", False),
        ("beta", {"beta": 1}, False),
        (1, 1.0, True),
        (1, True, False),
        (1, "1", False),
        (True, True, True),
        (True, 1, False),
        (False, 0, False),
        (None, None, True),
        (None, False, False),
        (None, [], False),
    ],
)
def test_law_4_claims(wanted, found, passes):
    why = gate({"c": wanted}).judge(bearer(_any_token({"c": found})), at=NOON)
    assert why == (None if passes else f"claim c is not {json.dumps(wanted)}")


def test_law_4_no_claim_is_not_a_claim_of_nothing():
    assert gate({"c": None}).judge(bearer(_any_token({})), at=NOON) == "claim c is not null"


def test_law_5_a_signature_is_verified_once(monkeypatch):
    monkeypatch.setattr(room, "KEPT", 2)
    one = gate()
    verified = []
    decode = one._signatures.decode
    one._signatures.decode = lambda text, *how, **more: (
        verified.append(text) or decode(text, *how, **more)
    )
    fields = [bearer(token(BETA | {"n": n})) for n in range(3)]
    forged = [bearer(token(BETA | {"n": n}, by="other")) for n in range(9)]
    for field in (fields[0], fields[0], fields[1], fields[0], *forged, fields[0], fields[1]):
        one.judge(field, at=NOON)
    assert len(verified) == 2 + 9  # forged ones push out none that is signed
    for field in (fields[2], fields[1], fields[0]):
        assert one.judge(field, at=NOON) is None
    assert len(verified) == 2 + 9 + 2  # the third pushed out the first, which came again
    assert (len(one._verified), len(one._unsigned)) == (2, 2)


def test_a_token_may_come_in_another_header():
    one = gate(header="X-Token")
    assert one.header == b"x-token"
    assert one.judge(token(BETA).encode(), at=NOON) is None
    assert one.judge(bearer(token(BETA)), at=NOON).startswith(UNSIGNED)


# ---------------------------------------------------------------- keys

RSA_KEY = rsa.generate_private_key(65537, 2048)
KINDS = {
    "EdDSA": signer(),
    "Ed448": Ed448PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "RS256": RSA_KEY,
    "PS512": RSA_KEY,
    "HS256": SECRET,
}


def public(key):
    if isinstance(key, bytes):
        return key
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def make(algorithms, octets):
    return TokenGate(JwtMatch("k", BETA, algorithms=algorithms), {"k": octets})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_key_verifies_its_own(kind):
    algorithm = "EdDSA" if kind == "Ed448" else kind
    one = make((algorithm,), public(KINDS[kind]))
    text = jwt.encode(BETA, KINDS[kind], algorithm=algorithm)
    assert one.judge(bearer(text), at=NOON) is None
    assert one.judge(bearer(tamper(jwt.encode({}, KINDS[kind], algorithm))), at=NOON) is not None


def test_an_algorithm_that_is_not_allowed_is_refused_though_the_key_could():
    one = make(("RS256", "PS256"), public(RSA_KEY))
    assert one.judge(bearer(jwt.encode(BETA, RSA_KEY, "PS256")), at=NOON) is None
    assert one.judge(bearer(jwt.encode(BETA, RSA_KEY, "RS512")), at=NOON).startswith(UNSIGNED)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_end_of_a_line_is_no_part_of_a_secret(end):
    text = jwt.encode(BETA, SECRET, "HS256")
    assert make(("HS256",), SECRET + end).judge(bearer(text), at=NOON) is None


PRIVATE = signer().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("algorithms", "octets", "told"),
    [
        ((), public_pem(), "no algorithm is allowed"),
        (("none",), public_pem(), "an Edwards curve key does not fit none"),
        (("HS256",), public_pem(), "a PEM file is not a shared secret"),
        (("HS256",), b"x" * 31, "a secret of 31 octets does not fit HS256"),
        (("HS256", "HS512"), b"x" * 32, "a secret of 32 octets does not fit HS512"),
        (("HS256", "EdDSA"), b"x" * 32, "a secret of 32 octets does not fit EdDSA"),
        (("EdDSA", "HS256"), public_pem(), "an Edwards curve key does not fit HS256"),
        (("RS256",), public_pem(), "an Edwards curve key does not fit RS256"),
        (("ES256",), public(KINDS["ES384"]), "a key of the curve secp384r1 does not fit ES256"),
        (
            ("RS256",),
            public(rsa.generate_private_key(65537, 1024)),
            "an RSA key of 1024 bits does not fit RS256",
        ),
        (("EdDSA",), b"secret", "this is no PEM of a public key"),
        (("EdDSA",), PRIVATE, "this is no PEM of a public key"),
        (("EdDSA",), public(dsa.generate_private_key(1024)), "keys of this kind sign no tokens"),
    ],
)
def test_a_key_that_does_not_serve_is_named(algorithms, octets, told):
    with pytest.raises(ValueError, match=f"^jwt: k: {told}$"):
        make(algorithms, octets)


@given(st.binary(max_size=80))
def test_no_octets_raise(octets):
    for field in (octets, bearer(octets), bearer(b"e30." + octets + b".AA")):
        assert gate().judge(field, at=NOON) is not None
