import json
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean

import pytest

from models.errors import TrainingDataError
from models.evaluation.error_rates import UMSAB_LANGUAGES
from models.train_cli import DATA
from models.training import corpus, data
from models.training.data import TrainingRow

READERS: dict[str, Callable[[Path], Iterable[TrainingRow]]] = {
    "umsab": lambda folder: data.umsab(folder, "train"),
    "semeval2017_4a": data.semeval,
    "afrisenti": lambda folder: data.afrisenti(folder, "dev"),
    "x_topic": data.x_topic,
    "sib200": data.sib200,
    "emosent": data.emosent,
    "lingua_sentences": data.lingua,
    "crisislex_t26": data.crisislex,
}


GUIDE = Path(__file__).parents[3] / "docs" / "training.md"


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + "\n" for line in lines).encode())


@pytest.mark.parametrize("name", READERS)
def test_a_missing_set_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(TrainingDataError, match=rf"data set {name}: {tmp_path / name}/.* is missing; docs/training.md"):
        list(READERS[name](tmp_path))


def test_the_guide_names_every_set_and_the_message_about_a_missing_one() -> None:
    guide = GUIDE.read_text("utf-8")
    assert [name for name in READERS if f"| `{name}` |" not in guide or f"\n{name}/" not in guide] == []
    with pytest.raises(TrainingDataError) as missing:
        next(data.umsab(DATA, "train"))
    assert str(missing.value) in guide


def test_umsab_has_a_text_and_a_label_per_line(tmp_path: Path) -> None:
    for folder in UMSAB_LANGUAGES:
        write(tmp_path / "umsab" / folder / "val_text.txt", f"@anna {folder} https://t.co/x", "two")
        write(tmp_path / "umsab" / folder / "val_labels.txt", "2", "0")
    rows = list(data.umsab(tmp_path, "val"))
    assert len(rows) == 16
    assert rows[:2] == [
        TrainingRow("umsab-val", "@user arabic http", "ar", sentiment=2),
        TrainingRow("umsab-val", "two", "ar", sentiment=0),
    ]
    assert {row.language for row in rows if row.is_noisy} == {data.NOISY} == {"hi-Latn"}
    assert not any(row.unknown for row in rows)
    write(tmp_path / "umsab" / "arabic" / "val_labels.txt", "2")
    with pytest.raises(ValueError, match="shorter"):
        list(data.umsab(tmp_path, "val"))


def test_only_the_reliable_labels_of_hindi_are_used(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "HINDI_RELIABLE_FROM", {0: 9, 2: 20})
    posts = list(data.umsab(tiny_data, "train"))
    hindi = [row.sentiment for row in posts if row.language == data.NOISY]
    assert {line: label for line, label in enumerate(hindi) if label is not None} == (
        dict.fromkeys(range(9, 30, 3), 0) | dict.fromkeys(range(20, 30, 3), 2)
    )
    assert all(row.sentiment is not None for row in posts if row.language != data.NOISY)
    assert {row.unknown for row in posts if row.language == data.NOISY} == {frozenset({"neutral"})}
    assert {row.unknown for row in posts if row.language != data.NOISY} == {frozenset()}
    assert all(row.sentiment is not None for row in data.umsab(tiny_data, "val"))


@pytest.mark.slow
def test_hindi_labels_agree_with_the_same_tweets_in_semeval_only_where_they_are_reliable(shared_data: Path) -> None:
    known = {corpus.fingerprint(row.text): row.sentiment for row in data.semeval(shared_data)}
    lines = (shared_data / "umsab" / "hindi" / "train_labels.txt").read_text("utf-8").split()
    posts = [row for row in data.umsab(shared_data, "train") if row.language == data.NOISY]
    agreed: dict[bool, list[bool]] = {True: [], False: []}
    for row, label in zip(posts, map(int, lines), strict=True):
        if (other := known.get(corpus.fingerprint(row.text))) is not None:
            agreed[row.sentiment is not None].append(label == other)
    assert fmean(agreed[True]) > 0.9
    assert fmean(agreed[False]) < 0.4


def test_semeval_is_unescaped_and_its_sarcasm_is_left_out(tmp_path: Path) -> None:
    write(
        tmp_path / "semeval2017_4a" / "twitter-2013dev-A.tsv",
        '1\tpositive\t"It\\u2019s great\\u002c ""really"" so"\t',
        "2\tneutral\tone\ttab",
    )
    write(tmp_path / "semeval2017_4a" / "twitter-2014sarcasm-A.tsv", "3\tnegative\tAs if")
    assert list(data.semeval(tmp_path)) == [
        TrainingRow("semeval-2013", 'It\'s great, "really" so', "en", sentiment=2),
        TrainingRow("semeval-2013", "one tab", "en", sentiment=1),
    ]


def test_afrisenti_names_romanised_arabic(tmp_path: Path) -> None:
    write(
        tmp_path / "afrisenti" / "arq" / "dev.tsv",
        "ID\ttweet\tlabel",
        "1\tربي يحفظك http://a.b\tpositive",
        '2\t@someone rabi "yehafdek\tnegative',
        "3\t123 http://a.b\tneutral",
    )
    assert list(data.afrisenti(tmp_path, "dev", ["arq"])) == [
        TrainingRow("afrisenti-dev", "ربي يحفظك http", "ar", sentiment=2),
        TrainingRow("afrisenti-dev", '@user rabi "yehafdek', "ar-Latn", sentiment=0),
        TrainingRow("afrisenti-dev", "123 http", "ar", sentiment=1),
    ]


def test_x_topic_has_several_topics_or_none(tmp_path: Path) -> None:
    post = {"id": 1, "text": "Goal&amp;song", "topics": ["Sports"], "music": 1, "news": 0, "sports": 1.0}
    for code in data.X_TOPIC_LANGUAGES:
        write(
            tmp_path / "x_topic" / f"{code}_1000.jsonl", json.dumps(post), json.dumps(post | {"music": 0, "sports": 0})
        )
    rows = list(data.x_topic(tmp_path))
    assert rows[:2] == [
        TrainingRow("x_topic", "Goal&song", "en", topics=("music", "sports")),
        TrainingRow("x_topic", "Goal&song", "en", topics=()),
    ]
    assert [row.language for row in rows[::2]] == ["en", "es", "el", "ja"]
    assert data.topic_names(post) == ("music", "news", "sports")


def test_translations_of_a_sentence_share_its_number(tmp_path: Path) -> None:
    for code, text in (("deu_Latn", 'Ein "Satz'), ("eng_Latn", "A sentence")):
        write(tmp_path / "sib200" / f"{code}.train.tsv", "index_id\tcategory\ttext", f"7\ttravel\t{text}")
    assert list(data.sib200(tmp_path)) == [
        TrainingRow("sib200", 'Ein "Satz', "de", topics=("travel",), sentence="7"),
        TrainingRow("sib200", "A sentence", "en", topics=("travel",), sentence="7"),
    ]


def test_an_emoji_has_its_most_frequent_sentiment(tmp_path: Path) -> None:
    write(
        tmp_path / "emosent" / "Emoji_Sentiment_Data_v1.0.csv",
        "Emoji,Unicode name,Negative,Neutral,Positive",
        "\U0001f602,FACE WITH TEARS OF JOY,30,20,50",
        "\u2620,SKULL AND CROSSBONES,9,8,7",
        "\u25cf,BLACK CIRCLE,5,6,6",
    )
    assert [(row.text, row.sentiment) for row in data.emosent(tmp_path)] == [
        ("\U0001f602", 2),
        ("\u2620", 0),
        ("\u25cf", 1),
    ]


def test_sentences_have_the_language_of_their_file(tmp_path: Path) -> None:
    write(tmp_path / "lingua_sentences" / "de.txt", "Ein Satz.", "  ", "", "Noch einer.")
    write(tmp_path / "lingua_sentences" / "en.txt", "A sentence.")
    write(tmp_path / "lingua_sentences" / "README.txt", "Read me.")
    assert list(data.lingua(tmp_path)) == [
        TrainingRow("lingua", "Ein Satz.", "de"),
        TrainingRow("lingua", "Noch einer.", "de"),
        TrainingRow("lingua", "A sentence.", "en"),
    ]


def test_posts_about_disasters_have_a_type_of_information_or_none(tmp_path: Path) -> None:
    write(
        tmp_path / "crisislex_t26" / "flood.csv",
        "Tweet ID, Tweet Text, Source, Type",
        '1,"Water, everywhere",press,Caution and advice',
        "2,Hello,press,Not labeled",
        "3,cut off",
        "4,Give,press,Donations,more",
    )
    assert list(data.crisislex(tmp_path)) == [
        TrainingRow("crisis", "Water, everywhere", topics=("Caution and advice",)),
        TrainingRow("crisis", "Hello", topics=()),
        TrainingRow("crisis", "Give", topics=("Donations",)),
    ]


def test_a_row_has_only_the_labels_of_its_set() -> None:
    row = TrainingRow("set", "text", "en", sentiment=0, acts=())
    heads = ("language", "sentiment", "topics", "emotions", "acts", "unheard-of")
    assert [row.label(head) for head in heads] == ["en", 0, None, None, (), None]
    assert not row.is_noisy
    assert not TrainingRow("lingua", "text", data.NOISY).is_noisy
