"""The default joint encoder: CLAP in miniature, trained by `training.clap`, offline, on the CPU.

Taught in notebook 07.

Reference:
    Elizalde et al. (2023), CLAP: learning audio concepts from natural language supervision, ICASSP.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textsep_lab.encoders.base import TextEncoder
from textsep_lab.encoders.hub import EncoderStatus
from textsep_lab.encoders.queries import clean_all
from textsep_lab.encoders.query_classifier import QueryClassifier
from textsep_lab.encoders.registry import load_encoder
from textsep_lab.models import checkpoints
from textsep_lab.models.clap import extract_features, pool
from textsep_lab.models.config import ClapConfig
from textsep_lab.signal import audio
from textsep_lab.utils import paths
from textsep_lab.utils.isolation import isolated

NAME = "mini-clap"
REMEMBERED = 4  # recordings
CACHED = 256  # lists of queries


class MiniClapEncoder:
    """MiniLM with a text head, and a convolutional audio tower, in one space.

    Queries first go through the query classifier that the sidecar names: the head knows the labels
    better than their paraphrases.

    Args:
        checkpoint: weights from `training.clap.train`, or a folder; None for the shipped ones.
        text_encoder: what the text head was trained on; None for the shipped MiniLM.

    Raises:
        FileNotFoundError: weights or their description are missing.
        ValueError: damaged, or weights of another kind or made with another text encoder.

    Example:
        >>> encoder = MiniClapEncoder()
        >>> noise = np.random.default_rng(0).standard_normal((1, 16000)).astype(np.float32) / 10
        >>> sound = encoder.embed_audio(noise, 16000)
        >>> rain, dog = encoder.embed_text(["rain", "dog"])
        >>> bool(sound @ rain > sound @ dog)
        True
    """

    name = NAME

    def __init__(
        self, checkpoint: str | Path | None = None, text_encoder: TextEncoder | None = None
    ) -> None:
        path = checkpoints.find(
            paths.checkpoints_dir() / NAME if checkpoint is None else checkpoint
        )
        self.network, self.info = checkpoints.load_clap(path)
        described = (self.info.get("encoder") or {}).get("name")
        self.text_encoder = text_encoder or load_encoder()
        if described != self.text_encoder.name:
            raise ValueError(
                f"'{path}' was trained with the text encoder {described}, "
                f"not with {self.text_encoder.name}."
            )
        needed = checkpoints.needed_file(path, self.info, "query_classifier")
        dim = self.text_encoder.dim
        self.classifier = None if needed is None else QueryClassifier.load(needed, dim)
        self.weights_sha256 = checkpoints.fingerprint(self.info)
        self.dim: int = self.network.config.dim
        self.frame_hop: float = self.network.config.frame_hop
        self._forget()

    def _forget(self) -> None:
        self._remembered: dict[tuple, torch.Tensor] = {}
        self._embed_cached = lru_cache(maxsize=CACHED)(self._embed_texts)

    def __getstate__(self) -> dict[str, Any]:
        caches = ("_remembered", "_embed_cached")
        return {key: value for key, value in vars(self).items() if key not in caches}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    @classmethod
    def status(cls) -> EncoderStatus:
        """Return where the weights are; nothing is ever downloaded."""
        folder = paths.checkpoints_dir() / NAME
        return EncoderStatus(NAME, ClapConfig.dim, True, True, folder, "")

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Return unit-length embeddings float32 ``[n, dim]`` of n queries.

        Raises:
            ValueError: `texts` is a bare string, or one of them is no query (`clean_query`).
        """
        return self._embed_cached(tuple(clean_all(texts))).copy()

    @isolated()
    @torch.no_grad()
    def _embed_texts(self, texts: tuple[str, ...]) -> np.ndarray:
        points = self.text_encoder.embed_text(list(texts))
        if self.classifier is not None:
            points = self.classifier.expected_embedding(points)
        return self.network.embed_text(torch.from_numpy(points)).numpy()

    @isolated()
    @torch.no_grad()
    def embed_audio(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return the unit-length embedding float32 ``[dim]`` of one recording.

        Args:
            waveform: float32 ``[channels, samples]`` at `sample_rate`, of any length.

        Raises:
            ValueError: no waveform, or a silent one, which sounds like nothing.
        """
        features = self._features(waveform, sample_rate)
        return self.network.embed(pool(features))[0].numpy()

    @isolated()
    @torch.no_grad()
    def embed_frames(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return an embedding for every `frame_hop` seconds, float32 ``[frames, dim]``."""
        return self.network.embed(self._features(waveform, sample_rate))[0].numpy()

    def _features(self, waveform: np.ndarray, sample_rate: int) -> torch.Tensor:
        waveform = audio.check_waveform(waveform).astype(np.float32, copy=False)
        if not waveform.any():
            raise ValueError("The recording is silent: it sounds like nothing.")
        # The same moments are asked for as a clip and as frames, by one query after the other.
        key = (sample_rate, waveform.shape, hashlib.sha256(waveform.tobytes()).digest())
        if key not in self._remembered:
            self._remembered = dict([*self._remembered.items()][1 - REMEMBERED :])
            self._remembered[key] = self._compute_features(waveform, sample_rate)
        return self._remembered[key]

    def _compute_features(self, waveform: np.ndarray, sample_rate: int) -> torch.Tensor:
        sound = audio.resample(waveform, sample_rate, self.network.config.sample_rate)
        sound = sound / np.float32(np.abs(waveform).max())  # squares would leave float32
        return extract_features(self.network, torch.from_numpy(sound)[None])
