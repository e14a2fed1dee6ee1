"""Options, exit codes and error handling shared by the commands of `python -m models`."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Literal, NoReturn, Protocol, get_args

import click

from models.backends.choice import WantedBackend, WantedPrecision, missing_packages
from models.campaign import CampaignTopic
from models.enricher import DEFAULT_CACHE_SIZE, CachedEnricher, Enricher
from models.errors import ArtefactError, BackendError, HubModelError, MissingBackendExtra, ModelError
from models.hub import TOPIC_THRESHOLD, HubEnricher

BAD_DATA = 65
"""Exit code for input that cannot be read (EX_DATAERR of sysexits.h)."""

BROKEN_INSTALL = 70
"""Exit code for damaged model files (EX_SOFTWARE)."""

CANNOT_WRITE = 73
"""Exit code for results that cannot be written (EX_CANTCREAT)."""

_HUB_MODEL = "A text classifier with safetensors: a folder, or NAME or NAME@REVISION on the Hugging Face hub."


class Load(Protocol):
    """Loads the model that the command-line options select; a `cache_size` of 0 disables its cache."""

    def __call__(
        self, *, campaign_topics: Sequence[CampaignTopic] = (), cache_size: int = DEFAULT_CACHE_SIZE
    ) -> CachedEnricher: ...


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select and configure the model; the command receives them as one argument, `load`."""

    @click.option(
        "--backend",
        type=click.Choice([*get_args(WantedBackend), "hub"]),
        default="auto",
        show_default=True,
        help="Inference back end. auto: the fastest one installed; hub: third-party models.",
    )
    @click.option(
        "--precision",
        type=click.Choice(get_args(WantedPrecision)),
        default="auto",
        show_default=True,
        help="Numeric precision. auto: what is both fast and accurate on this processor.",
    )
    @click.option("--threads", type=click.IntRange(min=1), help="Number of compute threads.  [default: all CPUs]")
    @click.option("--hub-sentiment", metavar="MODEL", help=f"Sentiment model for --backend hub. {_HUB_MODEL}")
    @click.option("--hub-language", metavar="MODEL", help="The same for the language model.")
    @click.option("--hub-topic", metavar="MODEL", help="The same for the topic model.")
    @click.option(
        "--hub-topic-threshold",
        type=click.FloatRange(0, 1),
        default=TOPIC_THRESHOLD,
        show_default=True,
        help="Minimum score for assigning a topic, if the topic model is multi-label.",
    )
    @wraps(command)
    def with_options(
        *,
        backend: WantedBackend | Literal["hub"],
        precision: WantedPrecision,
        threads: int | None,
        hub_sentiment: str | None,
        hub_language: str | None,
        hub_topic: str | None,
        hub_topic_threshold: float,
        **others: object,
    ) -> None:
        if backend != "hub" and (hub_sentiment or hub_language or hub_topic):
            raise click.UsageError("--hub-sentiment, --hub-language and --hub-topic require --backend hub")

        def load(
            *, campaign_topics: Sequence[CampaignTopic] = (), cache_size: int = DEFAULT_CACHE_SIZE
        ) -> CachedEnricher:
            if backend != "hub":
                return Enricher.load(
                    backend=backend,
                    precision=precision,
                    threads=threads,
                    cache_size=cache_size,
                    campaign_topics=campaign_topics,
                )
            return HubEnricher.load(
                sentiment=hub_sentiment,
                language=hub_language,
                topic=hub_topic,
                topic_threshold=hub_topic_threshold,
                precision=precision,
                threads=threads,
                cache_size=cache_size,
                campaign_topics=campaign_topics,
            )

        command(load=load, **others)

    return with_options


def fail(error: ModelError) -> NoReturn:
    """Print the message of an error and exit with its exit code."""
    if isinstance(error, BackendError | HubModelError):
        raise click.UsageError(str(error)) from error
    click.echo(f"Error: {error}", err=True)
    sys.exit(BROKEN_INSTALL if isinstance(error, ArtefactError) else BAD_DATA)


@contextmanager
def failing() -> Iterator[None]:
    """Exit as `fail` does if the block raises a ModelError."""
    try:
        yield
    except ModelError as error:
        fail(error)


@contextmanager
def writing() -> Iterator[None]:
    """Exit with the code `CANNOT_WRITE` if the block raises an OSError."""
    try:
        yield
    except OSError as error:
        click.echo(f"Error: cannot write {error.filename}: {error.strerror}", err=True)
        sys.exit(CANNOT_WRITE)


class OptionalGroup(click.Group):
    """A group whose commands need an extra: they are imported when one is used, and not listed without the extra."""

    def __init__(self, *, extra: str, packages: Sequence[str], load: Callable[[], click.Group], **options: Any) -> None:
        """Create a group without importing its commands.

        Args:
            extra: The extra of tagpulse that the commands need.
            packages: The packages of the extra, by the names under which they are imported.
            load: Imports the group that holds the commands.
        """
        super().__init__(**options)
        self._extra = extra
        self._packages = packages
        self._load = load

    def list_commands(self, context: click.Context) -> list[str]:
        return [] if missing_packages(*self._packages) else list(self._load().commands)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if missing_packages(*self._packages):
            raise MissingBackendExtra(self._extra, self._extra)
        return self._load().commands.get(name)

    def invoke(self, context: click.Context) -> Any:
        with failing():
            return super().invoke(context)
