"""Compressing piece by piece: what comes out can be read at once, and all of it in the end."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.content import encoder as encoder_module
from gslb.content.coding import CODINGS
from gslb.content.encoder import make_encoder


def decoder(coding):
    """What reads a coding piece by piece."""
    if coding == "gzip":
        return zlib.decompressobj(31).decompress
    if coding == "br":
        return all_of(pytest.importorskip("brotli").Decompressor())
    return pytest.importorskip("zstandard").ZstdDecompressor().decompressobj().decompress


def all_of(decompressor):
    """One call of brotli's own gives some 32 KiB at most, and the rest to those who ask again."""

    def decode(data):
        pieces = [decompressor.process(data)]
        while pieces[-1] and not decompressor.is_finished():
            pieces.append(decompressor.process(b""))
        return b"".join(pieces)

    return decode


each_coding = pytest.mark.parametrize("coding", CODINGS, ids=str)


def test_a_library_that_is_not_installed_is_none():
    assert encoder_module._maybe_module("gslb_is_no_such_library") is None


@each_coding
@given(pieces=st.lists(st.binary(max_size=50), max_size=10), more=st.booleans())
def test_all_of_it_comes_out(coding, pieces, more):
    encoder, decode = make_encoder(coding), decoder(coding)
    compressed = b"".join([encoder.feed(piece, more=more) for piece in pieces] + [encoder.finish()])
    assert decode(compressed) == b"".join(pieces)


@each_coding
@pytest.mark.parametrize("size", [1, 100, 5000, 65_536])
def test_law_1_each_piece_can_be_read_at_once(coding, size):
    encoder, decode = make_encoder(coding), decoder(coding)
    for number in range(3):
        piece = bytes([number]) * size
        assert decode(encoder.feed(piece)) == piece


@each_coding
def test_law_1_more_at_hand_is_not_flushed(coding):
    pieces = [b"%d words and numbers; " % number for number in range(1000)]

    def size(*, more):
        encoder = make_encoder(coding)
        fed = [encoder.feed(piece, more=more) for piece in pieces]
        return len(b"".join(fed) + encoder.finish())

    assert size(more=True) < size(more=False) / 1.5


@each_coding
def test_nothing_fed_is_an_empty_body(coding):
    encoder = make_encoder(coding)
    head = encoder.feed(b"")
    assert decoder(coding)(head + encoder.finish()) == b""


@each_coding
def test_law_2_memory_does_not_grow_with_the_body(coding):
    """What is held back never exceeds what the window and the buffers hold."""
    encoder, decode = make_encoder(coding), decoder(coding)
    fed = got = 0
    for number in range(64):
        piece = b"%d" % number * 16_384
        fed += len(piece)
        got += len(decode(encoder.feed(piece, more=True)))
        assert fed - got < 2 * 2**20
    assert got + len(decode(encoder.finish())) == fed
