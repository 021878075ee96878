"""What decides a training run. Taught in notebook 03."""

from __future__ import annotations

from dataclasses import dataclass

from textsep_lab.film_unet import CONFIGS, build

LOSSES = ("snr", "l1")


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run.

    Args:
        esc50_path: data set in ESC-50's layout; None looks where `esc50.find` does.
        extra_paths: more data sets in that layout (all their folds train).
        extra_share: how often a source is drawn from those.
        train_folds, val_folds: folds of `esc50_path`.
        configuration: ``compact`` or ``reference``.
        encoder: name of the text encoder.
        baseline: True trains the text-agnostic twin.
        loss: ``snr`` (negative SNR through the inverse STFT) or ``l1`` (on the ratio mask).
        batch_size: mixtures a step.
        steps, epochs, minutes: the budget; exactly one. An epoch shows as many mixtures as
            there are training clips; minutes become steps once a few steps have been timed.
        lr: highest learning rate; it warms up over 200 steps and falls along a cosine.
        seconds: length of the training mixtures.
        absent_share: how often the query names nothing in the mixture.
        val_every, val_mixtures: steps between validations, and how many mixtures they take.
        seed: of everything random.
    """

    esc50_path: str | None = None
    extra_paths: tuple[str, ...] = ()
    extra_share: float = 0.2
    train_folds: tuple[int, ...] = (1, 2, 3)
    val_folds: tuple[int, ...] = (4,)
    configuration: str = "compact"
    encoder: str = "minilm-l6-int8"
    baseline: bool = False
    loss: str = "snr"
    batch_size: int = 8
    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    lr: float = 2e-3
    seconds: float = 4.096
    absent_share: float = 0.1
    val_every: int = 500
    val_mixtures: int = 100
    seed: int = 0

    def check(self) -> None:
        """Raise ValueError with one sentence if the settings make no sense."""
        if sum(v is not None for v in (self.steps, self.epochs, self.minutes)) != 1:
            raise ValueError("Give exactly one budget: steps, epochs or minutes.")
        positive = ("steps", "epochs", "minutes", "batch_size", "lr", "seconds", "val_every")
        for name in positive:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}: it must be greater than 0.")
        for name in ("extra_share", "absent_share"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ValueError(f"{name} is {value}: it must be at least 0 and less than 1.")
        if self.configuration not in CONFIGS:
            build(self.configuration)  # says which there are
        if self.loss not in LOSSES:
            raise ValueError(f"There is no loss '{self.loss}': use {' or '.join(LOSSES)}.")
        if set(self.train_folds) & set(self.val_folds):
            raise ValueError("Training and validation folds overlap: no figure would be true.")
