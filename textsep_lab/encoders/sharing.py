"""How encoders travel to other processes: as what they were made with, not as what they hold."""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from typing import Any

KEPT = 4  # encoders that one process has opened for what came from others


class Reopened:
    """An encoder whose weights cannot be pickled, or need not be.

    It is pickled as `arguments`; another process reads the weights anew, once for all that comes.
    A copy is the encoder itself: it never changes.

    Example:
        >>> import pickle
        >>> from copy import deepcopy
        >>> from textsep_lab.encoders.registry import load_encoder
        >>> encoder = load_encoder()
        >>> deepcopy(encoder) is encoder, len(pickle.dumps(encoder)) < 1000
        (True, True)
    """

    arguments: tuple

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (type(self), *self.arguments)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _known: dict) -> Any:
        return self


@lru_cache(maxsize=KEPT)
def _reopen(kind: type, *arguments: Any) -> Any:
    return kind(*arguments)


__all__ = ["Reopened", "copy"]
