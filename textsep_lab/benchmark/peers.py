"""Networks of other libraries that separate without a query: what they cost.

Taught in notebook 05.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from textsep_lab.benchmark.speed import latency
from textsep_lab.film_unet import parameter_count


@dataclass(frozen=True)
class Peer:
    """A network to compare with, or the reason why there is none.

    Args:
        name, title: what it is asked for by, and called in tables.
        build: makes it with random weights: waveforms ``[batch, samples]`` at 16 kHz go in, two
            sources ``[batch, 2, samples]`` come out. None if it cannot be had.
        missing: why it cannot, in a sentence.
    """

    name: str
    title: str
    build: Callable[[], nn.Module] | None
    missing: str = ""

    def network(self) -> nn.Module:
        """Return a new network with random weights, ready to listen.

        Raises:
            ValueError: it cannot be had here.
        """
        if self.build is None:
            raise ValueError(f"{self.title} cannot be run: {self.missing}")
        return self.build().eval()


class TwoSources(nn.Module):
    """Gives a library's network the shapes of a `Peer`.

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


class SepFormer(nn.Module):
    """Speechbrain's parts put together as in its recipe for two speakers (Libri2Mix).

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

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        heard = self.encoder(waveform[:, 0])
        return torch.stack([self.decoder(heard * mask) for mask in self.masks(heard)], 1)


def _from_library(
    name: str, title: str, extra: str, module: str, make: Callable[[ModuleType], nn.Module]
) -> Peer:
    try:
        with _bare_torchaudio():
            library = importlib.import_module(module)
    except Exception as error:  # a library can fail in any way while it is imported
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        install = f"pip install 'textsep-lab[{extra}]' installs it"
        said = f"{module.partition('.')[0]} cannot be imported ({reason}); {install}."
        return Peer(name, title, None, said)
    return Peer(name, title, lambda: TwoSources(make(library)))


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
ROWS: dict[str, Callable[[], Peer]] = {
    "wave-u-net": lambda: Peer(
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
    "diffsep": lambda: Peer(
        "diffsep", "DiffSep", None, "We know of no maintained library that provides it."
    ),
}  # fmt: skip


def peers() -> list[Peer]:
    """Return all five, those that cannot be had with the reason."""
    return [make() for make in ROWS.values()]


def find(name: str) -> Peer:
    """Return a peer by its name.

    Raises:
        ValueError: there is none of that name.

    Example:
        >>> find("diffsep").missing
        'We know of no maintained library that provides it.'
    """
    if name not in ROWS:
        raise ValueError(f"There is no peer '{name}': use {' or '.join(ROWS)}.")
    return ROWS[name]()


@torch.no_grad()
def separate(network: nn.Module, mixture: np.ndarray) -> np.ndarray:
    """Return both sources ``[2, samples]`` of a mixture ``[samples]`` at 16 kHz."""
    device = next(network.parameters()).device
    return network(torch.from_numpy(mixture[None]).to(device))[0].cpu().numpy()


def cost(peer: Peer, seconds: float = 5.0, runs: int = 5) -> dict[str, float]:
    """Return parameters, and median_ms, low_ms and high_ms (quartiles) of separating noise.

    Args:
        seconds: length of the mono noise at 16 kHz.
        runs: how often it is timed, after one run that warms up; threads as they are.

    Raises:
        ValueError: the peer cannot be had here.
    """
    network = peer.network()
    times = latency({peer.name: lambda x: separate(network, x[0])}, seconds, runs).iloc[0]
    kept = {name: float(times[name]) for name in ("median_ms", "low_ms", "high_ms")}
    return {"parameters": parameter_count(network), **kept}


def measure(peer: Peer, seconds: float = 5.0) -> dict[str, float | None]:
    """Return the `cost` of a peer in a fresh process, with the process's memory.

    Returns:
        As `cost`, and in MB peak_mb, the most the process ever held, and after_import_mb, what
        of it Python and this package took; None where the system does not tell.

    Raises:
        ValueError: the peer cannot be had here.
        RuntimeError: the process failed; its last line says why.
    """
    if peer.build is None:
        raise ValueError(f"{peer.title} cannot be run: {peer.missing}")
    command = [sys.executable, "-m", "textsep_lab.benchmark.peers", peer.name, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise RuntimeError(f"{peer.title} could not be measured: {reason}")
    return json.loads(done.stdout.splitlines()[-1])


def main(name: str, seconds: str) -> None:
    """Write what `measure` returns to the standard output, as JSON."""
    before = _peak_mb()
    found = cost(find(name), float(seconds))
    memory = {"peak_mb": _peak_mb(), "after_import_mb": before}
    sys.stdout.write(json.dumps({**found, **memory}) + "\n")


def _peak_mb() -> float | None:
    status = Path("/proc/self/status")
    if status.is_file():  # Linux, where getrusage's starts at that of the parent process
        lines = status.read_text(encoding="utf-8").splitlines()
        kib = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
        if kib is not None:
            return int(kib) * 1024 / 1e6
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
