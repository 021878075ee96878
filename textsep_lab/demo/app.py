"""The app: a thin skin of widgets around the session. Taught in notebook 06."""

from __future__ import annotations

import os
from collections.abc import Callable

import ipywidgets as widgets

from textsep_lab.demo import tracks, words
from textsep_lab.demo.file_transfer import FileTransfer
from textsep_lab.demo.panels import DetectionPanel, ResultPanel, SettingsPanel, SourcePanel
from textsep_lab.demo.parts import Notice, QueryRows, WindowRows, box, button, heading
from textsep_lab.demo.timeline import Timeline
from textsep_lab.demo.worker import Worker
from textsep_lab.detection import gemini
from textsep_lab.session import exports
from textsep_lab.session.recordings import Recording, open_bytes
from textsep_lab.session.request import Query, Request, Run, Suggestion
from textsep_lab.session.session import Session
from textsep_lab.signal.timegate import Window


class App(widgets.Box):
    """The session as a page.

    Args:
        session: None makes a new one; its weights are loaded in the background.
    """

    def __init__(self, session: Session | None = None) -> None:
        self.session, self.worker, self.run = session or Session(), Worker(), None
        self._suggestions: list[Suggestion] = []
        self.timeline = Timeline()
        self.timeline.observe(lambda change: self._windows_changed(change["new"]), "windows")
        self._make_panels()
        super().__init__([
            widgets.HTML('<header><h2>textsep</h2><p>Name a sound, mark a stretch of time, keep it '
                         f'or take it away.</p></header>{words.HELP}'),
            self.source, self.timeline, self._controls(), self._go, self.results,
        ])  # fmt: skip
        self.add_class("textsep-app")
        self._show_recording(self.session.recording)
        self.rows.show((Query("dog barking"),))
        self.timeline.windows = [[1.0, 3.5]]
        self.worker.start("load", lambda _: self.session.separator, self.notice.fail)

    def _make_panels(self) -> None:
        file_transfer = FileTransfer(self._received, lambda said: self.source.notice.fail(said))
        self.source = SourcePanel(file_transfer, self._open)
        self.times = WindowRows(self._set_windows)
        self.detection = DetectionPanel(self._detect, self._suggest, self._choose)
        self.detection.allow_gemini(any(map(os.environ.get, ("GEMINI_API_KEY", "GOOGLE_API_KEY"))))
        self.rows = QueryRows(self._request_changed, self._separate)
        self.settings = SettingsPanel(self._request_changed, self._use_detector)
        self.notice = Notice()
        self.progress = widgets.FloatProgress(0, min=0, max=1)
        self.progress.add_class("progress")
        start = button("Separate", self._separate, "go", tip="Separate; again to start anew")
        self._go = box(start, self.progress, self.notice, name="go-row")
        self._busy(False)
        self.results = ResultPanel(file_transfer.save, self._show_run)

    def _controls(self) -> widgets.Box:
        when = box(heading("When"), self.times, name="panel")
        what = box(heading("What"), self.rows, self.detection, name="panel")
        how = box(heading("How"), self.settings, name="panel")
        return box(what, when, how, name="panels")

    # ---- recordings

    def _open(self, opener: Callable[[], Recording]) -> None:
        """Open a recording in the background; whatever was going on is called off."""
        self._call_off()

        def job(cancelled: Callable[[], bool]) -> None:
            recording = opener()
            if not cancelled():
                self.session.open(recording)
                self._show_recording(recording)
                self._set_windows([])

        self.source.notice.tell("Opening…")
        self.worker.start("open", job, self.source.notice.fail)

    def _received(self, name: str, data: bytes) -> None:
        if not name.lower().endswith(".json"):
            self._open(lambda: open_bytes(name, data))
            return
        self._call_off()
        try:
            request = exports.open_recipe(self.session, data, name)
        except (ValueError, OSError) as error:
            self.source.notice.fail(str(error))
            return
        self._show_recording(self.session.recording)
        self._show_request(request)

    def _call_off(self) -> None:
        for kind in ("open", "detect", "separate"):
            self.worker.cancel(kind)
        self._busy(False)
        self.detection.busy(False)

    def _show_recording(self, recording: Recording) -> None:
        self.run = None
        self.source.show(recording)
        self._suggestions = []
        self.detection.show([])
        self.results.clear()
        self._fill_timeline(recording, *tracks.of_recording(recording))

    def _fill_timeline(self, recording: Recording, pictures: list, players: list) -> None:
        self.times.duration = recording.duration
        with self.timeline.hold_sync():
            if self.timeline.duration != recording.duration:
                self.timeline.duration = recording.duration
            if len(players) != len(self.timeline.tracks):  # else go on playing the same one
                self.timeline.track = min(1, len(players) - 1)
            self.timeline.panels, self.timeline.tracks = pictures, players
            self.timeline.spans = tracks.spans(self._suggestions, recording.duration)

    # ---- windows

    def _set_windows(self, windows: list[Window]) -> None:
        self.timeline.windows = [list(window) for window in windows]
        self.times.show(self.timeline.windows)

    def _windows_changed(self, windows: list[list[float]]) -> None:
        self.times.show(windows)
        self._request_changed()

    # ---- what is in it

    def _detect(self) -> None:
        self._find(lambda cancelled: self.session.detect(), "Detecting…")

    def _suggest(self) -> None:
        self._find(
            lambda cancelled: self.session.suggest(self.detection.notice.tell), gemini.PRIVACY
        )

    def _find(self, find: Callable[..., list[Suggestion]], said: str) -> None:
        recording = self.session.recording

        def job(cancelled: Callable[[], bool]) -> None:
            suggestions = find(cancelled)
            if not cancelled():
                self._suggestions = suggestions
                self.timeline.spans = tracks.spans(suggestions, recording.duration)
                self.detection.busy(False)
                self.detection.show(suggestions)

        def failed(said: str) -> None:
            self.detection.busy(False)
            self.detection.notice.fail(said)

        self.detection.busy(True)
        self.detection.notice.tell(said)
        self.worker.start("detect", job, failed)

    def _choose(self, suggestion: Suggestion) -> None:
        """Take a suggestion as the query, and its moments as windows."""
        mode = self.rows.queries[0].mode
        self.rows.show((Query(suggestion.label, mode),))
        whole = self.session.recording.duration
        known = [span for span in suggestion.spans if span != (0.0, whole)]
        self._set_windows(known)

    # ---- separating

    @property
    def request(self) -> Request:
        """What the controls ask for."""
        windows = tuple(map(tuple, self.timeline.windows)) or None
        return Request(self.rows.queries, windows, **self.settings.values)

    def _request_changed(self) -> None:
        request = self.request
        self.timeline.fade, self.timeline.mode = request.fade, request.mode
        if self.run is not None:
            self.results.outdated(not request.resembles(self.run.request))

    def _separate(self) -> None:
        request = self.request

        def job(cancelled: Callable[[], bool]) -> None:
            def advance(share: float, doing: str) -> None:
                if not cancelled():
                    self._advance(share, doing)

            run = self.session.separate(request, advance, cancelled)
            advance(1.0, "Drawing")
            drawn = tracks.of_run(run)
            if not cancelled():
                self._show_results(run, drawn)

        def failed(said: str) -> None:
            self._busy(False)
            self.notice.fail(said)

        self._busy(True)
        self._advance(0.0, "Starting")
        self.worker.start("separate", job, failed)

    def _advance(self, share: float, doing: str) -> None:
        self.progress.value = max(0.03, 0.9 * share)
        self.notice.tell(f"{doing}…")

    def _busy(self, busy: bool) -> None:
        self.progress.layout.visibility = "visible" if busy else "hidden"
        self.notice.tell("")

    def _show_results(self, run: Run, drawn: tuple[list[dict], list[dict]]) -> None:
        self.run = run
        self._fill_timeline(run.recording, *drawn)
        self.results.show(run, self.session.runs)
        self._busy(False)
        self._request_changed()

    def _show_run(self, run: Run) -> None:
        """Go back to an earlier run: its recording, its request and its results."""
        self._call_off()
        if run.recording is not self.session.recording:
            self.session.open(run.recording)
            self._show_recording(run.recording)
        self._show_request(run.request)
        self._show_results(run, tracks.of_run(run))

    def _show_request(self, request: Request) -> None:
        self.rows.show(request.queries)
        self.settings.show(request)
        self._set_windows(list(request.windows or ()))

    # ---- the rest

    def _use_detector(self, name: str) -> None:
        self.worker.start(
            "detector", lambda _: self.session.use_detector(name), self.detection.notice.fail
        )


def app(session: Session | None = None) -> App:
    """Return the interactive demo; a notebook shows it by itself.

    Example:
        >>> page = app()
        >>> page.request.queries[0].text, page.request.windows
        ('dog barking', ((1.0, 3.5),))
    """
    return App(session)
