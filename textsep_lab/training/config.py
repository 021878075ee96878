"""What decides a training run. Taught in notebooks 03 and 07."""

from __future__ import annotations

from dataclasses import dataclass

from textsep_lab.film_unet import CONFIGS, build

LOSSES = ("snr", "l1", "best")
PRECISIONS = ("32-true", "bf16-mixed")


@dataclass(frozen=True)
class RunSettings:
    """What every run needs.

    Args:
        esc50_path: data set in ESC-50's layout; None looks where `esc50.find` does.
        extra_paths: more data sets in that layout (all their folds train).
        extra_share: how often a source is drawn from those.
        companion_share: how often a source is two recordings of its class at once.
        train_folds, val_folds: folds of `esc50_path`.
        encoder: name of the text encoder.
        batch_size: examples a step.
        steps, epochs, minutes: the budget; exactly one. An epoch shows as many examples as
            there are training clips; minutes become steps once a few steps have been timed.
        lr: highest learning rate; it warms up over 200 steps and falls along a cosine.
        weight_decay: of AdamW, on matrices and kernels.
        seconds: length of the training examples.
        val_every: steps between validations.
        seed: of everything random.
        precision: ``32-true``, or ``bf16-mixed``, faster where the processor knows bfloat16.
    """

    esc50_path: str | None = None
    extra_paths: tuple[str, ...] = ()
    extra_share: float = 0.2
    companion_share: float = 0.0
    train_folds: tuple[int, ...] = (1, 2, 3)
    val_folds: tuple[int, ...] = (4,)
    encoder: str = "minilm-l6-int8"
    batch_size: int = 8
    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    lr: float = 2e-3
    weight_decay: float = 0.02
    seconds: float = 4.096
    val_every: int = 500
    seed: int = 0
    precision: str = "32-true"

    def check(self) -> None:
        """Raise ValueError with one sentence if the settings make no sense."""
        if sum(v is not None for v in (self.steps, self.epochs, self.minutes)) != 1:
            raise ValueError("Give exactly one budget: steps, epochs or minutes.")
        positive = ("steps", "epochs", "minutes", "batch_size", "lr", "seconds", "val_every")
        for name in positive:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}: it must be greater than 0.")
        self._check_share("extra_share")
        self._check_share("companion_share")
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"There is no precision '{self.precision}': use {' or '.join(PRECISIONS)}."
            )
        if set(self.train_folds) & set(self.val_folds):
            raise ValueError("Training and validation folds overlap: no figure would be true.")

    def _check_share(self, name: str) -> None:
        value = getattr(self, name)
        if not 0 <= value < 1:
            raise ValueError(f"{name} is {value}: it must be at least 0 and less than 1.")


@dataclass(frozen=True)
class Settings(RunSettings):
    """Everything that decides a separator's run, besides what every run needs.

    Args:
        configuration: ``compact``, ``reference`` or ``guided``.
        baseline: True trains the text-agnostic twin.
        loss: ``snr`` (negative SNR through the inverse STFT), ``l1`` (on the ratio mask), or
            ``best`` (SNR of estimate and residual, whichever is the target: for the twin).
        absent_share: how often the query names nothing in the mixture.
        unwanted_share: how often the network is told what is not wanted. What it is told is as
            sure as it is right: an embedding of length p names an interferer p of the time.
        init: checkpoint to start from instead of random weights; a guided network may start from
            a compact one.
        twin: checkpoint of the text-agnostic twin, which a guided network needs.
        val_mixtures: how many mixtures a validation takes.
    """

    configuration: str = "compact"
    baseline: bool = False
    loss: str = "snr"
    absent_share: float = 0.1
    unwanted_share: float = 0.6
    init: str | None = None
    twin: str | None = None
    val_mixtures: int = 100

    def check(self) -> None:
        super().check()
        self._check_share("absent_share")
        self._check_share("unwanted_share")
        if self.configuration not in CONFIGS:
            build(self.configuration)  # says which there are
        if (self.configuration == "guided") != (self.twin is not None):
            raise ValueError("A guided network needs the checkpoint of a twin; no other takes one.")
        if self.loss not in LOSSES:
            raise ValueError(f"There is no loss '{self.loss}': use {' or '.join(LOSSES)}.")


@dataclass(frozen=True)
class ListenerSettings(RunSettings):
    """Everything that decides a run of the joint embedding, besides what every run needs.

    Args:
        dim: dimension of the joint space.
        sources: probability of 1, 2, … sounds in a training example.
    """

    batch_size: int = 32
    weight_decay: float = 0.05
    dim: int = 256
    sources: tuple[float, ...] = (0.5, 0.35, 0.15)

    def check(self) -> None:
        super().check()
        if len(self.sources) < 2 or min(self.sources) < 0 or not abs(sum(self.sources) - 1) < 1e-6:
            raise ValueError(
                f"sources are {self.sources}: give the probabilities of 1, 2, … sounds, two or "
                "more, that sum to 1."
            )
