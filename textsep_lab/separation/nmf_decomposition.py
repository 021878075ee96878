"""Non-negative matrix factorisation of a magnitude spectrogram, which knows nothing of queries.

Taught in notebook 04.

References:
    Lee and Seung (2001), Algorithms for non-negative matrix factorization, NIPS 13.
    Févotte and Idier (2011), Algorithms for nonnegative matrix factorization with the
    β-divergence, Neural Computation 23(9).
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from textsep_lab.models.masking import CHUNK_FRAMES
from textsep_lab.utils.progress import progress

ITERATIONS = 100


@dataclass(frozen=True)
class Decomposition:
    """A magnitude spectrogram as a sum of components, ``bases @ activations``.

    Args:
        bases: a spectrum a component, ``[freq, k]``; each sums to one, or is all zero.
        activations: how loud it is when, ``[k, time]``, in units of the spectrogram.
    """

    bases: np.ndarray
    activations: np.ndarray

    def mask(self, weights: np.ndarray) -> np.ndarray:
        """Return the weighted part of the model over the whole model, ``[freq, time]`` in [0, 1].

        Where the model is zero, all components have equal shares.

        Args:
            weights: of each component, ``[k]`` in [0, 1]; all one is a mask of ones.
        """
        weights = np.asarray(weights, self.bases.dtype)
        whole, part = self.bases @ self.activations, self.bases * weights @ self.activations
        sounding = whole > np.finfo(whole.dtype).tiny
        shares = np.divide(part, whole, out=np.full_like(whole, weights.mean()), where=sounding)
        return shares.clip(0, 1)

    def component_masks(self) -> np.ndarray:
        """Return the share of each component, ``[k, freq, time]``; they sum to one everywhere."""
        return np.stack([self.mask(one) for one in np.eye(len(self.activations))])


def decompose(
    magnitude: np.ndarray, components: int = 8, seed: int = 0, iterations: int = ITERATIONS
) -> Decomposition:
    """Take a spectrogram V apart by the multiplicative updates of the Kullback-Leibler divergence.

    ``W ← W ∘ (V / WH) Hᵀ / 1Hᵀ``, then ``H ← H ∘ Wᵀ (V / WH) / Wᵀ1`` (Lee and Seung 2001, eq. 5),
    under which ``Σ V log(V / WH) - V + WH`` never rises. A bar shows the time left after 2 s.

    Args:
        magnitude: ``[freq, time]``, not negative.
        components: how many, at most as many as bins or frames.
        seed: of the random start.
        iterations: of both updates.

    Raises:
        ValueError: a magnitude that is none, or a number of components that cannot be.

    Example:
        >>> bases, activations = np.eye(6)[:, :2], np.random.default_rng(0).random((2, 9))
        >>> parts = decompose(bases @ activations, components=2)
        >>> bool(np.allclose(parts.bases @ parts.activations, bases @ activations, atol=1e-3))
        True
    """
    scaled, scale = _scaled(magnitude)
    (freq, time), dtype = scaled.shape, scaled.dtype
    _check_count("components", components)
    _check_count("iterations", iterations)
    if components > min(freq, time):
        raise ValueError(
            f"{freq} bins and {time} frames cannot carry {components} components: "
            f"give at most {min(freq, time)} components or a longer recording."
        )
    rng = np.random.default_rng(seed)
    # In (0, 1]: the updates only multiply, so that what starts at zero stays there.
    bases = (1 - rng.random((freq, components))).astype(dtype)
    activations = (1 - rng.random((components, time))).astype(dtype)
    blocks = range(0, iterations if scale else 0, 10)  # a call a block, for the bar
    for start in progress(blocks, "decomposing", "block"):
        count = min(10, iterations - start)
        bases, activations = _update(scaled, bases, activations, count)
    total = bases.sum(0)
    bases = bases / np.where(total > 0, total, 1)
    return Decomposition(bases, activations * total[:, None] * scale)


def fit_activations(
    magnitude: np.ndarray, bases: np.ndarray, iterations: int = ITERATIONS
) -> Decomposition:
    """Explain a spectrogram by given bases: the updates of `decompose` for the activations alone.

    Args:
        magnitude: ``[freq, time]``, not negative.
        bases: ``[freq, k]``, each summing to one.

    Example:
        >>> parts = fit_activations(np.array([[3.0], [4.0]]), np.eye(2))
        >>> parts.activations.round(3).tolist()
        [[3.0], [4.0]]
    """
    _check_count("iterations", iterations)
    scaled, scale = _scaled(magnitude)
    bases = np.asarray(bases, scaled.dtype)
    # Frames do not depend on each other: chunks give the same result in less memory.
    starts = range(0, scaled.shape[1], CHUNK_FRAMES)
    activations = [
        _update(scaled[:, start : start + CHUNK_FRAMES].T, None, bases.T, iterations)[0].T
        for start in progress(starts, "fitting", "chunk")
    ]
    return Decomposition(bases, np.concatenate(activations, 1) * scale)


def _update(
    v: np.ndarray, w: np.ndarray | None, h: np.ndarray, iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Update both factors of ``v ≈ wh``, or w alone, from a constant start, where it is None."""
    # Here, as separating with the network need not wait for it.
    from sklearn.decomposition import non_negative_factorization

    w, h, _ = non_negative_factorization(
        v, w, h, n_components=len(h), init="custom", update_H=w is not None, solver="mu",
        beta_loss="kullback-leibler", max_iter=iterations, tol=0,
    )  # fmt: skip  # tol=0: exactly so many iterations, and no warning that they were few
    return w, h


def _scaled(magnitude: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a spectrogram of mean 1 (sklearn has absolute floors) and its scale; 0 is silence."""
    magnitude = np.asarray(magnitude)
    if magnitude.ndim != 2 or not magnitude.size:
        raise ValueError(f"The magnitude has shape {magnitude.shape}: give [freq, time].")
    real = magnitude.dtype.kind in "fiub" and np.isfinite(magnitude).all()
    if not (real and (magnitude >= 0).all()):
        raise ValueError("The magnitude must be finite and not negative: give abs(spectrogram).")
    magnitude = magnitude.astype(np.result_type(magnitude, np.float32))
    scale = float(magnitude.mean(dtype=np.float64))
    if scale < np.finfo(np.float32).tiny:
        return np.zeros_like(magnitude), 0.0
    return magnitude / scale, scale


def _check_count(name: str, value: int) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"The number of {name} must be a whole number from 1 up, not {value!r}.")
