"""What every text encoder does, and what a joint one does besides. Taught in notebook 02.

An encoder turns a few words into a point on the unit sphere; the FiLM UNet is conditioned on that
point. A joint encoder puts recordings on the same sphere, near the words that describe them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np


@runtime_checkable
class TextEncoder(Protocol):
    """What callers need; the name is stored beside the weights of a model trained with it.

    Example:
        >>> from textsep_lab.encoders import load_encoder
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
    """A text encoder that embeds audio, too: text and audio share one space.

    Example:
        >>> from textsep_lab.encoders import load_encoder
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


@runtime_checkable
class FrameEncoder(JointEncoder, Protocol):
    """A joint encoder that has frames of its own, one every `frame_hop` seconds.

    Example:
        >>> from textsep_lab.encoders import load_joint_encoder
        >>> isinstance(load_joint_encoder(), FrameEncoder)
        True
    """

    frame_hop: float

    def embed_frames(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return an embedding of each frame, float32 ``[frames, dim]``, as `embed_audio` does."""
