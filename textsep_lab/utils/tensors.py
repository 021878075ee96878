"""Tensors in safetensors files, whose types and sizes are known before any of them is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

LARGEST_HEADER = 16 * 2**20  # bytes; those of this kit have 20,000


class TensorFile(NamedTuple):
    """What the header of a safetensors file says.

    Args:
        shapes: of each tensor.
        dtypes: of each tensor, as safetensors names them, such as ``F16``.
        metadata: words about all of them.
    """

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    metadata: dict[str, str]


@contextmanager
def open_tensors(path: str | Path, framework: str = "pt") -> Iterator[Any]:
    """Yield an open safetensors file; what is wrong with it is one sentence.

    Args:
        framework: ``pt`` for tensors of torch, ``np`` for arrays of NumPy.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, or damaged.
    """
    with Path(path).open("rb") as start:
        size = int.from_bytes(start.read(8), "little")
    try:
        if size > LARGEST_HEADER:
            raise SafetensorError("a header of that size is none")
        with safe_open(path, framework=framework) as file:
            yield file
    except SafetensorError as error:
        raise ValueError(f"'{path}' is damaged or not a safetensors file.") from error


def read_header(path: str | Path) -> TensorFile:
    """Return what a safetensors file holds, without reading it; raises as `open_tensors`.

    Example:
        >>> import tempfile
        >>> from safetensors.numpy import save
        >>> import numpy as np
        >>> path = Path(tempfile.mkdtemp()) / "one.safetensors"
        >>> _ = path.write_bytes(save({"a": np.zeros((2, 3), np.float32)}))
        >>> read_header(path).shapes
        {'a': (2, 3)}
    """
    with open_tensors(path) as file:
        slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
        shapes = {key: tuple(each.get_shape()) for key, each in slices.items()}
        dtypes = {key: str(each.get_dtype()) for key, each in slices.items()}
        return TensorFile(shapes, dtypes, file.metadata() or {})
