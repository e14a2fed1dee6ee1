"""Tiny text classifiers with random weights, in the format of the Hugging Face hub."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

MakeModel = Callable[..., Path]
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "what",
    "a",
    "lovely",
    "day",
    "this",
    "is",
    "really",
    "awful",
    "the",
    "meeting",
    "starts",
    "at",
    "ten",
    "dog",
    "http",
    "@user",
]


def save_classifier(folder: Path, labels: Sequence[str], **config: Any) -> Path:
    """Save a classifier and its tokenizer; `kind` is the class of its configuration."""
    torch.manual_seed(0)
    wanted: dict[str, Any] = {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 80,
        "pad_token_id": 0,
        "initializer_range": 0.5,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: place for place, label in enumerate(labels)},
    }
    kind = config.pop("kind", transformers.BertConfig)
    model = transformers.AutoModelForSequenceClassification.from_config(kind(**wanted, **config))
    model.save_pretrained(folder)
    _save_tokenizer(folder)
    return folder


def _save_tokenizer(folder: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
