import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.heads import HEADS
from models.training.network import (
    QUERIES,
    Answers,
    Dropout,
    Exit,
    Heads,
    MultiHeadNetwork,
    PooledHead,
    Pooling,
    Sizes,
    from_bert,
    mask_penalty,
    mean,
)
from tests.models.training.conftest import COLUMNS, CONFIG, PLACEHOLDER

IDS = torch.tensor([[0, 7, 9, 11, 2], [0, 5, 2, 1, 1]])
MASK = (IDS != 1).long()


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropout = Dropout(0.1)
    values = torch.ones(1000, 300)
    dropped = dropout(values)
    assert abs((dropped == 0).float().mean() - 0.1) < 0.005
    assert abs(dropped.mean() - 1) < 0.005
    assert abs((dropped == 0).float().mean(1) - 0.1).max() < 0.15, "whole rows are dropped instead of single elements"
    assert dropout.eval()(values) is values


def test_the_network_computes_what_transformers_computes() -> None:
    transformers = pytest.importorskip("transformers", reason="the extra `torch` is not installed")
    fields = {name: getattr(CONFIG, name) for name in CONFIG.__slots__}
    bert = transformers.BertModel(transformers.BertConfig(hidden_act="gelu", **fields), add_pooling_layer=False).eval()
    keep = [0, 1, 2, 7, 9, 11, 5]
    sizes = Sizes(COLUMNS, exits=(6,))
    pruned = MultiHeadNetwork(CONFIG.__class__(**{**fields, "vocab_size": len(keep)}), sizes).eval()
    loaded = pruned.load_state_dict(from_bert(bert.state_dict(), 6, keep), strict=False)
    assert not loaded.unexpected_keys
    renumbered = torch.tensor([[keep.index(each) for each in row] for row in IDS.tolist()])
    with torch.no_grad():
        expected = bert(IDS, MASK, output_hidden_states=True).hidden_states
        found = pruned.hidden(renumbered, MASK)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs)[MASK == 1].abs().max() < 1e-5


def test_the_mean_leaves_padding_out() -> None:
    hidden = torch.tensor([[[1.0, 10.0], [3.0, 30.0]], [[5.0, 50.0], [99.0, 99.0]]])
    assert mean(hidden, torch.tensor([[1, 1], [1, 0]])).tolist() == [[2, 20], [5, 50]]


def test_padding_gets_no_weight() -> None:
    penalty = mask_penalty(torch.tensor([[1, 1, 0]]))
    assert penalty.shape == (1, 1, 1, 3)
    assert (torch.zeros(1, 1, 3, 3) + penalty).softmax(-1)[0, 0].tolist() == [[0.5, 0.5, 0]] * 3


def test_pooling_starts_as_the_mean_and_follows_its_queries() -> None:
    hidden = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]])
    penalty = mask_penalty(torch.tensor([[1, 1, 0]]))
    pooling = Pooling(2, queries=2)
    assert pooling(hidden, penalty).tolist() == [[0.5, 0.5, 0.5, 0.5]]
    with torch.no_grad():
        pooling.queries.copy_(torch.tensor([[np.log(3.0), 0.0], [0.0, 60.0]]))
    assert pooling(hidden, penalty)[0].tolist() == pytest.approx([0.75, 0.25, 0, 1], abs=1e-6)


def test_each_head_reads_what_the_list_says() -> None:
    sizes = Sizes(COLUMNS, exits=(6,))
    exit_heads, words = Heads(("tokens", "mean"), 64, sizes), Heads(("words",), 128, sizes)
    assert exit_heads.keys() | words.keys() == COLUMNS.keys()
    assert set(words.keys()) == {name for name in COLUMNS if HEADS[name].reads == "words"}
    assert words["language"].weight.shape == (5, 128)
    assert isinstance(exit_heads["sentiment"], PooledHead)
    assert exit_heads["sentiment"].linear.weight.shape == (3, QUERIES * 64)
    assert exit_heads["vector"].weight.shape == (64, 64)


def test_every_exit_answers_and_only_the_deepest_has_the_heads_of_the_low_layers(network: MultiHeadNetwork) -> None:
    with torch.inference_mode():
        answers = network(IDS, MASK)
    assert answers.exits.keys() == {4, 6}
    assert answers.exits[4].heads.keys() == COLUMNS.keys() - {"language"}
    assert answers.deepest.heads.keys() == COLUMNS.keys()
    assert {name: tuple(each.shape) for name, each in answers.deepest.heads.items()} == {
        name: (2, columns) for name, columns in COLUMNS.items()
    }
    hidden = network.hidden(IDS, MASK)
    in_words = MASK * (IDS != PLACEHOLDER)
    low, words = (torch.cat([mean(hidden[layer], each) for layer in (3, 6)], dim=1) for each in (MASK, in_words))
    assert torch.allclose(answers.low, low, atol=1e-5)
    assert torch.allclose(answers.words, words, atol=1e-5)
    assert torch.equal(answers.words[1], answers.low[1]), "without a placeholder"
    assert not torch.allclose(answers.words[0], answers.low[0], atol=0.01)
    assert torch.allclose(answers.exits[4].mean, mean(hidden[4], MASK), atol=1e-5)
    assert torch.allclose(answers.deepest.heads["language"], network.heads["words"]["language"](words), atol=1e-4)


def test_padding_and_neighbours_change_nothing(network: MultiHeadNetwork) -> None:
    with torch.inference_mode():
        together, alone = network(IDS, MASK), network(IDS[1:, :3], MASK[1:, :3])
    for depth, out in alone.exits.items():
        for name, values in out.heads.items():
            assert torch.allclose(values[0], together.exits[depth].heads[name][1], atol=1e-4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.integers(10, 199), min_size=1, max_size=12), data=st.data())
def test_placeholders_anywhere_do_not_change_the_language(
    network: MultiHeadNetwork, words: list[int], data: st.DataObject
) -> None:
    marked = list(words)
    for _ in range(data.draw(st.integers(1, 6))):
        marked.insert(data.draw(st.integers(0, len(marked))), PLACEHOLDER)
    plain, with_placeholders = (torch.tensor([[0, *each, 2]]) for each in (words, marked))
    with torch.inference_mode():
        one, other = (network(ids, torch.ones_like(ids)) for ids in (plain, with_placeholders))
    assert torch.allclose(one.words, other.words, atol=1e-4)
    assert torch.allclose(one.deepest.heads["language"], other.deepest.heads["language"], atol=1e-3)
    assert not torch.allclose(one.low, other.low, atol=1e-4), "other heads read the placeholders"


def test_the_words_are_not_trained(network: MultiHeadNetwork) -> None:
    network.train()
    answers = network(IDS, MASK)
    sum(each.sum() for out in answers.exits.values() for each in out.heads.values()).backward()
    assert network.words.weight.grad is None
    trained = [name for name, each in network.named_parameters() if each.requires_grad]
    assert [name for name, each in network.named_parameters() if name in trained and each.grad is None] == []


def test_the_deepest_exit_is_on_the_highest_layer() -> None:
    exits = {depth: Exit({}, torch.full((1, 1), depth)) for depth in (9, 12, 3)}
    assert Answers(torch.zeros(1, 1), torch.zeros(1, 1), exits).deepest is exits[12]
