"""SentencePiece models: real ones, made ones, broken ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.errors import SentencePieceError
from hollama.formats import sentencepiece_pb2 as pb
from hollama.formats.sentencepiece import MAX_SIZE, Piece, PieceType, SentencePieceModel
from tests.formats.format_damage import damaged, only

quick = settings(max_examples=200, deadline=None)
SPECIAL = [pb.Piece(text="<unk>", type=2), pb.Piece(text="<s>", type=3), pb.Piece(text="</s>", type=3)]
BYTES = [pb.Piece(text=f"<0x{byte:02X}>", type=6) for byte in range(256)]


def model(*pieces: pb.Piece, **trainer: object) -> bytes:
    return pb.Model(pieces=[*SPECIAL, *pieces], trainer=pb.Trainer(**trainer)).SerializeToString()


def test_defaults():
    parsed = SentencePieceModel.parse(model())
    assert (parsed.algorithm, parsed.unk_id, parsed.bos_id, parsed.eos_id, parsed.pad_id) == ("unigram", 0, 1, 2, None)
    assert (parsed.add_dummy_prefix, parsed.remove_extra_whitespaces, parsed.escape_whitespaces) == (True, True, True)
    assert (parsed.byte_fallback, parsed.treat_whitespace_as_suffix, parsed.charsmap) == (False, False, b"")


def test_wire_format_by_hand():
    pieces = b"\x0a\x07\x0a\x03<u>\x18\x02" + b"\x0a\x0a\x0a\x03\xe2\x96\x81\x15\x00\x00\x80\xbf"
    trainer = b"\x12\x05\x18\x02\x98\x02\x00"  # model_type 2, byte_fallback false
    parsed = SentencePieceModel.parse(pieces + trainer + b"\x1a\x02\x18\x00")  # add_dummy_prefix false
    assert parsed.pieces == (Piece("<u>", 0.0, PieceType.UNKNOWN), Piece("\u2581", -1.0, PieceType.NORMAL))
    assert (parsed.algorithm, parsed.add_dummy_prefix) == ("bpe", False)


def test_bos_is_found_by_its_name():
    parsed = SentencePieceModel.parse(model(pb.Piece(text="[B]", type=3), bos_piece="[B]", eos_piece="absent"))
    assert (parsed.bos_id, parsed.eos_id) == (3, None)


@quick
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: not text.startswith("<")),
        st.tuples(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from([1, 3, 4, 5])),
    )
)
def test_pieces_round_trip(pieces):
    data = model(*(pb.Piece(text=text, score=score, type=kind) for text, (score, kind) in pieces.items()))
    expected = tuple(Piece(text, score, PieceType(kind)) for text, (score, kind) in pieces.items())
    assert SentencePieceModel.parse(data).pieces[3:] == expected


REFUSED = {
    "nothing": b"",
    "no protobuf": b"\x0a\xff",
    "no utf-8": model() + b"\x0a\x04\x0a\x02\xff\xff",
    "no unknown piece": pb.Model(pieces=SPECIAL[1:]).SerializeToString(),
    "two unknown pieces": model(pb.Piece(text="?", type=2)),
    "piece twice": model(pb.Piece(text="<s>")),
    "empty piece": model(pb.Piece(text="")),
    "piece type": model(pb.Piece(text="a", type=7)),
    "model type": model(model_type=5),
    "score": model(pb.Piece(text="a", score=float("nan"))),
    "byte": model(pb.Piece(text="<0xff>", type=6)),
    "bytes missing": model(*BYTES[:-1], byte_fallback=True),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=list(REFUSED))
def test_refused(data):
    with pytest.raises(SentencePieceError):
        SentencePieceModel.parse(data)


def test_byte_fallback():
    assert SentencePieceModel.parse(model(*BYTES, byte_fallback=True)).byte_fallback


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "tokenizer.model").open("wb") as file:
        file.truncate(64 * MAX_SIZE)
    with only(SentencePieceError), pytest.raises(SentencePieceError, match=str(MAX_SIZE)):
        SentencePieceModel.open(tmp_path / "tokenizer.model")


@quick
@given(st.data())
def test_damage_raises_only_sentencepiece_errors(data):
    broken = data.draw(damaged(model(*BYTES, pb.Piece(text="\u2581a", score=-1), byte_fallback=True)))
    with only(SentencePieceError):
        assert SentencePieceModel.parse(broken).pieces


@pytest.mark.parametrize(
    ("path", "count"),
    [("tokenizers/llama2", 32000), ("derived/stories260k/stories260K-hf-llama", 512)],
)
def test_real_models(shared, path, count):
    parsed = SentencePieceModel.open(shared / "data" / path / "tokenizer.model")
    assert (len(parsed.pieces), parsed.algorithm, parsed.byte_fallback) == (count, "bpe", True)
    assert (parsed.unk_id, parsed.bos_id, parsed.eos_id, parsed.pad_id) == (0, 1, 2, None)
    assert parsed.pieces[13] == Piece("<0x0A>", 0.0, PieceType.BYTE)
