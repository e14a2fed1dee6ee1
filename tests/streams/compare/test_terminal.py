from __future__ import annotations

from pathlib import Path

from rich.console import Console

from streams.compare import Comparison, compare
from streams.compare.terminal import as_tables
from streams.contracts import EnrichedPost
from tests.streams.compare.two_runs import EDITED, enriched, write_run

HOSTILE = "\x1b[31m[bold]x[/bold] \u202etxt"


def shown(found: Comparison, rows: int = 20) -> str:
    console = Console(width=160, force_terminal=False, record=True)
    with console.capture() as capture:
        console.print(as_tables(found, rows))
    return capture.get()


async def compared(lake: Path, a: list[EnrichedPost], b: list[EnrichedPost]) -> Comparison:
    await write_run(lake, "live", a)
    await write_run(lake, "again", b)
    return compare(lake, "live", "again")


def row_of(text: str, *cells: str) -> bool:
    """Return whether a line of a table begins with these cells."""
    lines = ([cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines())
    return any(line[: len(cells)] == list(cells) for line in lines)


async def test_each_task_has_its_agreement_and_its_matrix(tmp_path: Path) -> None:
    a = [
        enriched("1", "negative", topics=("news",), emotions=("anger",), campaign="force"),
        enriched("2", "neutral"),
        enriched("3"),
    ]
    b = [enriched("1", "negative", topics=("news",), campaign="dogs"), enriched("2", "negative"), enriched("3")]
    text = shown(await compared(tmp_path, a, b))
    assert "A: live, 3 posts" in text
    assert "B: again, 3 posts" in text
    assert "constant 1 (openvino int8): 3 posts" in text
    assert row_of(text, "sentiment", "n = 3, few", "66.7 %")
    assert row_of(text, "language", "n = 3, few", "100.0 %")
    assert row_of(text, "topics (mean kappa)", "n = 3", "100.0 %")
    assert "Sentiment: rows A, columns B" in text
    assert row_of(text, "neutral", "1", "1", "0")
    assert "Campaign topic: rows A" in text
    assert row_of(text, "none", "2")
    assert row_of(text, "news", "1", "0", "0")
    assert row_of(text, "emotions (mean kappa)", "n = 3", "66.7 %")
    assert "Emotions, most changed first" in text
    assert row_of(text, "anger", "0", "1", "0")
    assert row_of(text, "acts (mean kappa)", "n = 3", "100.0 %")


async def test_missing_data_has_no_table(tmp_path: Path) -> None:
    text = shown(await compared(tmp_path, [enriched("1")], [enriched("1")]))
    for name in ("Topics", "Emotions", "Acts"):
        assert f"{name}, most changed first" not in text
    assert "Campaign topic" not in text
    assert "warning" not in text


async def test_warnings_are_shown(tmp_path: Path) -> None:
    edited = enriched("1", text="after", edited_at=EDITED)
    text = shown(await compared(tmp_path, [enriched("1", text="before"), enriched("2")], [edited, enriched("2")]))
    assert "warning: 1 posts have a different text in each run" in text


async def test_long_tables_are_cut(tmp_path: Path) -> None:
    a = [enriched(f"{number}", "neutral", days=number) for number in range(5)]
    b = [enriched(f"{number}", "negative", days=number) for number in range(5)]
    found = await compared(tmp_path, a, b)
    cut, whole = shown(found, 2), shown(found, 5)
    assert cut.count("the first 2 of 5; use --limit or --json to see more") == 3
    assert "use --limit" not in whole
    assert [sum(f"test:{number}" in text for number in range(5)) for text in (cut, whole)] == [2, 5]


async def test_a_post_cannot_control_the_terminal(tmp_path: Path) -> None:
    fields = {"text": HOSTILE + "y" * 300, "language": HOSTILE, "hashtags": (HOSTILE,), "topics": (HOSTILE,)}
    a, b = (
        [enriched("1", sentiment, campaign=HOSTILE, **fields)]  # type: ignore[arg-type]
        for sentiment in ("neutral", "negative")
    )
    text = shown(await compared(tmp_path, a, b))
    assert not {"\x1b", "\u202e"} & set(text)
    assert "[bold]" in text
    assert "\\x1b[31m" in text
    assert "y" * 200 not in text.replace("\n", "")
