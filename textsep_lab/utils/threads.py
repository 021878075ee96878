"""One thread for one stretch: two pools that wait for each other on busy cores take eight times
as long. Work that can use more cores runs several stretches, files or processes instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock, _users, _before = Lock(), 0, 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread in here, and as many as before when the last caller is done.

    Example:
        >>> import torch
        >>> before = torch.get_num_threads()
        >>> with one_thread():
        ...     torch.get_num_threads()
        1
        >>> torch.get_num_threads() == before
        True
    """
    import torch

    global _users, _before
    with _lock:
        _users += 1
        if _users == 1:
            _before = torch.get_num_threads()
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                torch.set_num_threads(_before)
