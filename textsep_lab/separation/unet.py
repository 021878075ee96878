"""The method ``unet``: the network's mask, refined by what else is detected in the recording.

Taught in notebooks 02 and 05.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from textsep_lab.encoders.queries import clean_query
from textsep_lab.models.masking import Mask
from textsep_lab.separation import refinement
from textsep_lab.signal import audio

if TYPE_CHECKING:
    from textsep_lab.separation.separator import Separator


def unet_mask(
    separator: Separator,
    waveform: np.ndarray,
    sample_rate: int,
    query: str,
    components: int,
    unwanted: str | None,
) -> Mask:
    """Return the mask of a query on a waveform ``[channels, samples]`` of any rate.

    Without a query classifier it is one pass through the network.

    Args:
        components: not used; of the NMF.

    Raises:
        ValueError: `unwanted` is given to a network that cannot be told.
    """
    network, classifier = separator.network, separator.classifier
    config = network.config
    waveform = audio.resample(waveform, sample_rate, config.sample_rate)
    wanted = separator.encoder.embed_text([query])
    if unwanted is not None:
        if not getattr(network, "TAKES_UNWANTED", False):
            raise ValueError(f"The network '{config.name}' cannot be told what is unwanted.")
        other = separator.encoder.embed_text([clean_query(unwanted)])
        if classifier is not None:
            wanted, other = map(classifier.expected_embedding, (wanted, other))
        values = refinement.mask_against(network, waveform, wanted, other)
    elif classifier is None or not waveform.any():
        values = refinement.query_masks(network, waveform, wanted)
    else:
        values = refinement.refine_mask(
            network, waveform, wanted[0], classifier, separator.detector
        )
    return Mask(values, config)
