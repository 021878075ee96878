"""What it takes to build a network again: two frozen dataclasses and the named configurations.

Nothing here imports torch, so a command line can list what there is. Taught in notebook 02.
"""

from __future__ import annotations

from dataclasses import dataclass

from textsep_lab.utils.validation import check_range

MAX_DIM = 8192  # of embeddings


@dataclass(frozen=True)
class UNetConfig:
    """A separator's network.

    Args:
        name: its architecture, a name of `registry.NETWORKS`.
        channels: feature maps per level, shallow to deep.
        n_bands: mel-spaced bands the network sees; None is every STFT bin.
        n_fft, hop_length, sample_rate: the network's own STFT, in samples and Hz.
        text_dim: dimension of the query embedding; None builds the text-agnostic network.
        dropout: share of the hidden query features dropped in training.

    Raises:
        ValueError: a value out of its range: a network is no larger than memory.
    """

    name: str = "compact"
    channels: tuple[int, ...] = (32, 64, 128)
    n_bands: int | None = 64
    n_fft: int = 1024
    hop_length: int = 512
    sample_rate: int = 16000
    text_dim: int | None = 384
    dropout: float = 0.1

    def __post_init__(self) -> None:
        _check_sizes(self)

    @property
    def n_freq(self) -> int:
        """Rows of the network's input and of its mask."""
        return self.n_bands or self.n_fft // 2 + 1


def _check_sizes(config: UNetConfig | ClapConfig) -> None:
    """Raise ValueError where a size would make a network or its spectrograms absurdly large."""
    check_range("the number of channels", len(config.channels), 1, 8)
    for width in config.channels:
        check_range("a level of channels", width, 1, 1024)
    check_range("n_fft", config.n_fft, 16, 16384)
    check_range("hop_length", config.hop_length, -(-config.n_fft // 16), config.n_fft // 2)
    check_range("sample_rate", config.sample_rate, 1000, 192000)
    check_range("dropout", config.dropout, 0, 1)
    if config.n_bands is not None:
        check_range("n_bands", config.n_bands, 2, 1024)
    if config.text_dim is not None:
        check_range("text_dim", config.text_dim, 1, MAX_DIM)


CONFIGS = {
    "compact": UNetConfig(),
    "reference": UNetConfig(
        name="reference",
        channels=(64, 128, 256, 512),
        n_bands=None,
        hop_length=256,
        text_dim=1024,
        dropout=0.0,
    ),
    "guided": UNetConfig(name="guided"),
}


@dataclass(frozen=True)
class ClapConfig:
    """A CLAP network, see `clap.ClapNetwork`.

    Args:
        channels: feature maps per level, shallow to deep; the last level keeps its frame rate.
        n_bands: mel-spaced bands of the input.
        n_fft, hop_length, sample_rate: its STFT, in samples and Hz.
        text_dim: dimension of the text embeddings it starts from.
        dim: dimension of the joint space.
        dropout: share of the pooled features dropped in training.

    Raises:
        ValueError: a value out of its range.
    """

    channels: tuple[int, ...] = (32, 64, 128, 256)
    n_bands: int = 64
    n_fft: int = 1024
    hop_length: int = 256
    sample_rate: int = 16000
    text_dim: int = 384
    dim: int = 256
    dropout: float = 0.2

    def __post_init__(self) -> None:
        _check_sizes(self)
        check_range("dim", self.dim, 1, MAX_DIM)

    @property
    def stride(self) -> int:
        """Input frames per frame of the output."""
        return 2 ** (len(self.channels) - 1)

    @property
    def frame_hop(self) -> float:
        """Seconds from one frame of the output to the next."""
        return self.stride * self.hop_length / self.sample_rate
