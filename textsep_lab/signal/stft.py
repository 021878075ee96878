"""The STFT and its inverse, and mel-spaced bands that mean the same at any sample rate.

A mask is a function of time in seconds and frequency in Hz. It is estimated on few bands at the
network's rate and applied to the spectrogram at the file's own rate. Taught in notebook 01.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

Tensor = torch.Tensor


@dataclass(frozen=True)
class Stft:
    """Short-time Fourier transform with a square-root Hann window and an exact inverse.

    The same window before and after the mask makes overlapping frames add up without the
    clicks a rectangular synthesis would leave (Griffin and Lim 1984, eq. 6).

    Args:
        n_fft: window and transform length in samples, even.
        hop_length: step between frames in samples, at most half of `n_fft`.

    Example:
        >>> stft = Stft(n_fft=64, hop_length=32)
        >>> x = torch.randn(2, 1001)
        >>> spectrogram = stft(x)
        >>> tuple(spectrogram.shape)
        (2, 33, 33)
        >>> bool(torch.allclose(stft.inverse(spectrogram, 1001), x, atol=1e-5))
        True
    """

    n_fft: int = 1024
    hop_length: int = 512

    @classmethod
    def at(cls, sample_rate: int, window: float = 0.064, hop: float = 0.032) -> Stft:
        """Return the transform with a window and hop given in seconds."""
        return cls(2 * max(1, round(window * sample_rate / 2)), max(1, round(hop * sample_rate)))

    def frames(self, samples: int) -> int:
        """Return the number of frames for a waveform of `samples` samples."""
        return -(-samples // self.hop_length) + 1

    def __call__(self, waveform: Tensor) -> Tensor:
        """Transform ``[batch, samples]`` to complex ``[batch, freq, time]``."""
        # A frame past the end: under the last window's edge alone, the inverse would divide the
        # last samples by nearly nothing and turn a mask into a click.
        whole = torch.nn.functional.pad(waveform, (0, -waveform.shape[-1] % self.hop_length))
        return torch.stft(
            whole,
            self.n_fft,
            self.hop_length,
            window=_window(self.n_fft, waveform.device),
            center=True,
            pad_mode="constant",
            return_complex=True,
        )

    def magnitude(self, waveform: Tensor) -> Tensor:
        """Return magnitudes ``[batch, freq, time]`` of ``[batch, samples]``.

        ``[batch, channels, samples]`` gives the power mean of its channels: unlike a downmix it
        does not lose what is out of phase.
        """
        if waveform.ndim == 2:
            return self(waveform).abs()
        powers = (self(channel).abs().square() for channel in waveform.unbind(1))
        return (sum(powers, waveform.new_zeros(())) / waveform.shape[1]).sqrt()

    def inverse(self, spectrogram: Tensor, length: int) -> Tensor:
        """Transform ``[batch, freq, time]`` back to exactly ``[batch, length]``."""
        # Frames reach n_fft / 2 past both ends, so even the first sample is covered.
        window = _window(self.n_fft, spectrogram.device)
        return torch.istft(
            spectrogram, self.n_fft, self.hop_length, window=window, center=True, length=length
        )


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # what is cached here may later take part in training
def _window(n_fft: int, device: torch.device) -> Tensor:
    return torch.hann_window(n_fft, device=device, dtype=torch.float32).sqrt()


def hz_to_mel(frequency: np.ndarray | float) -> np.ndarray:
    """Convert Hz to mel (O'Shaughnessy 1987: 2595 log10(1 + f / 700))."""
    return 2595.0 * np.log10(1.0 + np.asarray(frequency, dtype=np.float64) / 700.0)


def mel_to_hz(mel: np.ndarray | float) -> np.ndarray:
    """Convert mel to Hz, the inverse of `hz_to_mel`."""
    return 700.0 * (10.0 ** (np.asarray(mel, dtype=np.float64) / 2595.0) - 1.0)


def band_centres(n_bands: int, f_max: float = 8000.0) -> np.ndarray:
    """Return `n_bands` centre frequencies in Hz, evenly spaced in mel from 0 to `f_max`.

    Example:
        >>> band_centres(3, 8000.0).round().tolist()
        [0.0, 1768.0, 8000.0]
    """
    return mel_to_hz(np.linspace(0.0, hz_to_mel(f_max), n_bands))


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # as for the window
def band_matrix(n_bands: int, n_fft: int, sample_rate: int, f_max: float = 8000.0) -> Tensor:
    """Return the interpolation weights from bands to bins, ``[n_bands, n_fft // 2 + 1]``.

    Each bin lies between two band centres and takes from them in proportion to its distance in
    mel, so every column sums to one and a constant mask stays constant. Bins above `f_max` take
    the last band's value: whatever the sample rate, the mask covers the whole spectrum.

    Example:
        >>> weights = band_matrix(64, 1024, 16000)
        >>> tuple(weights.shape), float(weights.sum(0).min().round(decimals=3))
        ((64, 513), 1.0)
    """
    bins = hz_to_mel(np.arange(n_fft // 2 + 1) * sample_rate / n_fft)
    position = np.clip(bins / hz_to_mel(f_max) * (n_bands - 1), 0, n_bands - 1)
    distance = np.abs(position[None, :] - np.arange(n_bands)[:, None])
    return torch.from_numpy(np.maximum(0.0, 1.0 - distance).astype(np.float32))


def to_bands(magnitude: Tensor, n_bands: int, sample_rate: int, f_max: float = 8000.0) -> Tensor:
    """Average the power of ``[…, freq, time]`` in each band; root mean square magnitudes.

    Returns:
        ``[…, n_bands, time]``.
    """
    n_fft = 2 * (magnitude.shape[-2] - 1)
    weights = band_matrix(n_bands, n_fft, sample_rate, f_max).to(magnitude)
    weights = weights / weights.sum(1, keepdim=True).clamp_min(1e-8)
    return (weights @ magnitude.square()).clamp_min(0).sqrt()


def to_bins(mask: Tensor, n_fft: int, sample_rate: int, f_max: float = 8000.0) -> Tensor:
    """Interpolate a mask on bands ``[…, n_bands, time]`` to bins ``[…, n_fft // 2 + 1, time]``."""
    return band_matrix(mask.shape[-2], n_fft, sample_rate, f_max).to(mask).T @ mask


def resample_frames(mask: Tensor, seconds_in: float, seconds_out: float, frames: int) -> Tensor:
    """Move a mask ``[…, time]`` from one hop to another by linear interpolation in time.

    Args:
        seconds_in: hop of `mask` in seconds; frame k lies at ``k * seconds_in``.
        seconds_out: hop wanted, in seconds.
        frames: number of frames wanted; beyond the last one it is held.
    """
    position = torch.arange(frames, device=mask.device, dtype=torch.float64)
    position = (position * (seconds_out / seconds_in)).clamp_max(mask.shape[-1] - 1)
    low = position.floor().long()
    high = (low + 1).clamp_max(mask.shape[-1] - 1)
    weight = (position - low).to(mask.dtype)
    return mask[..., low] * (1 - weight) + mask[..., high] * weight
