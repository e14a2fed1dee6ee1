"""A text classifier of the Hugging Face hub, or a folder of the same form (`tagpulse[torch]`).

Only safetensors are loaded, and never code that comes with a model. In f32 on the CPU, in f16 on a CUDA device (which is
not tested).
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
    "name a model for text classification with safetensors and a tokenizer: a folder, or a name on the hub, with "
    "@REVISION after it if need be"
)
_VERSION_DIGITS = 12


class HubClassifier:
    """A model and its tokenizer, loaded. A text's answer does not depend on its neighbours."""

    def __init__(self, task: str, name: str, *, precision: Precision, threads: int) -> None:
        """`task` is what the model was named for, `name` a folder or NAME or NAME@REVISION.

        Raises:
            HubModelError: it cannot be loaded, or not as a classifier.
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
        except Exception as error:  # each format of model and tokenizer raises errors of its own
            raise HubModelError(task, name, f"cannot be loaded: {_first_line(error)}: {_ADVICE}") from error
        if found["missing_keys"]:
            missing = ", ".join(sorted(found["missing_keys"])[:3])
            raise HubModelError(task, name, f"is no trained classifier, it has no {missing}: {_ADVICE}")
        self.name = folder.resolve().name if is_folder else source
        self.version = _version(folder) if is_folder else _commit(model) or revision or "main"
        self.labels = tuple(str(model.config.id2label[place]) for place in range(model.config.num_labels))
        self.is_multi_label = model.config.problem_type == _MULTI_LABEL
        self._pad = self._tokenizer.pad_token_id
        if self._pad is None:
            raise HubModelError(task, name, "has a tokenizer without padding: name another model")
        self._most_tokens = self._read_limit(model)
        kind = torch.float16 if precision == "f16" else torch.float32
        self._model = model.to(self._device, kind).eval()
        self._pool = BatchPool(self._compute, 1 if self._device.type == "cuda" else threads)

    def logits(self, prepared: Sequence[str]) -> npt.NDArray[np.float32]:
        """Classify prepared texts: texts x labels."""
        encoded = self._tokenizer(list(prepared), truncation=True, max_length=self._most_tokens)["input_ids"]
        batches = list(micro_batches(encoded, self._pad))
        results = self._pool.run([Padded(batch.ids, batch.mask) for batch in batches])
        answers = np.empty((len(prepared), len(self.labels)), np.float32)
        for batch, result in zip(batches, results, strict=True):
            answers[batch.rows] = result[: len(batch.rows)]
        return answers

    def _compute(self, batch: Padded) -> npt.NDArray[np.float32]:
        # A GPU takes another algorithm for another number of rows: with one number, a row's answer is always the same.
        ids, mask = filled(batch, MICRO_BATCH, self._pad) if self._device.type == "cuda" else batch
        with torch.inference_mode():
            answer = self._model(
                input_ids=torch.from_numpy(ids).to(self._device),
                attention_mask=torch.from_numpy(mask).to(self._device),
            )
            return np.asarray(answer.logits.float().cpu().numpy())

    def _read_limit(self, model: Any) -> int:
        # RoBERTa counts positions from behind the padding token's id. The last bucket must fit as a whole.
        positions = getattr(model.config, "max_position_embeddings", None) or MAX_TOKENS + self._pad + 1
        most: int = min(MAX_TOKENS, self._tokenizer.model_max_length, positions - self._pad - 1)
        return max(1, most // BUCKET) * BUCKET


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _commit(model: Any) -> str | None:
    commit: str | None = getattr(model.config, "_commit_hash", None)
    return commit and commit[:_VERSION_DIGITS]


def _version(folder: Path) -> str:
    """A folder's version is what it holds: the digest of its weights."""
    return "+".join(digest(file)[:_VERSION_DIGITS] for file in sorted(folder.glob("*.safetensors")))
