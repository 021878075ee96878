"""Microsoft's CLAP, optional: a joint embedding of text and audio trained by others.

Taught in notebook 07.

References:
    Elizalde et al. (2024), Natural language supervision for general-purpose audio representations,
    ICASSP.
"""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from textsep_lab.encoders.hub import GPT2_TOKENIZER, MSCLAP, EncoderStatus, chosen
from textsep_lab.encoders.queries import clean_all
from textsep_lab.encoders.sharing import Reopened
from textsep_lab.signal import audio
from textsep_lab.utils.isolation import isolated

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import nn

SILENT = 2.0**-16  # half a step of 16 bit: a window whose peak is below it sounds like nothing
#: What reading a damaged file, or one of another kind, can raise.
UNREADABLE = (
    OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError,
    pickle.UnpicklingError,
)  # fmt: skip
TEXT_TOKENS = 77  # both CLAPs were trained on texts of at most so many

# GPT-2 in its smallest size, in the words of transformers' GPT2Config.
TEXT_ENCODER: dict[str, Any] = {"n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257}
# msclap's configs/config_2023.yml, in the order of its AudioEncoder: name, embedding, projection,
# rate in Hz, window, hop, bands, lowest and highest frequency in Hz, classes.
AUDIO_ENCODER = ("HTSAT", 768, 1024, 44100, 1024, 320, 64, 50, 8000, 527)


class MSClapEncoder(Reopened):
    """Microsoft CLAP 2023, whose text and audio share one space of 1024 dimensions (an extra).

    Of msclap only the network is used: its own wrapper needs torchaudio, crops long audio at
    random, strings stereo channels together and fetches 550 MB of GPT-2 to overwrite them.

    Args:
        weights: the file CLAP_weights_2023.pth; None for the one that TEXTSEP_MSCLAP_WEIGHTS
            names, or else the hub's cache, which `download` fills (690 MB). GPT-2's
            tokenizer.json is read from the folder ``gpt2`` beside the file, or else likewise
            from the cache (1 MB).

    Raises:
        ImportError: msclap is not installed.
        FileNotFoundError: the file does not exist, or a download is not allowed.
        ConnectionError: the download failed.
        ValueError: the file holds other weights.

    Example:
        >>> MSClapEncoder.name, MSClapEncoder.dim
        ('msclap-2023', 1024)
    """

    name = "msclap-2023"
    dim = 1024
    sample_rate = 44100
    seconds = 7

    def __init__(self, weights: str | Path | None = None) -> None:
        own = chosen(weights, "TEXTSEP_MSCLAP_WEIGHTS")
        if own is not None and not own.is_file():
            raise FileNotFoundError(f"The CLAP weights '{own}' do not exist.")
        msclap = _import_network()
        weights, tokenizer = _files(own, allowed=False)
        self.arguments = (None if own is None else own.resolve(),)
        self._network = _load_network(msclap, weights)
        self._tokenizer = _read_tokenizer(tokenizer)

    @classmethod
    def download(cls) -> None:
        """Fill the hub's cache with what neither it nor the environment has."""
        _files(chosen(None, "TEXTSEP_MSCLAP_WEIGHTS"), allowed=True)

    @classmethod
    def status(cls) -> EncoderStatus:
        """Return what is installed, where the weights are, and what would be downloaded.

        Example:
            >>> MSClapEncoder.status().embeds_audio
            True
        """
        installed = importlib.util.find_spec("msclap") is not None
        own, folder = chosen(None, "TEXTSEP_MSCLAP_WEIGHTS"), MSCLAP.cached()
        weights = own or (folder and folder / MSCLAP.files[0])
        missing = [] if weights else [MSCLAP]
        if not (weights and _beside(weights).is_file()) and not GPT2_TOKENIZER.cached():
            missing.append(GPT2_TOKENIZER)
        if own and not own.is_file():
            weights, missing = None, []
        download = " and ".join(files.describe() for files in missing)
        return EncoderStatus(cls.name, cls.dim, True, installed, weights, download, extra="msclap")

    @isolated()
    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Return unit-length embeddings float32 [n, 1024] of n queries.

        Texts run one at a time, so an embedding never depends on its neighbours.

        Raises:
            ValueError: `texts` is a bare string, or one of them is no query (`clean_query`).
        """
        rows = [unit(self._embed_text(text)) for text in clean_all(texts)]
        return np.stack(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    @isolated()
    def embed_audio(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return the unit-length embedding float32 [1024] of one recording.

        The mean over windows of 7 s (see `embed_windows`), the last repeated up to that length.

        Args:
            waveform: float32 ``[channels, samples]`` at `sample_rate`, of any length.

        Raises:
            ValueError: the waveform is none, or is silent, which sounds like nothing.
        """
        size = self.seconds * self.sample_rate
        mono = to_mono(waveform, sample_rate, self.sample_rate)
        return embed_windows(mono, size, lambda window: self._embed_window(np.resize(window, size)))

    def _embed_text(self, text: str) -> np.ndarray:
        import torch

        # As msclap does: take the state at the end token, which is the last (no padding here).
        ids = self._tokenizer.encode(f"{text} <|endoftext|>").ids[:TEXT_TOKENS]
        base = self._network.get_submodule("caption_encoder.base")
        projection = self._network.get_submodule("caption_encoder.projection")
        with torch.inference_mode():
            states = base(input_ids=torch.tensor([ids])).last_hidden_state
            return projection(states[:, -1])[0].numpy()

    def _embed_window(self, window: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._network["audio_encoder"](torch.from_numpy(window[None]))[0][0].numpy()


def to_mono(waveform: np.ndarray, sample_rate: int, rate: int) -> np.ndarray:
    """Return a waveform's mean over channels, float32 ``[samples]``, resampled to `rate`.

    Raises:
        ValueError: no waveform (`audio.check_waveform`), or integers, whose level is unknown.
    """
    if np.asarray(waveform).dtype.kind in "iub":
        kind = np.asarray(waveform).dtype.name
        raise ValueError(f"The waveform is {kind}: give float32 with full scale at 1.")
    mono = audio.check_waveform(waveform).mean(0, keepdims=True)
    return audio.resample(mono, sample_rate, rate)[0]


def embed_windows(
    mono: np.ndarray, size: int, embed: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return the unit-length mean of the embeddings of adjoining windows; memory is bounded.

    A window counts as much as it holds samples, and silent ones do not count.

    Args:
        mono: float32 ``[samples]``.
        size: of a window, in samples; the last may be shorter.
        embed: sends one window to its embedding ``[dim]``.

    Raises:
        ValueError: the whole of `mono` is silent.

    Example:
        >>> embed_windows(np.ones(5, np.float32), 3, lambda window: window[:1].repeat(4))
        array([0.5, 0.5, 0.5, 0.5], dtype=float32)
    """
    windows = [mono[start : start + size] for start in range(0, len(mono), size)]
    sounding = [window for window in windows if np.abs(window).max() >= SILENT]
    if not sounding:
        raise ValueError("The recording is silent: silence has no embedding.")
    return unit(np.sum([len(window) * unit(embed(window)) for window in sounding], axis=0))


def unit(row: np.ndarray) -> np.ndarray:
    """Return `row` at length 1, float32."""
    row = np.asarray(row, np.float64)
    return (row / np.linalg.norm(row)).astype(np.float32)


def _files(weights: Path | None, allowed: bool) -> tuple[Path, Path]:
    """Return the files of the weights and of the tokenizer, from the hub where need be."""
    if weights is None:
        instead = "set TEXTSEP_MSCLAP_WEIGHTS to the file CLAP_weights_2023.pth"
        weights = MSCLAP.fetch(instead, allowed) / MSCLAP.files[0]
    tokenizer = _beside(weights)
    if not tokenizer.is_file():
        instead = f"put it beside the weights as '{tokenizer}'"
        tokenizer = GPT2_TOKENIZER.fetch(instead, allowed) / GPT2_TOKENIZER.files[0]
    return weights, tokenizer


def _beside(weights: Path) -> Path:
    return weights.parent / "gpt2" / GPT2_TOKENIZER.files[0]


def _import_network() -> ModuleType:
    """Import msclap's network without running its ``__init__``, which imports torchaudio."""
    install = "pip install 'textsep-lab[msclap]'"
    try:
        spec = importlib.util.find_spec("msclap")
        if spec is None:
            raise ImportError("msclap is not installed")
        known = sys.modules.get("msclap")
        sys.modules["msclap"] = known or importlib.util.module_from_spec(spec)
        try:
            return importlib.import_module("msclap.models.clap")
        finally:
            if known is None:  # so that a later `import msclap` is a whole one
                del sys.modules["msclap"]
    except ImportError as error:
        raise ImportError(f"The encoder msclap-2023 needs msclap: {install}.") from error


def _load_network(msclap: ModuleType, weights: Path) -> nn.ModuleDict:
    """Return msclap's two encoders with weights read without running a pickle's code."""
    import torch
    from torch import nn
    from transformers import GPT2Config, GPT2Model

    text = {
        "base": GPT2Model(GPT2Config(**TEXT_ENCODER)),
        "projection": msclap.Projection(768, 1024),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # msclap was written for older libraries
        tower = msclap.AudioEncoder(*AUDIO_ENCODER)
    network = nn.ModuleDict({"audio_encoder": tower, "caption_encoder": nn.ModuleDict(text)})
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)["model"]
        missing = network.load_state_dict(state, strict=False).missing_keys
        if lost := set(missing) & {name for name, _ in network.named_parameters()}:
            raise KeyError(f"no {min(lost)}")
    except UNREADABLE as error:
        raise ValueError(f"'{weights}' does not hold the weights of {MSCLAP.title}.") from error
    return network.float().eval()


def _read_tokenizer(file: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the only class that tokenizers raises
        raise ValueError(f"'{file}' is not GPT-2's tokenizer.json.") from error
