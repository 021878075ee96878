"""The file transfer: brings files from the browser to Python and back, and records the microphone.

A file travels in pieces, each answered before the next is sent: no message is too large for a
server, and what is too large is refused before it is sent. Taught in notebook 06.
"""

from __future__ import annotations

from collections.abc import Callable

import anywidget
from traitlets import Int, Unicode

from textsep_lab.demo.bundle import script, style
from textsep_lab.session.recordings import ENDINGS, MAX_BYTES, check_size


class FileTransfer(anywidget.AnyWidget):
    """Buttons to open a file and to record; carries the style of the whole app.

    Traits, shared with the browser:
        accept: endings of files that may be opened, as HTML has them.
        max_bytes: size of the largest file.
        seconds: of the longest recording of the microphone.

    Args:
        received: is called with name and content of a file when it is whole.
        failed: is called with a sentence when something went wrong, with none when a file begins.
    """

    _esm = script("basics.js", "file_transfer.js")
    _css = style("app.css", "fields.css", "panels.css")

    accept = Unicode(",".join((*ENDINGS, ".json"))).tag(sync=True)
    max_bytes = Int(MAX_BYTES).tag(sync=True)
    seconds = Int(60).tag(sync=True)

    def __init__(
        self, received: Callable[[str, bytes], None], failed: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._received, self._failed = received, failed
        self._name, self._pieces = "", []
        self.on_msg(self._on_message)

    def _on_message(self, _widget: object, content: dict, buffers: list) -> None:
        if content["kind"] == "failed":
            self._failed(content["said"])
            return
        if content["first"]:
            self._failed("")  # what was said of the last file is over
            self._name, self._pieces = content["name"], []
        self._pieces += [bytes(piece) for piece in buffers]
        try:
            check_size(self._name, sum(map(len, self._pieces)))
        except ValueError as error:
            self._pieces = []
            self._failed(str(error))
            return
        self.send({"kind": "next", "id": content["id"]})
        if content["last"]:
            whole, self._pieces = b"".join(self._pieces), []
            self._received(self._name, whole)

    def save(self, name: str, data: bytes, kind: str) -> None:
        """Let the browser save a file; `kind` is its media type."""
        self.send({"kind": "save", "name": name, "type": kind}, [data])
