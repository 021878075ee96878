"""How encoders travel to other processes: as what they were made from, not as what they hold."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

KEPT = 4  # encoders that a process keeps open for what comes from others


class Reopened:
    """An encoder that is pickled as `arguments`: another process reads its weights anew, once.

    A copy is the encoder itself, as it never changes.

    Example:
        >>> import pickle
        >>> from copy import deepcopy
        >>> from textsep_lab.encoders.registry import load_encoder
        >>> encoder = load_encoder()
        >>> deepcopy(encoder) is encoder, len(pickle.dumps(encoder)) < 1000
        (True, True)
    """

    arguments: tuple  # of its class, hashable

    def __reduce__(self) -> tuple[Any, ...]:
        weights = getattr(self, "weights_sha256", None)
        return _reopen, (type(self), weights, *self.arguments)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _known: dict) -> Any:
        return self


@lru_cache(maxsize=KEPT)
def _reopen(kind: type, weights: str | None, *arguments: Any) -> Any:
    encoder = kind(*arguments)
    if getattr(encoder, "weights_sha256", None) != weights:
        raise ValueError(f"The encoder {encoder.name} has other weights here than where it was.")
    return encoder
