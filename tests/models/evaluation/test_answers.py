from models.evaluation.answers import CHUNK, ask, model_of
from tests.helpers.scripted_model import MODEL, ScriptedEnricher, answer


def test_a_long_evaluation_reports_its_progress() -> None:
    model, done = ScriptedEnricher({}), list[int]()
    assert len(ask(model, ["x"] * (CHUNK + 3), done.append)) == CHUNK + 3
    assert done == model.batches == [CHUNK, 3]


def test_answers_come_in_the_order_of_the_texts() -> None:
    script = {str(number): answer(language=(f"x{number}", 1.0)) for number in range(CHUNK + 2)}
    texts = [*list(script)[::-1], "0"]
    assert [given.language.code for given in ask(ScriptedEnricher(script), texts)] == [f"x{text}" for text in texts]


def test_without_texts_the_model_is_not_asked() -> None:
    model, done = ScriptedEnricher({}), list[int]()
    assert not ask(model, [], done.append)
    assert done == model.batches == []


def test_the_model_is_named_as_in_its_answers() -> None:
    assert model_of(ScriptedEnricher({})) == MODEL
