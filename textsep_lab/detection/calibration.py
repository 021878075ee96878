"""From similarities to probabilities that mean what they say.

A logistic curve (Platt scaling) for each question that is asked of a joint encoder, fitted by
`evaluation.detection` and kept beside the encoder's weights. Taught in notebook 07.

Reference:
    Platt (1999), Probabilistic outputs for support vector machines.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta
from scipy.special import expit

from textsep_lab.encoders.base import JointEncoder
from textsep_lab.utils import paths
from textsep_lab.utils.validation import checked, read_json

FORMAT = "textsep_lab-calibration-1"
Weight = Annotated[float, Meta(ge=-1e6, le=1e6)]
#: How many features each curve takes, see `similarity.Similarities` and `detector.Detector`.
FEATURES = {"detection": 2, "presence": 2, "activity": 2, "confidence": 3}


@dataclass(frozen=True)
class Logistic:
    """Probability ``1 / (1 + exp(-(features @ weights + bias)))``.

    Example:
        >>> curve = Logistic.fit(np.array([[0.0], [0.4], [0.6], [1.0]]), np.array([0, 0, 1, 1]))
        >>> low, high = curve(np.array([[0.0], [1.0]]))
        >>> bool(low < 0.5 < high)
        True
    """

    weights: tuple[Weight, ...]
    bias: Weight

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities ``[…]`` of features ``[…, len(weights)]``."""
        return expit(np.asarray(features, np.float64) @ np.array(self.weights) + self.bias)

    @classmethod
    def fit(cls, features: np.ndarray, truth: np.ndarray) -> Logistic:
        """Fit to features ``[n, k]`` and truth ``[n]``; the base rate in `truth` is learnt too."""
        # Here, as only fitting needs it: whoever uses a curve need not wait for it.
        from sklearn.linear_model import LogisticRegression

        spread = features.std(0)  # so that the penalty treats all alike
        spread = np.where(spread > 1e-9, spread, 1.0)  # a constant feature tells nothing
        model = LogisticRegression(C=100.0, max_iter=1000).fit(features / spread, truth)
        return cls(tuple((model.coef_[0] / spread).tolist()), float(model.intercept_[0]))


@dataclass(frozen=True)
class Calibration:
    """The curves of one joint encoder.

    Args:
        encoder: its name.
        weights_sha256: of its weights, so that a curve never serves others; None if unknown.
        detection: P(a label of a list is in the recording) from `similarity.Similarities.features`.
        presence: P(the queried sound is there), as many queries naming something as not.
        activity: P(it is active in a frame), given that it is there, from
            `similarity.Similarities.frame_features`.
        confidence: `presence` with the log of the separator's energy share as one more feature.
        separator_sha256: of the separator that `confidence` was fitted to.
        protocol: on what the curves were fitted.
    """

    encoder: str
    weights_sha256: str | None
    detection: Logistic
    presence: Logistic
    activity: Logistic
    confidence: Logistic | None
    separator_sha256: str | None
    protocol: str

    def save(self, path: str | Path) -> Path:
        """Write as JSON."""
        with paths.atomic_write(path) as temporary:
            text = json.dumps({"format": FORMAT, **asdict(self)}, indent=2)
            temporary.write_text(text + "\n", encoding="utf-8")
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a calibration.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no calibration '{path}': make one with "
                "`textsep evaluate detection --calibrate`."
            )
        problem = f"is not a calibration of this kit ({FORMAT})"
        fields = read_json(path, problem=problem)
        if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
            raise ValueError(f"'{path}' {problem}.")
        found = checked(cls, fields, path, problem, defaults=False)
        for name, count in FEATURES.items():
            curve = getattr(found, name)
            if curve is not None and len(curve.weights) != count:
                raise ValueError(f"'{path}' {problem}: {name} needs {count} weights.")
        return found


def load_calibration(encoder: JointEncoder, path: str | Path | None = None) -> Calibration:
    """Return the calibration of an encoder: the file `path`, or the one shipped for it.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not a calibration, or that of another encoder or other weights.
    """
    path = paths.checkpoints_dir() / encoder.name / "calibration.json" if path is None else path
    found = Calibration.load(path)
    weights = getattr(encoder, "weights_sha256", None)
    if (found.encoder, found.weights_sha256) != (encoder.name, weights):
        raise ValueError(f"'{path}' was made for {found.encoder} with other weights: make it anew.")
    return found
