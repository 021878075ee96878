"""What a session is asked and what it answers: queries, requests, suggestions, runs.

Taught in notebook 06.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Real

from textsep_lab.encoders.queries import clean_query
from textsep_lab.encoders.query_grammar import parse_query
from textsep_lab.separation.config import MODES, SeparationSettings
from textsep_lab.separation.registry import METHODS
from textsep_lab.separation.result import Separation
from textsep_lab.session.recordings import Recording
from textsep_lab.signal import metrics
from textsep_lab.signal.timegate import Window

COMPONENTS = range(6, 13)  # of the NMF
MAX_QUERIES = 6


@dataclass(frozen=True)
class Query:
    """A sound in a few words, and whether to ``keep`` or to ``remove`` it."""

    text: str
    mode: str = SeparationSettings.mode

    @property
    def meant(self) -> str:
        """What becomes of the sounds it names: to keep everything but one is to remove that one."""
        return parse_query(self.text).mode(self.mode)


@dataclass(frozen=True)
class Request:
    """What is asked of a recording; see `Session.separate`.

    Args:
        queries: one or more, each sound once.
        windows: pairs (start, end) in seconds; None is the whole recording.
        fade: length of the windows' soft edges in seconds.
        strength: how much of the change is applied, 0 (nothing) to 1.
        method: ``unet`` or ``nmf``.
        components: of the NMF, 6 to 12.

    Example:
        >>> Request((Query("dog barking"), Query("rain", "remove"))).title
        'dog barking − rain'
    """

    queries: tuple[Query, ...]
    windows: tuple[Window, ...] | None = None
    fade: float = SeparationSettings.fade
    strength: float = 1.0
    method: str = SeparationSettings.method
    components: int = SeparationSettings.components

    @property
    def mode(self) -> str:
        """``keep`` if any sound is to be kept: then all else goes; otherwise ``remove``."""
        return "keep" if any(query.meant == "keep" for query in self.queries) else "remove"

    @property
    def title(self) -> str:
        """The sounds in a line; what is removed from what is kept has a minus."""
        kept = [query.text for query in self.queries if query.meant == "keep"]
        removed = [query.text for query in self.queries if query.meant == "remove"]
        if not kept:
            return " + ".join(removed)
        return " − ".join([" + ".join(kept), *removed])

    def resembles(self, other: Request) -> bool:
        """Whether it asks for the same, windows being the same to a tenth of a millisecond.

        Example:
            >>> one = Request((Query("rain"),), ((1.0, 2.0),))
            >>> one.resembles(replace(one, windows=((1.00001, 2.0),)))
            True
            >>> one.resembles(replace(one, windows=None))
            False
        """
        windows = [
            None if each.windows is None else tuple(round(t, 4) for w in each.windows for t in w)
            for each in (self, other)
        ]
        return windows[0] == windows[1] and replace(self, windows=None) == replace(
            other, windows=None
        )

    def checked(self) -> Request:
        """Return the request with clean queries.

        Raises:
            ValueError: no query, too many, one twice, or a value that is out of its range.
        """
        queries = tuple(Query(clean_query(query.text), query.mode) for query in self.queries)
        if not 1 <= len(queries) <= MAX_QUERIES:
            raise ValueError(f"Name 1 to {MAX_QUERIES} sounds, not {len(queries)}.")
        texts = [query.text.casefold() for query in queries]
        twice = [text for k, text in enumerate(texts) if text in texts[:k]]
        if twice:
            raise ValueError(f"“{twice[0]}” is asked for twice: name each sound once.")
        for query in queries:
            MODES.check(query.mode)
        METHODS.check(self.method)
        if not (isinstance(self.strength, Real) and 0 <= self.strength <= 1):
            raise ValueError(f"The strength is {self.strength}: it must be from 0 to 1.")
        if not (isinstance(self.fade, Real) and math.isfinite(self.fade) and self.fade >= 0):
            raise ValueError(f"The fade is {self.fade} s: it must be 0 or more.")
        if self.components not in COMPONENTS:
            raise ValueError(f"NMF takes 6 to 12 components here, not {self.components}.")
        return replace(self, queries=queries)


@dataclass(frozen=True)
class Suggestion:
    """A sound that may be there: its probability (None if nobody said) and when it is active.

    No spans means that the moments are unknown.
    """

    label: str
    probability: float | None
    spans: tuple[Window, ...]


@dataclass(frozen=True)
class QueryScore:
    """What the detector says of one query: P(it is in the windows), and its share of the energy."""

    query: Query
    confidence: float
    energy_share: float


@dataclass(frozen=True)
class Run:
    """A finished separation with all that led to it; `seconds` is how long it took."""

    recording: Recording
    request: Request
    result: Separation
    scores: tuple[QueryScore, ...]
    seconds: float

    @property
    def energy_change_db(self) -> float:
        """Level of the output less that of the input, in the windows; NaN for silence."""
        inside = self.result.gate > 0
        before, after = (
            metrics.level_db(x[:, inside]) for x in (self.result.input, self.result.output)
        )
        return after - before if math.isfinite(before) else math.nan
