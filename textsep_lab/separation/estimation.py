"""From a query to the masks of a stream's stretches, and to the confidence in them.

Taught in notebook 06.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from textsep_lab.encoders.query_grammar import ParsedQuery
from textsep_lab.models.masking import Mask
from textsep_lab.separation.config import SeparationSettings
from textsep_lab.separation.stream import LocalMask

if TYPE_CHECKING:
    from textsep_lab.separation.separator import Separator


class Estimator:
    """Answers what a `stream.Stream` asks of each stretch.

    Args:
        separator: gives the mask of one sound.
        parsed: the query; several sounds are the union of their masks, each beside what is
            unwanted.
        sample_rate: in Hz.
        asked: method, components and what else is unwanted.
        given: masks that are known.
        keep: is told each mask that is used.
    """

    def __init__(
        self,
        separator: Separator,
        parsed: ParsedQuery,
        sample_rate: int,
        asked: SeparationSettings,
        given: Sequence[LocalMask] = (),
        keep: Callable[[LocalMask], object] = lambda mask: None,
    ) -> None:
        self.separator, self.parsed, self.sample_rate = separator, parsed, sample_rate
        self.asked, self._keep = asked, keep
        self._known = {(each.start, each.stop): each.mask for each in given}

    def mask(self, start: int, stop: int, waveform: np.ndarray) -> Mask:
        """Return the mask of a stretch from sample `start` to `stop`, of what is looked at."""
        found = self._known.get((start, stop)) or self._estimated(waveform)
        self._keep(LocalMask(start, stop, found))
        return found

    def _estimated(self, waveform: np.ndarray) -> Mask:
        asked, unwanted = self.asked, list[str | None](self.parsed.unwanted)
        if asked.unwanted is not None or not unwanted:
            unwanted.append(asked.unwanted)
        found = [
            [
                self.separator.mask(
                    waveform, self.sample_rate, sound, asked.method, asked.components, other
                )
                for other in unwanted
            ]
            for sound in self.parsed.sounds
        ]
        least = [torch.stack([each.values for each in row]).amin(0) for row in found]
        return found[0][0]._replace(values=torch.stack(least).sum(0).clamp(0, 1))

    def presence(self, waveform: np.ndarray, share: float) -> float:
        """Return P(all sounds of the query are there), that of the least likely one.

        Their energy share counts if the detector was calibrated for these weights.
        """
        own, detector = self.separator.fingerprint, self.separator.detector
        calibrated = own is not None and own == detector.calibration.separator_sha256
        evidence = share if calibrated and self.asked.method == SeparationSettings.method else None
        return min(
            detector.presence(waveform, self.sample_rate, sound, evidence)
            for sound in self.parsed.sounds
        )
