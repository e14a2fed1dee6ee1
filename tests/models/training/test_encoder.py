import base64
import io
import json
from pathlib import Path

import pytest
from sentencepiece import SentencePieceTrainer
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from models.tokenizer import Tokenizer
from models.training.encoder import as_sentencepiece

tokenizers = pytest.importorskip("tokenizers", reason="the extra `torch` is not installed")

TEXTS = ["the dog runs after the cat", "a cat sleeps, the dog barks", "nobody sleeps while dogs bark at cats"]
SPECIAL = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}


def tokenizer_json() -> str:
    """A tokenizer of the XLM-R family, as `tokenizers` reads it."""
    trained = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=trained,
        vocab_size=48,
        hard_vocab_limit=False,
        minloglevel=2,
        bos_id=0,
        pad_id=1,
        eos_id=2,
        unk_id=3,
    )
    model = ModelProto.FromString(trained.getvalue())
    whole = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    charsmap = base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()
    ends = [{"SpecialToken": {"id": piece, "type_id": 0}} for piece in ("<s>", "</s>")]
    document = {
        "version": "1.0",
        "added_tokens": [{"id": place, "content": piece, **whole} for piece, place in SPECIAL.items()],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Precompiled", "precompiled_charsmap": charsmap},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [ends[0], {"Sequence": {"id": "A", "type_id": 0}}, ends[1]],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                piece: {"id": piece, "ids": [SPECIAL[piece]], "tokens": [piece]} for piece in ("<s>", "</s>")
            },
        },
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [[each.piece, each.score] for each in model.pieces]},
    }
    return json.dumps(document)


def test_the_sentencepiece_model_splits_like_the_tokenizer_it_is_made_from(tmp_path: Path) -> None:
    document = tokenizer_json()
    path = tmp_path / "tokenizer.model"
    path.write_bytes(as_sentencepiece(document.encode()))
    texts = [*TEXTS, "ＤＯＧ dog", "cats \u00bd bark", "?", ""]
    theirs = tokenizers.Tokenizer.from_str(document)
    assert Tokenizer(path).encode(texts) == [theirs.encode(text).ids for text in texts]
