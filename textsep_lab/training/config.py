"""What decides a training run, and the one home of each default. Taught in notebooks 03 and 07."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from textsep_lab.encoders.registry import DEFAULT_TEXT_ENCODER, encoders
from textsep_lab.models.config import CONFIGS, MAX_DIM
from textsep_lab.models.registry import configuration
from textsep_lab.training.registry import LOSSES
from textsep_lab.utils.registry import Choices
from textsep_lab.utils.validation import check_range, checked

PRECISIONS = Choices("precision", ("32-true", "bf16-mixed"))
BUDGETS = ("steps", "epochs", "minutes")
PATHS = ("esc50_path", "extra_paths", "init", "guide")
SHARE = (0.0, 0.999)
RANGES: Mapping[str, tuple[float, float]] = {
    "steps": (1, 10**9), "epochs": (1e-6, 1e6), "minutes": (1e-6, 1e6), "batch_size": (1, 4096),
    "lr": (1e-9, 10.0), "weight_decay": (0.0, 10.0), "seconds": (0.01, 60.0),
    "val_every": (1, 10**9), "seed": (0, 2**40), "extra_share": SHARE, "same_class_share": SHARE,
}  # fmt: skip
Settings = TypeVar("Settings", bound="TrainingSettings")


def option(default: Any, said: str, **metadata: Any) -> Any:
    """Return a field with its default and the sentence that ``--help`` shows."""
    return field(default=default, metadata={"help": said, **metadata})


@dataclass(frozen=True)
class TrainingSettings:
    """What every run needs; each field says what it is."""

    esc50_path: str | None = option(
        None, "Data set in ESC-50's layout; by default where `esc50.find` looks."
    )
    extra_paths: tuple[str, ...] = option(
        (),
        "One more data set to train on, all of it: a folder with clips.csv, or ESC-50's layout.",
    )
    extra_share: float = option(0.2, "How often a source is drawn from those.")
    without_labels: tuple[str, ...] = option(
        (),
        "A label to leave out of all data sets; held-out for the kit's list of words that are "
        "never trained on.",
    )
    same_class_share: float = option(
        0.0, "How often a source is two recordings of its class at once."
    )
    train_folds: tuple[int, ...] = option((1, 2, 3), "Folds to train on.")
    val_folds: tuple[int, ...] = option((4,), "Folds to validate on.")
    encoder: str = option(DEFAULT_TEXT_ENCODER, "Text encoder.")
    batch_size: int = option(8, "Examples a step.")
    steps: int | None = option(None, "Budget in steps.")
    epochs: float | None = option(None, "Budget in passes over the training clips.")
    minutes: float | None = option(None, "Budget in minutes, of which a few steps are timed.")
    lr: float = option(2e-3, "Highest learning rate; it warms up, then falls along a cosine.")
    weight_decay: float = option(0.02, "Of AdamW, on matrices and kernels.")
    seconds: float = option(4.096, "Length of the examples.")
    val_every: int = option(500, "Steps between validations.")
    seed: int = option(0, "Of everything random.")
    precision: str = option(
        "32-true", "bf16-mixed is faster where the processor knows bfloat16.", choices=PRECISIONS
    )

    @classmethod
    def from_sidecar(
        cls: type[Settings], info: Mapping[str, Any], name: str | Path = "the sidecar"
    ) -> Settings:
        """Return the settings that a checkpoint was trained with, checked.

        Args:
            info: of which ``settings`` are read.
            name: of its file, for an error's sentence.

        Raises:
            ValueError: they make no sense.
        """
        settings = checked(cls, info.get("settings") or {}, name, "has no settings of a run")
        try:
            settings.check()
        except ValueError as error:
            raise ValueError(f"'{name}' has no settings of a run: {error}") from error
        return settings

    def check(self) -> None:
        """Raise ValueError with one sentence if the settings make no sense."""
        if sum(getattr(self, name) is not None for name in BUDGETS) != 1:
            raise ValueError("Give exactly one budget: steps, epochs or minutes.")
        self._check_ranges(RANGES)
        encoders().check(self.encoder)
        PRECISIONS.check(self.precision)
        if not self.train_folds or not self.val_folds:
            raise ValueError("Give at least one fold to train on and one to validate on.")
        if set(self.train_folds) & set(self.val_folds):
            raise ValueError("Training and validation folds overlap: no figure would be true.")

    def _check_ranges(self, ranges: Mapping[str, tuple[float, float]]) -> None:
        for name, (low, high) in ranges.items():
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), low, high)


@dataclass(frozen=True)
class SeparatorSettings(TrainingSettings):
    """Everything that decides a separator's run, besides what every run needs.

    What the network is told is unwanted is as sure as it is right: an embedding of length p names
    an interferer p of the time.
    """

    configuration: str = option("compact", f"The network: {', '.join(CONFIGS)}.")
    text_agnostic: bool = option(False, "Train a network without a query.")
    loss: str = option(
        "snr",
        "snr: negative SNR; l1: on the ratio mask; pit: SNR of estimate and residual, whichever "
        "is the target, for a network without a query.",
        choices=LOSSES,
    )
    absent_share: float = option(0.1, "How often the query names nothing in the mixture.")
    unwanted_share: float = option(0.6, "How often it is told what is not wanted.")
    init: str | None = option(
        None, "Checkpoint to start from; a guided network may start from compact."
    )
    guide: str | None = option(
        None, "Checkpoint of the text-agnostic network that a guided one needs."
    )
    val_mixtures: int = option(100, "Mixtures a validation takes.")

    def check(self) -> None:
        super().check()
        self._check_ranges({
            "absent_share": SHARE, "unwanted_share": SHARE, "val_mixtures": (1, 10**6),
        })  # fmt: skip
        configuration(self.configuration)
        LOSSES.check(self.loss)
        if (self.configuration == "guided") != (self.guide is not None):
            raise ValueError(
                "A guided network needs the checkpoint of a text-agnostic one as its guide; no "
                "other takes one."
            )


@dataclass(frozen=True)
class ClapSettings(TrainingSettings):
    """Everything that decides a run of a CLAP model, besides what every run needs."""

    batch_size: int = option(32, "Examples a step.")
    weight_decay: float = option(0.05, "Of AdamW, on matrices and kernels.")
    dim: int = option(256, "Dimension of the joint space.")
    sources: tuple[float, ...] = option(
        (0.5, 0.35, 0.15), "Probability of 1, 2, … sounds in a training example."
    )

    def check(self) -> None:
        super().check()
        self._check_ranges({"dim": (1, MAX_DIM)})
        if len(self.sources) < 2 or min(self.sources) < 0 or not abs(sum(self.sources) - 1) < 1e-6:
            raise ValueError(
                f"sources are {self.sources}: give the probabilities of 1, 2, … sounds, two or "
                "more, that sum to 1."
            )
