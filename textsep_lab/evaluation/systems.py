"""Baselines and oracles: the systems of the benchmark, from the mixture to oracle masks.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from textsep_lab.data import esc50
from textsep_lab.evaluation.mixture_list import SAMPLE_RATE, EvaluationMixture
from textsep_lab.evaluation.scores import Estimate, best_of
from textsep_lab.models import checkpoints
from textsep_lab.models.masking import apply_mask
from textsep_lab.separation import nmf, nmf_supervised
from textsep_lab.separation.separator import Separator, load_separator
from textsep_lab.signal.ideal_masks import ideal_ratio_mask, phase_sensitive_mask, wiener_mask
from textsep_lab.signal.stft import Stft, band_matrix, to_bands, to_bins
from textsep_lab.training.separator import separate_batch
from textsep_lab.utils.paths import checkpoints_dir

N_BANDS = 64
BASES_ITERATIONS = 30  # of 100: a minute or two instead of five to learn 50 classes
GATE_SECONDS, GATE_DB = 0.02, -40.0
# Networks that take part only when their weights are at hand, and how to get them.
TRAINED = {
    "text-agnostic": "textsep train separator --text-agnostic --loss pit --absent-share 0",
    "reference": "textsep train separator --configuration reference --loss l1",
}
ABLATIONS = ("one-pass", "compact")  # run only when they are named
TITLES = {"text-agnostic": "text-agnostic UNet, best of two", "reference": "reference UNet"}


@dataclass(frozen=True)
class System:
    """One row of the benchmark's table.

    Args:
        title: its name in tables.
        estimate: a scene goes in, the target's estimate ``[samples]`` comes out; None if it
            cannot be run here.
        network: its network, if it has one, to be counted and timed.
        missing: why it cannot be run.
    """

    title: str
    estimate: Estimate | None = None
    network: nn.Module | None = None
    missing: str = ""


def baselines_and_oracles(
    separator: Separator,
    root: str | Path | None = None,
    bases_folds: tuple[int, ...] = (1, 2, 3),
    weights: Mapping[str, str | Path] | None = None,
) -> dict[str, Callable[[], System]]:
    """Return what makes each system, by the name ``--systems`` knows it by, floor to ceiling.

    Args:
        separator: ours.
        root, bases_folds: what the supervised NMF learns its spectra from.
        weights: checkpoints of the systems in `TRAINED`; the text-agnostic one is by default the
            guide of our network, if it has one.
    """
    weights = weights or {}
    made: dict[str, Callable[[], System]] = {
        "mixture": lambda: System("mixture (floor)", lambda scene: scene.truth.mixture),
        "gate": lambda: System("perfect time gate", _time_gate),
        "nmf": lambda: System("NMF, components scored", partial(_nmf, separator)),
        "nmf-classes": lambda: _supervised_nmf(separator, root, bases_folds),
    }
    for name in TRAINED:
        made[name] = partial(_trained, name, weights.get(name))
    text_agnostic = getattr(separator.network, "text_agnostic", None)
    if text_agnostic is not None and "text-agnostic" not in weights:
        made["text-agnostic"] = lambda: _text_agnostic(text_agnostic)
    made["ours"] = lambda: System("ours", partial(ours, separator), separator.network)
    made["ours-best"] = lambda: System(
        "ours, best of output and residual", partial(_best, separator)
    )
    made["one-pass"] = lambda: _one_pass(separator)
    made["compact"] = lambda: System(
        "compact, refined", partial(ours, load_separator(checkpoints_dir() / "compact-esc50"))
    )
    masks = {"irm": ideal_ratio_mask, "wiener": wiener_mask, "psm": _psm}
    titles = {"irm": "IRM", "wiener": "Wiener", "psm": "truncated PSM"}
    for bands in (True, False):
        for name, mask in masks.items():
            title = f"oracle {titles[name]}, " + (f"{N_BANDS} bands" if bands else "bins")
            key = f"{name}-bands" if bands else name
            made[key] = partial(System, title, partial(_oracle, mask, bands))
    return made


@dataclass(frozen=True)
class Answer:
    """What the benchmark keeps of a `Separation`."""

    output: np.ndarray
    confidence: float


class CachedSeparator:
    """A separator that answers from memory what it has been asked before about a recording.

    Several tables ask the same questions.
    """

    def __init__(self, separator: Separator) -> None:
        self._separator, self._answers = separator, {}

    def __getattr__(self, name: str):
        return getattr(self._separator, name)

    def separate(self, recording: np.ndarray, query: str, **options):
        if "windows" in options:
            return self._separator.separate(recording, query, **options)
        key = (hash(recording.tobytes()), query, *sorted(options.items()))
        if key not in self._answers:
            result = self._separator.separate(recording, query, **options)
            self._answers[key] = Answer(result.output, result.confidence)
        return self._answers[key]


def ours(separator: Separator, scene: EvaluationMixture, query: str | None = None) -> np.ndarray:
    """Return our estimate for a scene, by its bare label or another query."""
    query = scene.query if query is None else query
    return separator.separate(scene.truth.mixture, query, sample_rate=SAMPLE_RATE).output[0]


def _one_pass(separator: Separator) -> System:
    """Return our network without classifier and refinement pass."""
    parts = (separator.network, separator.encoder, separator.info, separator.detector)
    return System("ours, one pass", partial(ours, Separator(*parts)))


def _best(separator: Separator, scene: EvaluationMixture) -> np.ndarray:
    """Return our output or residual, whichever the truth says is the target."""
    output = ours(separator, scene)
    return best_of(np.stack([output, scene.truth.mixture - output]), scene.truth.target)


def _time_gate(scene: EvaluationMixture) -> np.ndarray:
    """Let the mixture through wherever the target sounds, as if someone had marked the times."""
    length = round(GATE_SECONDS * SAMPLE_RATE)
    target = scene.truth.target
    frames = np.resize(target, -(-len(target) // length) * length).reshape(-1, length)
    energy = np.square(frames, dtype=np.float64).mean(1)
    sounds = energy > energy.max() * 10 ** (GATE_DB / 10)
    return scene.truth.mixture * np.repeat(sounds, length)[: len(target)]


def _nmf(separator: Separator, scene: EvaluationMixture) -> np.ndarray:
    mixture = scene.truth.mixture[None]
    found = nmf.separate_components(mixture, SAMPLE_RATE, scene.query, separator.detector.encoder)
    return apply_mask(found.mask, torch.from_numpy(mixture), SAMPLE_RATE, nmf.CONFIG)[0].numpy()


def _supervised_nmf(separator: Separator, root, folds: tuple[int, ...]) -> System:
    bases = nmf_supervised.learn_bases(esc50.read_table(root, folds), iterations=BASES_ITERATIONS)

    def estimate(scene: EvaluationMixture) -> np.ndarray:
        mixture = scene.truth.mixture[None]
        there = bases.only(list(scene.labels))
        found = nmf_supervised.estimate_class_mask(
            mixture, SAMPLE_RATE, scene.query, separator.encoder, there
        )
        row = torch.from_numpy(mixture)
        return apply_mask(found.mask, row, SAMPLE_RATE, nmf.CONFIG)[0].numpy()

    return System("NMF, spectra of the classes it is told are there", estimate)


def _trained(name: str, weights: str | Path | None) -> System:
    """Return a network of `TRAINED` with its weights, or the reason why there is none."""
    title, folder = TITLES[name], checkpoints_dir() / f"{name}-esc50"
    if weights is None and not folder.is_dir():
        return System(title, missing=f"no weights here; {TRAINED[name]} makes them")
    if name == "reference":
        other = load_separator(weights or folder)
        return System(title + _training(other.info), partial(ours, other), other.network)
    network, _ = checkpoints.load(weights or folder)
    return _text_agnostic(network)


def _training(info: dict) -> str:
    """Return how long a network was trained, as far as its sidecar says."""
    settings = info.get("settings", {})
    if not {"batch_size", "seconds"} <= settings.keys() or "step" not in info:
        return ""
    return f", {info['step']:,} steps of {settings['batch_size']} × {settings['seconds']:.1f} s"


def _text_agnostic(network: nn.Module) -> System:
    return System(TITLES["text-agnostic"], partial(best_of_two, network), network)


def best_of_two(network: nn.Module, scene: EvaluationMixture) -> np.ndarray:
    """Return the estimate or the residual of a network without a query, whichever is better.

    The truth chooses: this is what it would reach if someone picked the right one every time.
    """
    mixture, target = scene.truth.mixture, scene.truth.target
    estimate = separate_batch(network, torch.from_numpy(mixture[None]), None)[0].numpy()
    return best_of(np.stack([estimate, mixture - estimate]), target)


def _oracle(mask: Callable, bands: bool, scene: EvaluationMixture) -> np.ndarray:
    stft, truth = Stft.at(SAMPLE_RATE), scene.truth
    target, interference = (
        stft(torch.from_numpy(x[None])) for x in (truth.target, truth.interference)
    )
    values = (_in_bands(mask) if bands else mask)(target, interference)
    return stft.inverse(values * (target + interference), len(truth.mixture))[0].numpy()


def _psm(target: torch.Tensor, interference: torch.Tensor) -> torch.Tensor:
    return phase_sensitive_mask(target, target + interference)


def _in_bands(mask: Callable) -> Callable:
    """Return a mask with one value for each band and frame, interpolated to bins."""

    def banded(target: torch.Tensor, interference: torch.Tensor) -> torch.Tensor:
        n_fft = 2 * (target.shape[-2] - 1)
        if mask is _psm:  # bands have no phase: the band's least-squares factor
            mixture = target + interference
            weights = band_matrix(N_BANDS, n_fft, SAMPLE_RATE)
            shared = weights @ (target * mixture.conj()).real
            values = (shared / (weights @ mixture.abs().square()).clamp_min(1e-20)).clamp(0, 1)
        else:
            powers = (to_bands(x.abs(), N_BANDS, SAMPLE_RATE) for x in (target, interference))
            values = mask(*powers)
        return to_bins(values, n_fft, SAMPLE_RATE)

    return banded
