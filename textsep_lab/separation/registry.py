"""Separation methods by name: what ``method=`` and ``--method`` take.

A method is a function ``(separator, waveform, sample_rate, query, components, unwanted)`` that
returns a `models.masking.Mask`; gate, residual, pictures and confidence are the same for all.
"""

from textsep_lab.utils.registry import Registry

METHODS = Registry(
    "method",
    {
        "unet": "textsep_lab.separation.unet:unet_mask",
        "nmf": "textsep_lab.separation.nmf:nmf_mask",
    },
)
