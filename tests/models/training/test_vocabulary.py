from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from models.training.vocabulary import choose, count_pieces, write_tokenizer

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "\u2581", "a", "b", "\u2581ab", "abba", "\u2581baba", "<mask>"]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    model = ModelProto()
    model.trainer_spec.model_type = model.trainer_spec.UNIGRAM
    for place, piece in enumerate(PIECES):
        entry = model.pieces.add(piece=piece, score=-place)
        entry.type = entry.UNKNOWN if piece == "<unk>" else entry.CONTROL if piece.startswith("<") else entry.NORMAL
    path = tmp_path / "tokenizer.model"
    path.write_bytes(model.SerializeToString())
    return path


def test_frequent_pieces_stay_and_characters_always(tokenizer: Path, tmp_path: Path) -> None:
    texts = [("x", "baba baba"), ("y", "ab")]
    counts = count_pieces(tokenizer, texts)
    assert counts["x"].total() == 2
    keep = choose(tokenizer, counts, 9)
    assert [PIECES[each] for each in keep] == [*PIECES[:7], "\u2581baba", "<mask>"]
    write_tokenizer(tokenizer, keep, tmp_path / "pruned.model")
    pruned = SentencePieceProcessor(model_file=str(tmp_path / "pruned.model"))
    assert pruned.encode("baba ab", out_type=str) == ["\u2581baba", "\u2581", "a", "b"]
    assert pruned.piece_to_id("<mask>") == 8


def test_too_few_pieces_are_refused(tokenizer: Path) -> None:
    with pytest.raises(ValueError, match="single-character"):
        choose(tokenizer, {}, 5)
