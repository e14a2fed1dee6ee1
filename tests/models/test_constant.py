from models.constant import ConstantEnricher
from models.enricher import TextEnricher


def test_every_text_gets_the_same_answer() -> None:
    enricher: TextEnricher = ConstantEnricher()
    first, second = enricher.enrich(["a", ""])
    assert first == second
    assert (first.model.name, first.model.version) == (enricher.name, enricher.version)
    assert enricher.cache_info().hits == 0
