"""A text classifier from the Hugging Face hub, or from a folder of the same layout (`tagpulse[torch]`).

Only safetensors are loaded, and code that comes with a model is never run. Models run in f32 on the CPU and in f16 on a
CUDA device (the latter is not tested).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers

from models.artefact import digest
from models.backends.base import Padded, Precision
from models.backends.batching import BUCKET, MICRO_BATCH, filled, micro_batches
from models.backends.pool import BatchPool
from models.errors import HubModelError
from models.text import MAX_TOKENS

_MULTI_LABEL = "multi_label_classification"
_ADVICE = (
    "choose a model for text classification with safetensors and a tokenizer: a folder, or a name on the hub, "
    "optionally followed by @REVISION"
)
_VERSION_DIGITS = 12


class HubClassifier:
    """A text classifier with its tokenizer. The answer for a text does not depend on the rest of the batch."""

    def __init__(self, task: str, name: str, *, precision: Precision, threads: int) -> None:
        """Load the model.

        Args:
            task: The task of the model, for error messages.
            name: A folder, NAME or NAME@REVISION.
            precision: `f16` to run on a CUDA device, otherwise `f32`.
            threads: Number of threads on the CPU.

        Raises:
            HubModelError: If the model cannot be loaded, or is not a classifier.
        """
        folder = Path(name).expanduser()
        is_folder = folder.is_dir()
        source, _, revision = (str(folder), "", "") if is_folder else name.partition("@")
        self._device = torch.device("cuda" if precision == "f16" else "cpu")
        torch.set_num_threads(1)
        transformers.utils.logging.disable_progress_bar()
        wanted: dict[str, Any] = {"revision": revision or "main", "trust_remote_code": False}
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(source, **wanted)
            model, found = transformers.AutoModelForSequenceClassification.from_pretrained(
                source, use_safetensors=True, output_loading_info=True, **wanted
            )
        except Exception as error:  # every model and tokenizer format raises its own exceptions
            raise HubModelError(task, name, f"cannot be loaded: {_first_line(error)}: {_ADVICE}") from error
        if found["missing_keys"]:
            missing = ", ".join(sorted(found["missing_keys"])[:3])
            raise HubModelError(task, name, f"is not a trained classifier, because it lacks {missing}: {_ADVICE}")
        self.name = folder.resolve().name if is_folder else source
        self.version = _version(folder) if is_folder else _commit(model) or revision or "main"
        self.labels = tuple(str(model.config.id2label[index]) for index in range(model.config.num_labels))
        self.is_multi_label = model.config.problem_type == _MULTI_LABEL
        self._pad = self._tokenizer.pad_token_id
        if self._pad is None:
            raise HubModelError(task, name, "has a tokenizer without a padding token: choose another model")
        self._most_tokens = self._read_limit(model)
        kind = torch.float16 if precision == "f16" else torch.float32
        self._model = model.to(self._device, kind).eval()
        self._pool = BatchPool(self._compute, 1 if self._device.type == "cuda" else threads)

    def logits(self, prepared: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the logits (texts x labels) of prepared texts."""
        encoded = self._tokenizer(list(prepared), truncation=True, max_length=self._most_tokens)["input_ids"]
        batches = list(micro_batches(encoded, self._pad))
        results = self._pool.run([Padded(batch.ids, batch.mask) for batch in batches])
        answers = np.empty((len(prepared), len(self.labels)), np.float32)
        for batch, result in zip(batches, results, strict=True):
            answers[batch.rows] = result[: len(batch.rows)]
        return answers

    def _compute(self, batch: Padded) -> npt.NDArray[np.float32]:
        # A GPU may use another algorithm for another number of rows; a fixed number keeps answers reproducible.
        ids, mask = filled(batch, MICRO_BATCH, self._pad) if self._device.type == "cuda" else batch
        with torch.inference_mode():
            answer = self._model(
                input_ids=torch.from_numpy(ids).to(self._device),
                attention_mask=torch.from_numpy(mask).to(self._device),
            )
            return np.asarray(answer.logits.float().cpu().numpy())

    def _read_limit(self, model: Any) -> int:
        # RoBERTa numbers positions starting at the padding id + 1. The last bucket must fit completely.
        positions = getattr(model.config, "max_position_embeddings", None) or MAX_TOKENS + self._pad + 1
        most: int = min(MAX_TOKENS, self._tokenizer.model_max_length, positions - self._pad - 1)
        return max(1, most // BUCKET) * BUCKET


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _commit(model: Any) -> str | None:
    commit: str | None = getattr(model.config, "_commit_hash", None)
    return commit and commit[:_VERSION_DIGITS]


def _version(folder: Path) -> str:
    """Return the digests of the weights as the version of a folder."""
    return "+".join(digest(file)[:_VERSION_DIGITS] for file in sorted(folder.glob("*.safetensors")))
