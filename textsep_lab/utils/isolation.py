"""Arithmetic that does not depend on what the rest of a program has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def isolated() -> Iterator[None]:
    """Compute as in a fresh process: no autocast of the CPU's, and NumPy's usual warnings.

    Both are the thread's own, so nothing changes for others. As a decorator, `isolated()` holds for
    a whole function. Default dtypes are no thread's own: name the dtype of what you make.

    Example:
        >>> import torch
        >>> with torch.autocast("cpu", torch.bfloat16), isolated():
        ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        torch.float32
    """
    import torch

    usual = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
    with usual, torch.autocast("cpu", enabled=False):
        yield
