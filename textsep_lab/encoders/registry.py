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


def load_encoder(name: str = DEFAULT_TEXT_ENCODER, download: bool = False) -> TextEncoder:
    """Return the encoder of that name; the same object at every call.

    Args:
        download: fetch its weights if they are not on this machine.

    Raises:
        ValueError: no encoder has that name.
        FileNotFoundError: its weights are not here; the sentence says what would be downloaded.
        ImportError: it needs an extra that is not installed.

    Example:
        >>> load_encoder().dim
        384
    """
    return _load(encoders(), name, download)


def load_joint_encoder(name: str = DEFAULT_JOINT_ENCODER, download: bool = False) -> JointEncoder:
    """Return the encoder of that name, which must embed audio, too; see `load_encoder`.

    Raises:
        ValueError: no encoder has that name, or it only embeds text.
        FileNotFoundError: its weights are not here; the sentence says what would be downloaded.
        ImportError: it needs an extra that is not installed.
    """
    if name in TEXT_ENCODERS and name not in JOINT_ENCODERS:
        raise ValueError(f"The encoder {name} embeds text only, not audio: choose another.")
    return _load(JOINT_ENCODERS, name, download)


def _load(among: Registry, name: str, download: bool) -> Any:
    kind = among.load(name)
    if download and hasattr(kind, "download"):
        kind.download()
    return _make(name)


@cache
def _make(name: str) -> Any:
    return encoders().load(name)()
