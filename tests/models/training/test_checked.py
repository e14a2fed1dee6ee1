import pytest

from models.errors import TrainingDataError
from models.training import checked
from models.training.checked import checked_domains
from models.training.data import TrainingRow
from models.training.domains import is_published


def rows(
    source: str, language: str, sentiments: int = 3, count: int = 300, unknown: frozenset[str] = frozenset()
) -> list[TrainingRow]:
    return [
        TrainingRow(source, f"{source} {language} {number}", language, sentiment=number % sentiments, unknown=unknown)
        for number in range(count)
    ]


@pytest.mark.parametrize("published", [True, False])
def test_one_half_of_each_domain_by_language(published: bool) -> None:
    found = checked_domains(
        [
            *rows("umsab-val", "de"),
            *rows("afrisenti-dev", "sw"),
            *rows("mozetic-held", "pl"),
            *rows("mozetic-held", "sk"),
            *rows("two-held", "ja", unknown=frozenset({"neutral"})),
            *rows("lopsided-held", "th", sentiments=2),
            *rows("small-held", "fi", count=30),
            *rows("umsab-train", "fr"),
        ],
        published=published,
    )
    assert {name: each.language for name, each in found.items()} == {
        "afrisenti sw": "sw",
        "mozetic pl": "pl",
        "mozetic sk": "sk",
        "umsab de": "de",
    }
    texts = found["umsab de"].posts.texts
    assert texts == tuple(row.text for row in rows("umsab-val", "de") if is_published(row) == published)
    assert found["umsab de"].posts.labels.tolist() == [int(text.split()[-1]) % 3 for text in texts]


def test_the_posts_of_a_domain_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "MOST_POSTS", 70)
    (found,) = checked_domains(rows("umsab-val", "de"), published=True).values()
    assert 60 <= len(found.posts.texts) <= 100


def test_no_domain_to_check_on_is_an_error() -> None:
    with pytest.raises(TrainingDataError, match="no held-out domain has 20 posts of each sentiment"):
        checked_domains(rows("umsab-train", "de"), published=True)
