import subprocess
import sys

from click.testing import CliRunner

from models.eval_cli import evaluate

TASKS = {"sentiment", "language", "topic", "agreement", "campaign", "emotion", "act"}


def test_help_lists_the_tasks_and_shows_an_example_of_each() -> None:
    result = CliRunner().invoke(evaluate, ["--help"])
    assert result.exit_code == 0, result.output
    listed = result.stdout.partition("Commands:")[2].split()
    assert set(listed) >= TASKS
    assert [task for task in TASKS if f"python -m models eval {task} --data" not in result.stdout] == []


def test_a_task_is_run() -> None:
    result = CliRunner().invoke(evaluate, ["language", "--help"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Usage: eval language")


def test_an_unknown_task_is_refused() -> None:
    result = CliRunner().invoke(evaluate, ["nothing"])
    assert result.exit_code == 2
    assert "No such command 'nothing'" in result.stderr


def test_the_packages_of_the_extra_are_not_loaded_before_a_task_is_used() -> None:
    program = "import sys, models.eval_cli; print({'sklearn', 'matplotlib', 'rich'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert result.stdout.strip() == b"set()"
