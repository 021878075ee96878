"""The default text encoder: MiniLM with int8 weights as one ONNX graph, offline, on the CPU.

Taught in notebook 02.

References:
    Reimers & Gurevych (2019), Sentence-BERT, EMNLP (mean pooling over tokens).
    Wang et al. (2020), MiniLM: deep self-attention distillation, NeurIPS (the network).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime
from msgspec import Meta, Struct
from tokenizers import Tokenizer

from textsep_lab.encoders.hub import EncoderStatus
from textsep_lab.encoders.queries import clean_all
from textsep_lab.encoders.sharing import Reopened
from textsep_lab.utils import paths
from textsep_lab.utils.validation import checked, read_json

CACHE_SIZE = 8192  # texts remembered by one encoder; 384 float32 each, 6 MB in all


class MiniLMEncoder(Reopened):
    """The default encoder: all-MiniLM-L6-v2 with int8 weights, offline, on the CPU.

    Mean pooling (Reimers & Gurevych 2019) and scaling to unit length are part of the ONNX graph.
    Weights are widened to float32 on loading (90 MB of memory); texts run one at a time, so an
    embedding never depends on its neighbours, and the latest 8192 are kept.

    Args:
        folder: holds encoder.json, model.onnx and tokenizer.json; None for the shipped one.
        threads: CPU threads for one text.

    Raises:
        FileNotFoundError: one of the three files is missing.
        ValueError: a file is not the one whose sha256 stands in encoder.json.

    Example:
        >>> encoder = MiniLMEncoder()
        >>> encoder.embed_text(["dog barking", "rain"]).shape
        (2, 384)
    """

    NAME = "minilm-l6-int8"  # of the shipped one

    def __init__(self, folder: Path | None = None, threads: int = 1) -> None:
        # The shipped one may lie elsewhere in another process.
        self.arguments = (None if folder is None else Path(folder).resolve(), threads)
        folder = paths.checkpoints_dir() / "text-encoder" if folder is None else Path(folder)
        card = _read_card(folder)
        self.name: str = card.name
        self.dim: int = card.dim
        model = _read_checked(folder, "model.onnx", card)
        self.weights_sha256: str = card.sha256["model.onnx"]
        tokenizer = _read_checked(folder, "tokenizer.json", card)
        try:
            self._tokenizer = Tokenizer.from_buffer(tokenizer)
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(card.max_tokens)
            self._session = _open_session(model, threads)
        except Exception as error:  # both libraries have classes of their own
            said = "holds no tokenizer and network that can be read: restore it"
            raise ValueError(f"The text encoder's folder '{folder}' {said}.") from error
        self._embed_cached = lru_cache(maxsize=CACHE_SIZE)(self._embed_one)

    @classmethod
    def status(cls) -> EncoderStatus:
        """Return where the weights are; nothing is ever downloaded."""
        folder = paths.checkpoints_dir() / "text-encoder"
        return EncoderStatus(
            cls.NAME, 384, embeds_audio=False, installed=True, weights=folder, download=""
        )

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Return unit-length embeddings float32 [n, 384] of n queries; upper case is ignored.

        Raises:
            ValueError: `texts` is a bare string, or one of them is no query (`clean_query`).

        Example:
            >>> dog, bark, rain = MiniLMEncoder().embed_text(["dog", "dog barking", "rain"])
            >>> bool(dog @ bark > rain @ bark)
            True
        """
        rows = [self._embed_cached(text) for text in clean_all(texts)]
        return np.stack(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def _embed_one(self, text: str) -> np.ndarray:
        tokens = self._tokenizer.encode(text)
        feed = {
            "input_ids": np.array([tokens.ids], dtype=np.int64),
            "attention_mask": np.array([tokens.attention_mask], dtype=np.int64),
        }
        return self._session.run(["embedding"], feed)[0][0]


def _read(file: Path) -> bytes:
    if not file.is_file():
        raise FileNotFoundError(f"The text encoder's file '{file}' is missing: restore it.")
    return file.read_bytes()


class _Card(Struct):
    """What encoder.json says of the two other files; it may say more."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    dim: Annotated[int, Meta(ge=1, le=8192)]
    max_tokens: Annotated[int, Meta(ge=3, le=512)]
    sha256: dict[str, str]


def _read_card(folder: Path) -> _Card:
    file = folder / "encoder.json"
    return checked(_Card, read_json(_read(file), file), file, "is damaged")


def _read_checked(folder: Path, name: str, card: _Card) -> bytes:
    data = _read(folder / name)
    if hashlib.sha256(data).hexdigest() != card.sha256.get(name):
        raise ValueError(f"The text encoder's file '{folder / name}' is damaged: restore it.")
    return data


def _open_session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Widen the int8 weights once: no int8 arithmetic, so the same numbers on every processor.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
