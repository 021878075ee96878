"""LAION's CLAP, optional: a joint embedding of text and audio trained by others.

Taught in notebook 07.

References:
    Wu et al. (2023), Large-scale contrastive language-audio pretraining, ICASSP.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from textsep_lab.encoders.hub import LAION_CLAP, EncoderStatus, chosen
from textsep_lab.encoders.msclap import TEXT_TOKENS, UNREADABLE, embed_windows, to_mono, unit
from textsep_lab.encoders.queries import clean_all
from textsep_lab.encoders.sharing import Reopened
from textsep_lab.utils.isolation import isolated
from textsep_lab.utils.validation import read_json

INSTEAD = f"set TEXTSEP_LAION_CLAP to a folder with the files of {LAION_CLAP.repo}"


class LaionClapEncoder(Reopened):
    """LAION's CLAP (HTSAT and RoBERTa), whose text and audio share one space (an extra).

    Args:
        folder: an unfused ClapModel as transformers saves it, with its feature extractor and
            tokenizer; None for the one that TEXTSEP_LAION_CLAP names, or else
            laion/clap-htsat-unfused in the hub's cache, which `download` fills (618 MB). Every
            checkpoint has a space of its own: keep to the one you trained with.

    Raises:
        ImportError: transformers is not installed.
        FileNotFoundError: the folder does not exist, or a download is not allowed.
        ConnectionError: the download failed.
        ValueError: the folder holds something else, or a fused checkpoint.

    Example:
        >>> LaionClapEncoder.name, LaionClapEncoder.dim
        ('laion-clap', 512)
    """

    name = "laion-clap"
    dim = 512

    def __init__(self, folder: str | Path | None = None) -> None:
        own = chosen(folder, "TEXTSEP_LAION_CLAP")
        if own is not None and not own.is_dir():
            raise FileNotFoundError(f"The folder with a LAION CLAP '{own}' does not exist.")
        _require_transformers()
        folder = own or LAION_CLAP.fetch(INSTEAD)
        _check_config(folder)
        self.arguments = (None if own is None else own.resolve(),)
        self._model, self._feature_extractor, self._tokenizer = _load(folder)
        self.dim = self._model.config.projection_dim

    @classmethod
    def download(cls) -> None:
        """Fill the hub's cache, where neither it nor the environment has the weights."""
        if chosen(None, "TEXTSEP_LAION_CLAP") is None:
            LAION_CLAP.fetch(INSTEAD, allowed=True)

    @classmethod
    def status(cls) -> EncoderStatus:
        """Return what is installed, where the weights are, and what would be downloaded.

        Example:
            >>> LaionClapEncoder.status().embeds_audio
            True
        """
        installed = importlib.util.find_spec("transformers") is not None
        own = chosen(None, "TEXTSEP_LAION_CLAP")
        folder = own if own and own.is_dir() else None if own else LAION_CLAP.cached()
        download = "" if own or folder else LAION_CLAP.describe()
        return EncoderStatus(cls.name, cls.dim, True, installed, folder, download, extra="laion")

    @isolated()
    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Return unit-length embeddings float32 [n, dim] of n queries.

        Texts run one at a time, so an embedding never depends on its neighbours.

        Raises:
            ValueError: `texts` is a bare string, or one of them is no query (`clean_query`).
        """
        rows = [unit(self._embed_text(text)) for text in clean_all(texts)]
        return np.stack(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    @isolated()
    def embed_audio(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return the unit-length embedding float32 [dim] of one recording.

        The mean over windows of 10 s (see `msclap.embed_windows`); the last is repeated a whole
        number of times and then filled with zeros, as in training.

        Args:
            waveform: float32 ``[channels, samples]`` at `sample_rate`, of any length.

        Raises:
            ValueError: the waveform is none, or is silent, which sounds like nothing.
        """
        mono = to_mono(waveform, sample_rate, self._feature_extractor.sampling_rate)
        return embed_windows(mono, int(self._feature_extractor.nb_max_samples), self._embed_window)

    def _embed_text(self, text: str) -> np.ndarray:
        tokens = self._tokenizer(text, truncation=True, max_length=TEXT_TOKENS, return_tensors="pt")
        inputs = {name: tokens[name] for name in ("input_ids", "attention_mask")}
        return _features(self._model.get_text_features, inputs)

    def _embed_window(self, window: np.ndarray) -> np.ndarray:
        # "rand_trunc" is how unfused models see a spectrogram; only longer windows are cropped.
        seen = self._feature_extractor(
            window,
            truncation="rand_trunc",
            sampling_rate=self._feature_extractor.sampling_rate,
            return_tensors="pt",
        )
        inputs = {"input_features": seen["input_features"].float()}
        return _features(self._model.get_audio_features, inputs)


def _features(method: Callable[..., Any], inputs: dict[str, Any]) -> np.ndarray:
    import torch

    with torch.inference_mode():
        out = method(**inputs)
    return getattr(out, "pooler_output", out)[0].numpy()  # an object from transformers 5 on


def _require_transformers() -> None:
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "The encoder laion-clap needs transformers: pip install 'textsep-lab[laion]'."
        ) from error


def _check_config(folder: Path) -> None:
    """Refuse what transformers would load with no more than a warning."""
    try:
        config = read_json(folder / "config.json")
        kind, audio = config["model_type"], config.get("audio_config") or {}
    except UNREADABLE as error:
        raise ValueError(_wrong(folder, "no readable config.json")) from error
    if kind != "clap":
        raise ValueError(_wrong(folder, f"it is a {kind}"))
    if audio.get("enable_fusion"):  # its crops and its flag for long clips are drawn at random
        raise ValueError(_wrong(folder, "it is a fused checkpoint"))


def _load(folder: Path) -> tuple:
    """Return model, feature extractor and tokenizer of a local folder."""
    from safetensors import SafetensorError
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    here: dict[str, Any] = {"local_files_only": True}
    try:
        # safetensors where there are; of a .bin only tensors are unpickled (weights_only)
        loaded: Any = ClapModel.from_pretrained(folder, output_loading_info=True, **here)
        model, info = loaded
        if lost := set(info["missing_keys"]) & {name for name, _ in model.named_parameters()}:
            raise KeyError(f"no {min(lost)}")
        extractor = ClapFeatureExtractor.from_pretrained(folder, **here)
    except (*UNREADABLE, SafetensorError) as error:
        reason = " ".join(str(error).split("\n")[0].split()).rstrip(".")
        raise ValueError(_wrong(folder, reason)) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **here)
    except Exception as error:  # the library below raises no other class
        raise ValueError(_wrong(folder, "no readable tokenizer")) from error
    return model.float().eval(), extractor, tokenizer


def _wrong(folder: Path, reason: str) -> str:
    return f"'{folder}' holds no usable CLAP ({reason}): give the files of {LAION_CLAP.repo}."
