import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from models.training.vocabulary import choose, count_pieces, write_tokenizer

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "\u2581", "a", "b", "\u2581ab", "abba", "\u2581baba", "<mask>"]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    special = [0, 1, 2, 3, 10]
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": each, "content": PIECES[each], "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for each in special
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]},
            },
        },
        "decoder": None,
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [[piece, -float(at)] for at, piece in enumerate(PIECES)]},
    }  # fmt: skip
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document), "utf-8")
    return path


def test_frequent_pieces_stay_and_characters_always(tokenizer: Path, tmp_path: Path) -> None:
    texts = [("x", "baba baba"), ("y", "ab")]
    counts = count_pieces(tokenizer, texts)
    assert counts["x"].total() == 2
    keep = choose(tokenizer, counts, 9)
    assert [PIECES[each] for each in keep] == [*PIECES[:7], "\u2581baba", "<mask>"]
    write_tokenizer(tokenizer, keep, tmp_path / "pruned.json")
    pruned = Tokenizer.from_file(str(tmp_path / "pruned.json"))
    assert pruned.encode("baba ab").tokens == ["<s>", "\u2581baba", "\u2581", "a", "b", "</s>"]
    assert pruned.token_to_id("<mask>") == 8
    assert len(pruned.encode("a " * 500).ids) == 128


def test_too_few_pieces_are_refused(tokenizer: Path) -> None:
    with pytest.raises(ValueError, match="single-character"):
        choose(tokenizer, {}, 5)
