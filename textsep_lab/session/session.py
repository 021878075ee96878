"""The session: what the interactive demo knows and can do, without a widget in it.

It holds an open recording, answers what is in it, separates several sounds at once and remembers
the last runs. Taught in notebook 06.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch

from textsep_lab.detection import gemini
from textsep_lab.detection.detector import SILENCE, Detector, load_detector
from textsep_lab.encoders.query_grammar import parse_query
from textsep_lab.encoders.registry import JOINT_ENCODERS
from textsep_lab.separation.config import MODES
from textsep_lab.separation.result import Separation
from textsep_lab.separation.separator import Separator, load_separator
from textsep_lab.separation.stream import LocalMask
from textsep_lab.session.recordings import Recording, open_example
from textsep_lab.session.request import MAX_QUERIES, Query, QueryScore, Request, Run, Suggestion
from textsep_lab.signal.timegate import check_windows
from textsep_lab.utils.paths import checkpoints_dir

MAX_SUGGESTIONS, MAX_RUNS, MAX_RUN_BYTES = 6, 8, 2**29
Progress = Callable[[float, str], None]


class Cancelled(Exception):
    """Someone asked for something else before this was done."""


class Session:
    """An open recording and what is done with it.

    Queries are combined on the mask. The masks of those to keep are added, and the sum held at
    1; so are those of the queries to remove. If any sound is kept, the mask is the first sum
    less the second, not below 0, and what it leaves is taken away: removing a sound then matters
    only where it shares the spectrum with a kept one. If none is kept, the mask is the second
    sum, and that is taken away. Either way there is one mask, which `Separator.separate` applies
    within the windows: a single query gives exactly its result.

    The strength scales what is taken away: ``output = input − strength · residual``.

    Args:
        separator: None loads the shipped one when it is first needed.
        detector: gives the suggestions and the confidence; None for the separator's.

    Example:
        >>> from textsep_lab.session.request import Query, Request
        >>> session = Session()
        >>> run = session.separate(Request((Query("dog barking"),), windows=((1.0, 3.5),)))
        >>> run.scores[0].confidence > 0.5, run.energy_change_db < 0
        (True, True)
    """

    def __init__(
        self, separator: Separator | None = None, detector: Detector | None = None
    ) -> None:
        self._given, self._detector = separator, detector
        self._masks: dict[tuple, tuple[LocalMask, ...]] = {}
        self.runs: list[Run] = []
        self.recording = open_example()

    @cached_property
    def separator(self) -> Separator:
        """The separator, with this session's detector."""
        separator = copy(self._given or load_separator())
        if self._detector is not None:
            separator.detector = self._detector
        return separator

    def open(self, recording: Recording) -> None:
        """Work on another recording from now on; the runs stay."""
        self.recording = recording
        self._masks.clear()

    def use_detector(self, name: str) -> None:
        """Detect with another encoder of `available_detectors` from now on.

        Raises:
            ValueError, ImportError, FileNotFoundError: see `load_detector`.
        """
        self.separator.detector = load_detector(name)
        self._masks.clear()

    def detect(self, labels: Iterable[str] | None = None) -> list[Suggestion]:
        """Return what is detected in the recording, the most probable first.

        Raises:
            ValueError: the recording is silent, or a label is no query.
        """
        rate = self.recording.sample_rate
        table = self.separator.detector.detect(
            self.recording.waveform, labels, MAX_SUGGESTIONS, rate
        )
        if list(table["label"]) == [SILENCE]:
            raise ValueError("The recording is silent: there is nothing to detect in it.")
        return [
            Suggestion(label, float(rows["probability"].iloc[0]),
                 tuple(zip(rows["start"].tolist(), rows["end"].tolist(), strict=True)))
            for label, rows in table.groupby("label", sort=False)
        ]  # fmt: skip

    def suggest(self, say: Callable[[str], None]) -> list[Suggestion]:
        """Send the recording to Gemini and return what it suggests; `say` is told so before.

        Raises:
            ValueError, ImportError, ConnectionError: see `gemini.describe`.
        """
        found = gemini.describe(self.recording.waveform, self.recording.sample_rate, say=say)
        return [
            Suggestion(
                x.label, None, () if x.start is None or x.end is None else ((x.start, x.end),)
            )
            for x in found
        ]

    def separate(
        self,
        request: Request,
        progress: Progress = lambda share, doing: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Run:
        """Keep and remove what is asked, remember the run and return it.

        Args:
            progress: is told the share that is done, 0 to 1, and what is being done.
            cancelled: is asked between the steps, and between the chunks of a long recording.

        Raises:
            ValueError: something in the request is wrong; one sentence says what.
            Cancelled: `cancelled` said so; nothing is remembered.
        """
        began, recording, request = time.perf_counter(), self.recording, request.checked()
        if request.windows is not None:
            windows = check_windows(request.windows, recording.duration)
            request = replace(request, windows=tuple(windows))
        singles, steps = [], len(request.queries) + (len(request.queries) > 1)
        for k, query in enumerate(request.queries):
            progress(k / steps, f"Looking for “{query.text}”")
            with _stopping(self.separator.network, cancelled):
                singles.append(self._single(request, query))
            if cancelled():
                raise Cancelled
        scores = tuple(
            QueryScore(query, single.confidence, single.energy_share)
            for query, single in zip(request.queries, singles, strict=True)
        )
        result = singles[0]
        if len(scores) > 1:
            progress(1 - 1 / steps, "Putting the sounds together")
            result = self._joined(request, singles, min(each.confidence for each in scores))
        result = _weaken(replace(result, format=recording.format), request.strength)
        if cancelled():
            raise Cancelled
        run = Run(recording, request, result, scores, time.perf_counter() - began)
        self._remember(run)
        return run

    def _remember(self, run: Run) -> None:
        """Keep the last runs, and of long recordings only as many as memory has room for."""
        self.runs = [*self.runs, run][-MAX_RUNS:]
        while len(self.runs) > 1 and sum(map(_size, self.runs)) > MAX_RUN_BYTES:
            self.runs = self.runs[1:]

    def _single(self, request: Request, query: Query) -> Separation:
        """Return the separation of one sound; stretches that are known are not estimated again."""
        windows = None if request.windows is None else list(request.windows)
        components = request.components if request.method == "nmf" else None
        key = (self.recording.sha256, query.text, request.method, components)
        result = self.separator.separate(
            self.recording.waveform, query.text, query.mode, windows, request.fade,
            self.recording.sample_rate, request.method, request.components,
            masks=self._masks.get(key, ()),
        )  # fmt: skip
        if key not in self._masks and len(self._masks) == 2 * MAX_QUERIES:
            del self._masks[next(iter(self._masks))]
        self._masks[key] = result.masks
        return result

    def _joined(self, request: Request, singles: list[Separation], confidence: float) -> Separation:
        """Return the separation of all sounds together."""
        by_query = zip(*(single.masks for single in singles), strict=True)
        masks = [_combine(dict(zip(request.queries, each, strict=True))) for each in by_query]
        one = singles[0]
        joined = self.separator.separate(
            one.input, parse_query(one.query).sounds[0], request.mode, one.windows, one.fade,
            one.sample_rate, one.method, one.components, masks=masks,
        )  # fmt: skip
        return replace(joined, query=request.title, confidence=confidence)


def _combine(masks: dict[Query, LocalMask]) -> LocalMask:
    """Return one mask of many; see `Session`."""
    kept, removed = (
        [each.mask.values for query, each in masks.items() if query.meant == mode] for mode in MODES
    )
    values = _union(kept or removed)
    if kept and removed:
        values = (values - _union(removed)).clamp(0, 1)
    first = next(iter(masks.values()))
    return first._replace(mask=first.mask._replace(values=values))


def _union(masks: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(masks).sum(0).clamp(0, 1)


@contextmanager
def _stopping(network: torch.nn.Module, cancelled: Callable[[], bool]) -> Iterator[None]:
    """Stop what was cancelled before the next chunk: a long recording takes a minute."""

    def check(*_: object) -> None:
        if cancelled():
            raise Cancelled

    hook = network.register_forward_pre_hook(check)
    try:
        yield
    finally:
        hook.remove()


def _size(run: Run) -> int:
    return 3 * run.result.input.nbytes  # input, output, residual


def _weaken(result: Separation, strength: float) -> Separation:
    """Apply only so much of the change; at 1, nothing differs."""
    if strength == 1:
        return result
    residual = np.float32(strength) * result.residual
    return replace(result, output=result.input - residual, residual=residual)


def available_detectors() -> list[str]:
    """Return the joint encoders that can detect here: installed, with weights, calibrated.

    Example:
        >>> "mini-clap" in available_detectors()
        True
    """
    ready = []
    for name in JOINT_ENCODERS:
        status = JOINT_ENCODERS.load(name).status()
        calibrated = (checkpoints_dir() / name / "calibration.json").is_file()
        if status.installed and calibrated and status.weights is not None:
            ready.append(name)
    return ready
