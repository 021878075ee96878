"""Text encoders, some of which hear too, behind one interface and one list of names.

An encoder turns a few words into a point on the unit sphere; the FiLM UNet is conditioned on that
point. A joint encoder puts recordings on the same sphere, near the words that describe them.
Taught in notebooks 02 and 07.
"""

from __future__ import annotations

from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np

from textsep_lab.clap import MSClapEncoder
from textsep_lab.laion import LaionClapEncoder
from textsep_lab.mini_clap import MiniClapEncoder
from textsep_lab.minilm import MiniLMEncoder, load_minilm
from textsep_lab.queries import clean_query

__all__ = [
    "ENCODERS",
    "JointEncoder",
    "LaionClapEncoder",
    "MSClapEncoder",
    "MiniClapEncoder",
    "MiniLMEncoder",
    "TextEncoder",
    "clean_query",
    "load_encoder",
    "load_joint_encoder",
]


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


@runtime_checkable
class JointEncoder(TextEncoder, Protocol):
    """A text encoder that hears: text and audio share one space.

    Example:
        >>> isinstance(load_encoder("minilm-l6-int8"), JointEncoder)
        False
    """

    def embed_audio(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return the unit-length embedding float32 [dim] of one recording.

        Args:
            waveform: float32 ``[channels, samples]`` at `sample_rate`, of any length.

        Raises:
            ValueError: the waveform is none, or is silent, which sounds like nothing.
        """


ENCODERS = {
    MiniLMEncoder.NAME: MiniLMEncoder,
    MiniClapEncoder.name: MiniClapEncoder,
    MSClapEncoder.name: MSClapEncoder,
    LaionClapEncoder.name: LaionClapEncoder,
}


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
        raise ValueError(f"There is no encoder '{name}': choose one of {', '.join(ENCODERS)}.")
    return _make(name)


def load_joint_encoder(name: str = MiniClapEncoder.name) -> JointEncoder:
    """Return the encoder of that name, which must be one that hears.

    Raises:
        ValueError: no encoder has that name, or it only reads.
        ImportError: it needs an extra that is not installed.
    """
    encoder = load_encoder(name)
    if not isinstance(encoder, JointEncoder):
        raise ValueError(f"The encoder {name} reads text and cannot hear: choose another.")
    return encoder


@cache
def _make(name: str) -> TextEncoder:
    # The network that reads for the ears reads for the separator, too.
    return load_minilm() if name == MiniLMEncoder.NAME else ENCODERS[name]()
