"""Text encoders behind one interface, and the check every query passes first.

An encoder turns a few words into a point on the unit sphere; the FiLM UNet is conditioned on that
point. Taught in notebook 02.

References:
    Reimers & Gurevych (2019), Sentence-BERT, EMNLP (mean pooling over tokens).
    Wang et al. (2020), MiniLM: deep self-attention distillation, NeurIPS (the default network).
    Elizalde et al. (2024), Natural language supervision for general-purpose audio representations.
"""

from __future__ import annotations

import hashlib
import json
import sys
import unicodedata
import warnings
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from textsep_lab import paths

MAX_QUERY_LENGTH = 200  # characters, after surplus whitespace is gone
CACHE_SIZE = 4096  # texts remembered by one encoder; 384 float32 each, 6 MB in all


def clean_query(text: str) -> str:
    """Return a query without surplus whitespace, or say in one sentence why it is none.

    Emoji and every language are accepted, but the default encoder was trained on English: it
    understands other languages poorly, and most emoji are one and the same unknown token to it.

    Raises:
        ValueError: not a string; no letter, digit or emoji in it; or more than 200 characters.

    Example:
        >>> clean_query("  dog \\n barking ")
        'dog barking'
    """
    if not isinstance(text, str):
        raise ValueError(f"The query must be a string, not {type(text).__name__}.")
    text = " ".join(text.encode("utf-8", "ignore").decode().split())  # drops lone surrogates
    if not any(unicodedata.category(c)[0] in "LN" or unicodedata.category(c) == "So" for c in text):
        raise ValueError(
            "The query is empty: describe the sound in a few words, for example 'dog barking'."
        )
    if len(text) > MAX_QUERY_LENGTH:
        raise ValueError(
            f"The query has {len(text)} characters; the limit is {MAX_QUERY_LENGTH}: "
            "describe one sound in a few words."
        )
    return text


def _clean_all(texts: list[str]) -> list[str]:
    if isinstance(texts, str):
        raise ValueError("embed_text takes a list of texts: write [text] for a single one.")
    return [clean_query(text) for text in texts]


@runtime_checkable
class TextEncoder(Protocol):
    """What callers need; the name is stored beside the weights of a model trained with it.

    Example:
        >>> isinstance(load_encoder(), TextEncoder)
        True
    """

    name: str
    dim: int

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Return unit-length embeddings float32 [n, dim] of n queries.

        Raises:
            ValueError: `texts` is a bare string, or one of them is no query (`clean_query`).
        """


class MiniLMEncoder:
    """The default encoder: all-MiniLM-L6-v2 with int8 weights, offline, on the CPU.

    Mean pooling (Reimers & Gurevych 2019) and scaling to unit length are part of the ONNX graph.
    Weights are widened to float32 on loading (90 MB of memory); texts run one at a time, so an
    embedding never depends on its neighbours, and the latest 4096 are kept.

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

    def __init__(self, folder: Path | None = None, threads: int = 1) -> None:
        folder = paths.checkpoints_dir() / "text-encoder" if folder is None else Path(folder)
        card = _read_card(folder)
        self.name: str = card["name"]
        self.dim: int = card["dim"]
        tokenizer = Tokenizer.from_buffer(_read_checked(folder, "tokenizer.json", card))
        tokenizer.no_padding()
        tokenizer.enable_truncation(card["max_tokens"])
        self._tokenizer = tokenizer
        self._session = _open_session(_read_checked(folder, "model.onnx", card), threads)
        self._embed_cached = lru_cache(maxsize=CACHE_SIZE)(self._embed_one)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Return unit-length embeddings float32 [n, 384] of n queries; upper case is ignored.

        Raises:
            ValueError: `texts` is a bare string, or one of them is no query (`clean_query`).

        Example:
            >>> dog, bark, rain = load_encoder().embed_text(["dog", "dog barking", "rain"])
            >>> bool(dog @ bark > rain @ bark)
            True
        """
        rows = [self._embed_cached(text) for text in _clean_all(texts)]
        return np.stack(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def _embed_one(self, text: str) -> np.ndarray:
        tokens = self._tokenizer.encode(text)
        feed = {
            "input_ids": np.array([tokens.ids], dtype=np.int64),
            "attention_mask": np.array([tokens.attention_mask], dtype=np.int64),
        }
        return self._session.run(["embedding"], feed)[0][0]


class MSClapEncoder:
    """Microsoft CLAP 2023, whose text and audio share one space of 1024 dimensions (an extra).

    msclap fetches its weights (several hundred MB) and gpt2's tokenizer from a hub at first use.

    Args:
        weights: the file CLAP_weights_2023.pth; None to let msclap fetch it.

    Raises:
        ImportError: msclap is not installed, or its torchaudio does not match torch.
        FileNotFoundError: `weights` does not exist.

    Example:
        >>> MSClapEncoder.name, MSClapEncoder.dim
        ('msclap-2023', 1024)
    """

    name = "msclap-2023"
    dim = 1024

    def __init__(self, weights: Path | None = None) -> None:
        if weights is not None and not Path(weights).is_file():
            raise FileNotFoundError(f"The CLAP weights '{weights}' do not exist.")
        clap = _import_clap()
        if weights is None:
            print("CLAP 2023: msclap fetches several hundred MB if not cached.", file=sys.stderr)
        model_fp = None if weights is None else str(weights)
        self._clap = clap(model_fp=model_fp, version="2023", use_cuda=False)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Return unit-length embeddings float32 [n, 1024] of n queries.

        Raises:
            ValueError: `texts` is a bare string, or one of them is no query (`clean_query`).
        """
        texts = _clean_all(texts)
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        rows = self._clap.get_text_embeddings(texts).detach().cpu().numpy().astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


ENCODERS = {"minilm-l6-int8": MiniLMEncoder, MSClapEncoder.name: MSClapEncoder}


def load_encoder(name: str = "minilm-l6-int8") -> TextEncoder:
    """Return the encoder of that name; the same object at every call.

    Raises:
        ValueError: no encoder has that name.
        ImportError: it needs an extra that is not installed.

    Example:
        >>> load_encoder().dim
        384
    """
    if name not in ENCODERS:
        raise ValueError(f"There is no text encoder '{name}': choose {' or '.join(ENCODERS)}.")
    return _make(name)


@cache
def _make(name: str) -> TextEncoder:
    return ENCODERS[name]()


def _import_clap() -> type:
    install = "pip install 'textsep-lab[msclap]'"
    try:
        with warnings.catch_warnings():  # msclap switches every warning off on import
            from msclap import CLAP
    except ImportError as error:
        raise ImportError(f"The encoder msclap-2023 needs msclap: {install}.") from error
    except OSError as error:  # torchaudio's wheel links CUDA libraries
        raise ImportError(f"msclap needs a torchaudio that matches torch: {install}.") from error
    return CLAP


def _read(file: Path) -> bytes:
    if not file.is_file():
        raise FileNotFoundError(f"The text encoder's file '{file}' is missing: restore it.")
    return file.read_bytes()


def _read_card(folder: Path) -> dict:
    file = folder / "encoder.json"
    try:
        card = json.loads(_read(file))
        return {key: card[key] for key in ("name", "dim", "max_tokens", "sha256")}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"The text encoder's file '{file}' is damaged: restore it.") from error


def _read_checked(folder: Path, name: str, card: dict) -> bytes:
    data = _read(folder / name)
    if hashlib.sha256(data).hexdigest() != card["sha256"].get(name):
        raise ValueError(f"The text encoder's file '{folder / name}' is damaged: restore it.")
    return data


def _open_session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Widen the int8 weights once: no int8 arithmetic, so the same numbers on every processor.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
