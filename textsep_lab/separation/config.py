"""What is asked of a separation besides the query: the one home of each default.

Nothing here imports torch, so a command line can read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from textsep_lab.separation.registry import METHODS
from textsep_lab.signal.config import DEFAULT_FADE
from textsep_lab.utils.registry import Choices

MODES = Choices("mode", ("keep", "remove"))
AUTO = "auto"


@dataclass(frozen=True)
class SeparationSettings:
    """How a query's sound is separated; see `Separator.separate`."""

    mode: str = field(
        default="keep",
        metadata={"help": "Keep only that sound, or remove it.", "choices": MODES},
    )
    fade: float = field(
        default=DEFAULT_FADE, metadata={"help": "Soft edges of the windows, seconds."}
    )
    method: str = field(
        default="unet",
        metadata={"help": "The network, or a baseline.", "choices": METHODS},
    )
    components: int = field(default=8, metadata={"help": "Of the NMF."})
    unwanted: str | None = field(
        default=None, metadata={"help": "What else is there.  [default: the detector finds out]"}
    )

    def checked(self) -> SeparationSettings:
        """Return the settings, or raise ValueError with one sentence that says what is wrong."""
        from textsep_lab.signal.timegate import edge_samples  # NumPy, which `--help` need not load

        MODES.check(self.mode)
        METHODS.check(self.method)
        edge_samples(self.fade, 1)
        return self
