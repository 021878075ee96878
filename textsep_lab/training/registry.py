"""Losses by name: what ``loss`` and ``--loss`` take.

A loss is a function ``(mask, mixture, target, config) -> [batch]``, the lower the better.
"""

from textsep_lab.utils.registry import Registry

LOSSES = Registry(
    "loss",
    {
        "snr": "textsep_lab.training.losses:snr_loss",
        "l1": "textsep_lab.training.losses:l1_loss",
        "pit": "textsep_lab.training.losses:pit_loss",
    },
)
