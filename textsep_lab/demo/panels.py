"""The panels of the app: source, detection, settings, results. Taught in notebook 06."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import ipywidgets as widgets

from textsep_lab.demo import words
from textsep_lab.demo.file_transfer import FileTransfer
from textsep_lab.demo.parts import Notice, box, button, heading
from textsep_lab.demo.tracks import is_faint
from textsep_lab.demo.worker import sentence
from textsep_lab.detection import gemini
from textsep_lab.session import exports
from textsep_lab.session.recordings import (
    Recording,
    esc50_clips,
    examples,
    open_esc50,
    open_example,
)
from textsep_lab.session.request import COMPONENTS, Request, Run, Suggestion
from textsep_lab.session.session import available_detectors
from textsep_lab.signal.config import DEFAULT_FADE

Opener = Callable[[], Recording]


class SourcePanel(widgets.Box):
    """Examples, ESC-50 where it is on disk, files and the microphone.

    Args:
        file_transfer: brings files.
        opened: is called with what opens the recording that was chosen.
    """

    def __init__(self, file_transfer: FileTransfer, opened: Callable[[Opener], None]) -> None:
        self.file_transfer, self.notice = file_transfer, Notice()
        self.about = widgets.Label()
        self.about.add_class("about")
        names = [("Choose an example…", ""), *((name, name) for name in examples())]
        self._example = widgets.Dropdown(options=names, description="Example")
        self._showing, self._class = "", None

        def choose(name: str) -> None:
            if name and name != self._showing:
                opened(partial(open_example, name))

        _on_value(self._example, choose)
        row = box(self._example, *self._esc50(opened), file_transfer, name="source-row")
        super().__init__([row, self.about, self.notice])
        self.add_class("source")

    def show(self, recording: Recording) -> None:
        """Say what is open."""
        self.notice.fail("")
        self.about.value = words.about_recording(recording)
        self._showing = recording.name if recording.source == "example" else ""
        self._example.value = self._showing
        if self._class is not None and recording.source != "esc50":
            self._class.value = self._class.options[0]

    def _esc50(self, opened: Callable[[Opener], None]) -> list[widgets.Widget]:
        clips = esc50_clips()
        if not clips:
            return []
        kind = self._class = widgets.Dropdown(options=["ESC-50…", *clips], description="Class")
        clip = widgets.Dropdown(options=[("Clip…", "")], description="Clip")

        def fill(label: str) -> None:
            clip.options = [("Clip…", ""), *((name, name) for name in clips.get(label, ()))]

        _on_value(kind, fill)
        _on_value(clip, lambda name: name and opened(partial(open_esc50, name)))
        return [kind, clip]


class DetectionPanel(widgets.Box):
    """What is in the recording: a button that asks, and a suggestion for each answer.

    Args:
        detect, suggest: are called by the buttons for the detector and for Gemini.
        chosen: is called with the suggestion that was clicked.
    """

    def __init__(
        self,
        detect: Callable[[], None],
        suggest: Callable[[], None],
        chosen: Callable[[Suggestion], None],
    ) -> None:
        self._chosen, self.notice = chosen, Notice()
        self._suggestions = box(name="suggestions")
        self._detect = button("What's in here?", detect, "quiet")
        ask = button("Ask Gemini", suggest, "quiet", tip=gemini.PRIVACY)
        warning = widgets.HTML(f'<p class="told">{gemini.PRIVACY}</p>')
        self._gemini = box(ask, warning, name="gemini")
        super().__init__(
            [box(self._detect, name="suggestions"), self._suggestions, self._gemini, self.notice]
        )
        self.add_class("detection")

    def allow_gemini(self, allowed: bool) -> None:
        """Show the button for Gemini, with what it does to privacy, or hide it."""
        self._gemini.layout.display = "" if allowed else "none"

    def busy(self, busy: bool) -> None:
        """Say that an answer is awaited."""
        self._detect.description = "Detecting…" if busy else "What's in here?"
        if not busy:
            self.notice.tell("")

    def show(self, suggestions: list[Suggestion]) -> None:
        """Show a suggestion for each sound, and say so where none of them is likely."""
        self._suggestions.children = [self._suggestion(suggestion) for suggestion in suggestions]
        if suggestions and all(is_faint(suggestion) for suggestion in suggestions):
            self.notice.tell("No sound is detected clearly; these are guesses.")

    def _suggestion(self, suggestion: Suggestion) -> widgets.Button:
        said = "" if suggestion.probability is None else f"  {100 * suggestion.probability:.0f} %"
        tip = f"Ask for “{suggestion.label}” where it is detected"
        classes = ("suggestion", "faint") if is_faint(suggestion) else ("suggestion",)
        return button(suggestion.label + said, lambda: self._chosen(suggestion), *classes, tip=tip)


class SettingsPanel(widgets.Box):
    """Strength, fade, method, and the detector where there is a choice.

    Args:
        changed: is called when any of them changes.
        detector_chosen: is called with the name of an encoder.
    """

    def __init__(self, changed: Callable[[], None], detector_chosen: Callable[[str], None]) -> None:
        slider = {"continuous_update": False}
        self._strength = widgets.FloatSlider(
            1.0, min=0, max=1, step=0.05, description="Strength", readout_format=".0%", **slider
        )
        self._fade = widgets.FloatSlider(
            DEFAULT_FADE, min=0, max=0.5, step=0.01, description="Fade (s)", **slider
        )
        methods = [("Network", "unet"), ("NMF", "nmf")]
        self._method = widgets.ToggleButtons(options=methods, description="Method")
        self._components = widgets.IntSlider(
            8, min=COMPONENTS[0], max=COMPONENTS[-1], description="Components", **slider
        )
        fields = [self._strength, self._fade, self._method, self._components]
        for field in fields:
            _on_value(field, lambda _: (self._arrange(), changed()))
        names = available_detectors()
        if len(names) > 1:
            choice = widgets.Dropdown(options=names, description="Detector")
            _on_value(choice, detector_chosen)
            fields.append(choice)
        super().__init__(fields)
        self.add_class("settings")
        self._arrange()

    @property
    def values(self) -> dict:
        """The settings as `Request` has them."""
        return {
            "fade": self._fade.value,
            "strength": self._strength.value,
            "method": self._method.value,
            "components": self._components.value,
        }

    def show(self, request: Request) -> None:
        """Show other settings."""
        self._fade.value, self._strength.value = request.fade, request.strength
        self._method.value, self._components.value = request.method, request.components

    def _arrange(self) -> None:
        self._components.layout.display = "" if self._method.value == "nmf" else "none"


class ResultPanel(widgets.Box):
    """What came out, files to save, and the last runs.

    Args:
        save: is called with name, content and media type of a file.
        chosen: is called with an earlier run.
    """

    FILES: ClassVar[dict] = {
        "Output": ("output.wav", "audio/wav", partial(exports.wav, track="output")),
        "Residual": ("residual.wav", "audio/wav", partial(exports.wav, track="residual")),
        "Picture": ("separation.png", "image/png", exports.picture),
        "Recipe": ("recipe.json", "application/json", exports.recipe),
    }

    def __init__(
        self, save: Callable[[str, bytes, str], None], chosen: Callable[[Run], None]
    ) -> None:
        self._deliver, self._chosen, self._run, self._all = save, chosen, None, []
        self.notice, self._about = Notice(), widgets.HTML()
        files = [
            button(what, partial(self._save, what), "quiet", tip=f"Save as {name}")
            for what, (name, _, _) in self.FILES.items()
        ]
        self._files = box(widgets.Label("Save"), *files, name="suggestions")
        self._old = Notice()
        result = box(heading("Result"), self._old, self._about, self._files, self.notice,
                     name="panel")  # fmt: skip
        self._runs = box(name="history")
        history = box(heading("Last runs"), self._runs, name="panel")
        super().__init__([result, history])
        self.add_class("panels")
        self.add_class("results")
        self.clear()

    def clear(self) -> None:
        """Show no result; the last runs stay."""
        self._list(None)
        self.children[0].layout.display = "none"
        self.layout.display = "" if self._runs.children else "none"

    def show(self, run: Run, runs: list[Run]) -> None:
        """Show a run among the last ones."""
        self._run, self._all, self._about.value = run, runs, words.about_run(run)
        self.notice.fail("")
        self._list(run)
        self.children[0].layout.display = self.layout.display = ""

    def outdated(self, old: bool) -> None:
        """Say that something was changed since."""
        self._old.tell("Changed since: press Separate again." if old else "")

    def _save(self, what: str) -> None:
        name, kind, make = self.FILES[what]
        try:
            self._deliver(name, make(self._run), kind)
        except Exception as error:  # the app is to outlive whatever happens here
            self.notice.fail(sentence(error))

    def _list(self, current: Run | None) -> None:
        self._runs.children = [self._entry(run, current) for run in reversed(self._all)]

    def _entry(self, run: Run, current: Run | None) -> widgets.Button:
        said, name = words.about_request(run.request), run.recording.name
        if current is None or run.recording.sha256 != current.recording.sha256:
            said = f"{said} · {name}"
        classes = ("entry", "current") if run is current else ("entry",)
        tip = f"Go back to this run of {name}"
        return button(said, lambda: self._chosen(run), *classes, tip=tip)


def _on_value(field: widgets.Widget, changed: Callable) -> None:
    field.observe(lambda change: changed(change["new"]), "value")
