"""Text encoders and joint encoders by name. Taught in notebooks 02 and 07."""

from __future__ import annotations

from functools import cache
from typing import Any

from textsep_lab.encoders.base import JointEncoder, TextEncoder
from textsep_lab.utils.registry import Registry

TEXT_ENCODERS = Registry(
    "text encoder", {"minilm-l6-int8": "textsep_lab.encoders.minilm:MiniLMEncoder"}
)
JOINT_ENCODERS = Registry(
    "joint encoder",
    {
        "mini-clap": "textsep_lab.encoders.mini_clap:MiniClapEncoder",
        "msclap-2023": "textsep_lab.encoders.msclap:MSClapEncoder",
        "laion-clap": "textsep_lab.encoders.laion_clap:LaionClapEncoder",
    },
)
DEFAULT_TEXT_ENCODER, DEFAULT_JOINT_ENCODER = "minilm-l6-int8", "mini-clap"


def encoders() -> Registry:
    """Return all encoders, those of text alone first; a joint encoder embeds text, too."""
    return Registry("encoder", {**TEXT_ENCODERS, **JOINT_ENCODERS})


def load_encoder(name: str = DEFAULT_TEXT_ENCODER) -> TextEncoder:
    """Return the encoder of that name; the same object at every call.

    Raises:
        ValueError: no encoder has that name.
        ImportError: it needs an extra that is not installed.

    Example:
        >>> load_encoder().dim
        384
    """
    return _make(encoders().check(name))


def load_joint_encoder(name: str = DEFAULT_JOINT_ENCODER) -> JointEncoder:
    """Return the encoder of that name, which must embed audio, too.

    Raises:
        ValueError: no encoder has that name, or it only embeds text.
        ImportError: it needs an extra that is not installed.
    """
    if name in TEXT_ENCODERS and name not in JOINT_ENCODERS:
        raise ValueError(f"The encoder {name} embeds text only, not audio: choose another.")
    return _make(JOINT_ENCODERS.check(name))


@cache
def _make(name: str) -> Any:
    return encoders().load(name)()
