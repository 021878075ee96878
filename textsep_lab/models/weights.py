"""Networks and their weights: sizes are compared before memory is taken. Taught in notebook 03."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from textsep_lab.utils.tensors import open_tensors, read_header

Network = TypeVar("Network", bound=nn.Module)
DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "I64": torch.int64}


def network_with_weights(make: Callable[[], Network], path: str | Path) -> Network:
    """Make a network and give it the weights of a safetensors file, as float32.

    `make` runs on torch's meta device, where tensors have sizes only. A network that keeps tensors
    which the file does not hold is made a second time.

    Returns:
        It, in evaluation mode.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, or the weights of another network.

    Example:
        >>> import tempfile
        >>> from safetensors.torch import save_file
        >>> path = Path(tempfile.mkdtemp()) / "line.safetensors"
        >>> save_file({"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, path)
        >>> network_with_weights(lambda: nn.Linear(2, 1), path).weight.tolist()
        [[1.0, 1.0]]
    """
    header = read_header(path)
    try:
        with torch.device("meta"):
            network = make()
            network.load_state_dict({
                key: torch.empty(shape, dtype=DTYPES[header.dtypes[key]])
                for key, shape in header.shapes.items()
            })  # fmt: skip
    except (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"'{path}' does not hold the weights its sidecar describes.") from error
    return _filled(network, make, _finite(path)).eval()


@torch.inference_mode(False)  # what is loaded may later be trained
def _filled(
    network: Network, make: Callable[[], Network], tensors: dict[str, torch.Tensor]
) -> Network:
    network.load_state_dict(tensors, assign=True)
    if any(each.is_meta for part in network.modules() for each in _held(part)):
        with torch.random.fork_rng(devices=[]):  # it holds more than the file does
            network = make().float()
        network.load_state_dict(tensors)
    return network


def _held(module: nn.Module) -> list[torch.Tensor]:
    held = [*vars(module).values(), *module.parameters(False), *module.buffers(False)]
    return [each for each in held if isinstance(each, torch.Tensor)]


@torch.inference_mode(False)
def _finite(path: str | Path) -> dict[str, torch.Tensor]:
    """Read weights as float32, in memory of their own."""
    tensors = {
        key: x.to(torch.float32 if x.is_floating_point() else x.dtype, copy=True)
        for key, x in read_tensors(path).items()
    }
    if not all(bool(x.isfinite().all()) for x in tensors.values()):
        raise ValueError(f"'{path}' is damaged: some of its weights are not finite.")
    return tensors


def read_tensors(path: str | Path) -> dict[str, torch.Tensor]:
    """Read all tensors of a safetensors file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, or damaged.
    """
    with open_tensors(path) as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
