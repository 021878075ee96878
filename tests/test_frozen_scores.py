"""The shipped weights on a fixed set of synthetic mixtures: a regression shows as a changed score.

After a change that is meant to change them, `python tests/test_frozen_scores.py` writes them anew.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

from textsep_lab.data.sounds import write_dataset
from textsep_lab.evaluation import systems
from textsep_lab.evaluation.mixture_list import load_mixture_list
from textsep_lab.evaluation.scores import measure, summary
from textsep_lab.separation.separator import load_separator

FROZEN = Path(__file__).with_name("frozen_scores.json")
LABELS = ["car_horn", "cat", "chirping_birds", "church_bells", "clock_tick", "cow", "crickets",
          "dog", "engine", "rain", "siren", "thunderstorm"]  # fmt: skip
NAMES = ("mixture", "gate", "nmf", "ours", "wiener-bands", "psm")


def measured(folder: Path) -> dict[str, float]:
    """Return the mean SI-SDRi in dB of each system on one mixture for each label."""
    root = write_dataset(folder / "sounds", clips_per_label=1, seed=2026, labels=LABELS)
    makers = systems.baselines_and_oracles(load_separator(), root)
    made = [makers[name]() for name in NAMES]
    rows = measure({s.title: s.estimate for s in made}, load_mixture_list(root, folds=(1,)))
    return dict(zip(NAMES, summary(rows)["si_sdri_db"].tolist(), strict=True))


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    return measured(tmp_path_factory.mktemp("frozen"))


@pytest.mark.parametrize("name", NAMES)
def test_a_score_is_what_it_was(scores, name):
    assert scores[name] == pytest.approx(json.loads(FROZEN.read_text())[name], abs=0.1)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        values = {k: float(np.round(v, 3)) for k, v in measured(Path(temporary)).items()}
    FROZEN.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
