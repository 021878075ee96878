"""Networks of this kit and of other libraries that are compared for the same training.

Taught in notebook 05.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from types import ModuleType

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from textsep_lab.models.masking import apply_mask, estimate_mask
from textsep_lab.models.registry import build

TEXT_DIM = 384  # of the default text encoder


@dataclass(frozen=True)
class ExternalModel:
    """A network to compare with, or the reason why there is none.

    Args:
        name, title: what it is asked for by, and called in tables.
        build: makes it with random weights: waveforms ``[batch, samples]`` at 16 kHz go in, two
            sources ``[batch, 2, samples]`` come out, or one if it is told which. None if it cannot
            be had.
        missing: why it cannot, in a sentence.
        told: whether it is told what is wanted. If not, the truth chooses between its outputs.
    """

    name: str
    title: str
    build: Callable[[], nn.Module] | None
    missing: str = ""
    told: bool = False

    def network(self) -> nn.Module:
        """Return a new network with random weights, ready to separate.

        Raises:
            ValueError: it cannot be had here.
        """
        if self.build is None:
            raise ValueError(f"{self.title} cannot be run: {self.missing}")
        return self.build().eval()


class TwoSources(nn.Module):
    """Gives a library's network the shapes of a `ExternalModel`.

    Args:
        network: takes ``[batch, 1, samples]``, gives ``[batch, 2, samples]`` or
            ``[batch, 2, 1, samples]``, a few samples longer or shorter.

    Example:
        >>> TwoSources(nn.Conv1d(1, 2, 3))(torch.zeros(4, 100)).shape
        torch.Size([4, 2, 100])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        sources = self.network(waveform[:, None]).reshape(len(waveform), 2, -1)
        return functional.pad(sources, (0, waveform.shape[-1] - sources.shape[-1]))


class OwnSources(nn.Module):
    """Gives a network of this kit the shapes of a `ExternalModel`, to find out what it costs.

    Its query is always the same, which costs as much as any other.

    Args:
        configuration: of `build`.
        text_dim: None makes the text-agnostic network, which gives its estimate and the rest.

    Example:
        >>> OwnSources("compact", None).eval()(torch.zeros(1, 8000)).shape
        torch.Size([1, 2, 8000])
    """

    def __init__(self, configuration: str, text_dim: int | None) -> None:
        super().__init__()
        self.network = build(configuration, text_dim)
        query = None if text_dim is None else torch.full((1, text_dim), text_dim**-0.5)
        self.register_buffer("query", query)

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        query = None if self.query is None else self.query.expand(len(waveform), -1)
        config = self.network.config
        mask = estimate_mask(self.network, waveform, query)
        estimate = apply_mask(mask, waveform, config.sample_rate, config)
        outputs = [estimate] if query is not None else [estimate, waveform - estimate]
        return torch.stack(outputs, 1)


class SepFormer(nn.Module):
    """Speechbrain's parts put together as in its recipe for two speakers (Libri2Mix).

    In training, what its layers calculate inside is forgotten and calculated again on the way
    back: 4 s of one mixture would take about 20 GB.

    Args:
        parts: the module ``speechbrain.lobes.models.dual_path``.
    """

    def __init__(self, parts: ModuleType) -> None:
        super().__init__()
        intra, inter = (
            parts.SBTransformerBlock(
                num_layers=8, d_model=256, nhead=8, d_ffn=1024, norm_before=True,
                use_positional_encoding=True,
            )
            for _ in range(2)
        )  # fmt: skip
        self.encoder = parts.Encoder(kernel_size=16, out_channels=256)
        self.masks = parts.Dual_Path_Model(
            in_channels=256, out_channels=256, intra_model=intra, inter_model=inter, num_layers=2,
            norm="ln", K=250, num_spks=2, skip_around_intra=True,
            linear_layer_after_inter_intra=False,
        )  # fmt: skip
        self.decoder = parts.Decoder(256, 1, kernel_size=16, stride=8, bias=False)
        for layer in self.masks.modules():
            if type(layer).__name__ == "TransformerEncoderLayer":
                layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        encoded = self.encoder(waveform[:, 0])
        return torch.stack([self.decoder(encoded * mask) for mask in self.masks(encoded)], 1)


def _from_library(
    name: str, title: str, extra: str, module: str, make: Callable[[ModuleType], nn.Module]
) -> ExternalModel:
    try:
        with _bare_torchaudio():
            library = importlib.import_module(module)
    except Exception as error:  # a library can fail in any way while it is imported
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        install = f"pip install 'textsep-lab[{extra}]' installs it"
        said = f"{module.partition('.')[0]} cannot be imported ({reason}); {install}."
        return ExternalModel(name, title, None, said)
    return ExternalModel(name, title, lambda: TwoSources(make(library)))


@contextmanager
def _bare_torchaudio() -> Iterator[None]:
    """Let networks be imported without running torchaudio's ``__init__``.

    That loads a compiled library, which a torch of another build (CPU or CUDA) refuses; the
    networks need nothing of it, and speechbrain only the name.
    """
    bare = [name for name in ("torchaudio", "torchaudio.models") if name not in sys.modules]
    try:
        for name in bare:
            spec = importlib.util.find_spec(name)
            if spec is None:
                raise ImportError(f"{name} is not installed")
            sys.modules[name] = importlib.util.module_from_spec(spec)
            sys.modules[name].__version__ = version("torchaudio")  # speechbrain asks for it
        yield
    finally:
        for name in bare:  # so that a later `import torchaudio` is a whole one
            sys.modules.pop(name, None)


# One at a time, since importing a library takes seconds, and memory that would be counted.
ROWS: dict[str, Callable[[], ExternalModel]] = {
    "compact": lambda: ExternalModel(
        "compact", "compact (ours)", lambda: OwnSources("compact", TEXT_DIM), told=True
    ),
    "text-agnostic": lambda: ExternalModel(
        "text-agnostic", "text-agnostic (ours)", lambda: OwnSources("compact", None)
    ),
    "reference": lambda: ExternalModel(
        "reference", "reference", lambda: OwnSources("reference", TEXT_DIM), told=True
    ),
    "wave-u-net": lambda: ExternalModel(
        "wave-u-net", "Wave-U-Net", None, "We know of no maintained library that provides it."
    ),
    "conv-tasnet": lambda: _from_library(
        "conv-tasnet", "Conv-TasNet", "torchaudio", "torchaudio.models.conv_tasnet",
        lambda library: library.conv_tasnet_base(num_sources=2),
    ),
    "demucs": lambda: _from_library(
        "demucs", "Hybrid Demucs", "torchaudio", "torchaudio.models._hdemucs",
        lambda library: library.HDemucs(sources=["a", "b"], audio_channels=1),
    ),
    "sepformer": lambda: _from_library(
        "sepformer", "SepFormer", "peers", "speechbrain.lobes.models.dual_path", SepFormer
    ),
    "diffsep": lambda: ExternalModel(
        "diffsep", "DiffSep", None, "We know of no maintained library that provides it."
    ),
}  # fmt: skip


def peers() -> list[ExternalModel]:
    """Return all of them, those that cannot be had with the reason."""
    return [make() for make in ROWS.values()]


def find(name: str) -> ExternalModel:
    """Return a network to compare by its name.

    Raises:
        ValueError: there is none of that name.

    Example:
        >>> find("diffsep").missing
        'We know of no maintained library that provides it.'
    """
    if name not in ROWS:
        raise ValueError(f"There is no network '{name}': use {' or '.join(ROWS)}.")
    return ROWS[name]()


@torch.no_grad()
def separate(network: nn.Module, mixture: np.ndarray) -> np.ndarray:
    """Return the sources ``[sources, samples]`` of a mixture ``[samples]`` at 16 kHz."""
    device = next(network.parameters()).device
    return network(torch.from_numpy(mixture[None]).to(device))[0].cpu().numpy()
