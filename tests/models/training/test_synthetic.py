from models.text import has_words, prepare
from models.training.synthetic import fragments, without_language


def test_the_same_seed_gives_the_same_texts() -> None:
    assert without_language(50, 1) == without_language(50, 1) != without_language(50, 2)


def test_texts_without_language_are_prepared_texts() -> None:
    texts = without_language(300, 0)
    assert texts[0] == ""
    assert all(prepare(text) == text for text in texts)
    assert sum(has_words(text) for text in texts) < len(texts)


def test_fragments_are_short_pieces_of_their_texts() -> None:
    texts = [
        "the quick brown fox jumps over the lazy dog again",
        "\u4eca\u65e5\u306f\u3068\u3066\u3082\u3044\u3044\u5929\u6c17\u3067\u3059\u306d",
        "one",
        "",
    ]
    for text, piece in zip(texts, fragments(texts, 0), strict=True):
        assert piece in text
        assert len(piece.split()) <= 6
        assert len(piece) <= 60
