"""What a training run is resumed from: one file of tensors, and the settings it began with.

Taught in notebook 03.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
from msgspec import Meta, Struct, structs
from safetensors.torch import save_file

from textsep_lab.models.weights import read_tensors
from textsep_lab.training.config import TrainingSettings
from textsep_lab.utils.paths import atomic_write
from textsep_lab.utils.tensors import read_header
from textsep_lab.utils.validation import checked, read_json

SETTINGS = "settings.json"
MAY_CHANGE = ("steps", "epochs", "minutes", "esc50_path", "extra_paths")
LARGEST_PROGRESS = 16 * 2**20  # bytes; it holds the whole log
Count = Annotated[int, Meta(ge=0)]


class Progress(Struct, forbid_unknown_fields=True):
    """How far a run has come; losses are those since the last validation."""

    step: Count
    total_steps: Annotated[int, Meta(ge=1)]
    losses: list[float]
    log: list[dict[str, int | float]]
    best: float | None
    seconds: Annotated[float, Meta(ge=0)]


def claim_folder(folder: Path, settings: TrainingSettings) -> None:
    """Refuse to mix two runs in one folder; a new budget for the same run is welcome."""
    path = folder / SETTINGS
    now = json.loads(json.dumps(asdict(settings)))
    if path.is_file():
        kept = type(settings).from_sidecar({"settings": read_json(path)}, path)
        before = json.loads(json.dumps(asdict(kept)))  # a setting that is new since has its default
        changed = [k for k in now if k not in MAY_CHANGE and before.get(k) != now[k]]
        if changed:
            raise ValueError(
                f"'{folder}' holds a run with another {changed[0]} "
                f"({before.get(changed[0])}): choose another folder."
            )
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")


def save(path: str | Path, parts: Mapping[str, Mapping], progress: Progress) -> None:
    """Write everything training needs to go on, in one file, so that it is never half new.

    Args:
        path: ``*.safetensors``.
        parts: state dicts by name; tensors may lie at any depth of an optimiser's.
    """
    tensors = {
        f"{name}/{key}": value.detach().cpu().contiguous()
        for name, part in parts.items()
        for key, value in part.items()
    }
    with atomic_write(path) as temporary:
        said = json.dumps(structs.asdict(progress))  # a loss may be NaN, for which JSON has no word
        save_file(tensors, temporary, metadata={"progress": said})


def load(path: str | Path) -> tuple[dict[str, dict[str, torch.Tensor]], Progress]:
    """Read what `save` wrote: tensors by part, and the progress.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged or not a training state.
    """
    metadata = read_header(path).metadata
    if "progress" not in metadata:
        raise ValueError(f"'{path}' is not a training state.")
    data, problem = metadata["progress"].encode(), "is not a training state"
    said = read_json(data, path, problem, LARGEST_PROGRESS, nan=True)
    progress = checked(Progress, said, path, problem)
    if not all("step" in row for row in progress.log):
        raise ValueError(f"'{path}' {problem}: a row of its log has no step.")
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in read_tensors(path).items():
        name, _, rest = key.partition("/")
        parts.setdefault(name, {})[rest] = value
    return parts, progress


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Flatten an optimiser's running averages to ``"parameter.name" → tensor``."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": value for i, slot in state.items() for name, value in slot.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put back what `optimizer_tensors` gave; learning rates stay as they are.

    Raises:
        LookupError, ValueError: it is the state of another optimiser.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        if value.ndim and value.shape != parameters[int(index)].shape:
            raise ValueError(f"{key} has another shape than its parameter")
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
