"""Baselines and oracles: floor at zero, oracles on top, nothing in between that flatters."""

import json
from pathlib import Path

import numpy as np
import pytest

from textsep_lab.data import manifests
from textsep_lab.evaluation import scores, speed, systems
from textsep_lab.evaluation import separation_report as bench
from textsep_lab.evaluation.mixture_list import load_mixture_list
from textsep_lab.models import checkpoints
from textsep_lab.models.config import UNetConfig
from textsep_lab.models.registry import build
from textsep_lab.separation.separator import Separator
from textsep_lab.signal import metrics

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def scenes(dataset):
    return load_mixture_list(dataset, folds=(1, 2), limit=8)


@pytest.fixture(scope="module")
def separator(make_network, fake_encoder, detector):
    return Separator(make_network(), fake_encoder, detector=detector)


@pytest.fixture(scope="module")
def rungs(separator, dataset):
    makers = systems.baselines_and_oracles(separator, dataset, bases_folds=(3, 4))
    slow = {"nmf", "nmf-classes"}
    return {name: make() for name, make in makers.items() if name not in slow}


@pytest.fixture(scope="module")
def rows(rungs, scenes):
    return scores.measure({s.title: s.estimate for s in rungs.values() if s.estimate}, scenes)


def test_the_systems_are_in_order(rows):
    means = scores.summary(rows).set_index("system")["si_sdri_db"]
    assert means["mixture (floor)"] == 0
    for where in ("bins", "64 bands"):
        irm, wiener, psm = (
            means[f"oracle {m}, {where}"] for m in ("IRM", "Wiener", "truncated PSM")
        )
        assert psm > wiener > irm > 3
    for mask in ("IRM", "Wiener", "truncated PSM"):
        assert means[f"oracle {mask}, bins"] > means[f"oracle {mask}, 64 bands"]
    assert means["ours"] < means["oracle IRM, 64 bands"]  # random weights


def test_every_system_meets_every_mixture_once(rows):
    counts = rows.groupby("system")["mixture"].agg(["count", "nunique"])
    assert (counts == 8).all(axis=None)


def test_a_reference_says_how_long_it_was_trained(separator, dataset, tmp_path):
    config = UNetConfig(
        name="reference", channels=(4, 8), n_bands=None, n_fft=64, hop_length=16, text_dim=384
    )
    info = {"encoder": {"name": "minilm-l6-int8"}, "step": 1200}
    info["settings"] = {"batch_size": 4, "seconds": 0.512}
    path = checkpoints.save(tmp_path / "best.safetensors", build(config), info)
    row = systems.baselines_and_oracles(separator, dataset, weights={"reference": path})[
        "reference"
    ]()
    assert row.title == "reference UNet, 1,200 steps of 4 × 0.5 s" and row.estimate is not None


def test_the_perfect_time_gate_takes_nothing_from_the_target(rungs, scenes):
    for scene in scenes:
        estimate, truth = rungs["gate"].estimate(scene), scene.truth
        kept = estimate != 0
        assert np.array_equal(estimate[kept], truth.mixture[kept])
        lost = np.square(truth.target[~kept], dtype=np.float64).sum()
        assert lost <= 1e-3 * np.square(truth.target, dtype=np.float64).sum()


def test_the_supervised_nmf_is_told_the_classes(separator, dataset, scenes):
    system = systems.baselines_and_oracles(separator, dataset, bases_folds=(3,))["nmf-classes"]()
    scene = scenes[0]
    assert system.estimate(scene).shape == scene.truth.target.shape


def test_what_cannot_be_run_says_so(separator, dataset, monkeypatch, tmp_path):
    monkeypatch.setattr(systems, "checkpoints_dir", lambda: tmp_path)
    for name, command in systems.TRAINED.items():
        system = systems.baselines_and_oracles(separator, dataset)[name]()
        assert system.estimate is None and command in system.missing


def test_best_of_two_is_never_worse_than_the_estimate(make_network, scenes):
    network = make_network(text_dim=None)
    for scene in list(scenes)[:3]:
        best = systems.best_of_two(network, scene)
        other = scene.truth.mixture - best
        target = scene.truth.target
        assert metrics.si_sdr(best, target) >= metrics.si_sdr(other, target)


def test_scenes_name_their_sources(scenes):
    for scene in scenes:
        assert scene.recipe.label == scene.labels[0] != scene.labels[1]
        assert scenes.other_label(scene) not in scene.labels
        assert scenes.other_label(scene) == scenes.other_label(scene)


def test_levels_and_crowds_are_what_they_say(scenes):
    for scene in scenes.at_snr(-10.0):
        assert metrics.snr(scene.truth.mixture, scene.truth.target) == pytest.approx(-10, abs=0.01)
    for grown, before in zip(scenes.with_sources(4), scenes, strict=True):
        assert len(set(grown.labels)) == 4 and grown.labels[:2] == before.labels
    with pytest.raises(ValueError, match="Too few classes"):
        scenes.with_sources(7)


def test_undefined_mixtures_are_counted_and_left_out(rows):
    holed = rows.copy()
    holed.loc[holed["mixture"] == 0, ["si_sdri_db", "sdri_db"]] = np.nan
    table = scores.summary(holed)
    assert (table["undefined"] == 1).all() and table["si_sdri_db"].notna().all()


def test_intervals_hold_their_means(rows):
    table = scores.summary(rows)
    for column in ("si_sdri_db", "sdri_db"):
        assert (table[f"{column}_low"] <= table[column]).all()
        assert (table[column] <= table[f"{column}_high"]).all()


@pytest.fixture(scope="module")
def full_report(dataset, separator):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "load_separator", lambda _checkpoint: separator)
        patch.setattr(bench, "baselines_and_oracles", _quick_baselines)
        patch.setattr(bench, "costs", lambda *_: COSTS)
        return bench.run(dataset, folds=(1, 2), limit=6)


COSTS = speed.pd.DataFrame(
    {"system": ["ours", "reference"], "median_ms": [10.0, 30.0], "low_ms": [9.0, 29.0],
     "high_ms": [11.0, 31.0], "ratio": [3.0, 1.0], "parameters": [1, 2],
     "gmacs_per_second": [0.5, 1.5], "peak_mb": [400.0, np.nan]}
)  # fmt: skip


def _quick_baselines(separator, root, weights=None):
    makers = systems.baselines_and_oracles(separator, root, weights=weights)
    return {name: makers[name] for name in ("mixture", "reference", "ours", "irm")}


def test_files_and_their_hash(full_report, tmp_path):
    files = {path.name: path for path in full_report.write(tmp_path)}
    facts = json.loads(files["manifest.json"].read_text())
    assert facts["mixtures"] == 6 and len(manifests.read_manifest(files["manifest.csv"])) == 6
    again = {path.name: path for path in full_report.write(tmp_path / "again")}
    assert json.loads(again["manifest.json"].read_text()) == facts
    assert {"summary.csv", "snr.csv", "sources.csv", "queries.csv", "absent.csv", "timed.csv",
            "confusable.csv", "costs.csv", "baselines_and_oracles.png"} <= set(files)  # fmt: skip
    assert "not run" in files["separation.md"].read_text(encoding="utf-8")
    assert "{" not in files["separation.md"].read_text(encoding="utf-8")


def test_chosen_systems_are_the_only_ones(dataset, separator, monkeypatch):
    monkeypatch.setattr(bench, "load_separator", lambda _checkpoint: separator)
    report = bench.run(dataset, (1, 2), systems=("irm", "mixture"), limit=2)
    assert report.tables["summary"]["system"].tolist() == ["oracle IRM, bins", "mixture (floor)"]
    assert "What it costs" not in report.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "at least one"),
        ({"systems": ("ourz",)}, "no system 'ourz'"),
        ({"weights": {"theirs": "x"}}, "no system 'theirs'"),
    ],
)
def test_senseless_requests_are_refused(dataset, separator, monkeypatch, options, message):
    monkeypatch.setattr(bench, "load_separator", lambda _checkpoint: separator)
    with pytest.raises(ValueError, match=message):
        bench.run(dataset, (1,), **options)


def test_the_readme_shows_the_reports_table():
    text = (ROOT / "reports" / "separation" / "separation.md").read_text(encoding="utf-8")
    table = text.partition("left out of the means.\n\n")[2].partition("\n\n")[0]
    assert table.count("\n") > 8
    assert table in (ROOT / "README.md").read_text(encoding="utf-8")
