"""The benchmark's ladder: floor at zero, oracles on top, nothing in between that flatters."""

import json

import numpy as np
import pandas as pd
import pytest

from textsep_lab import benchmark
from textsep_lab.film_unet import build
from textsep_lab.separation import Separator


@pytest.fixture(scope="module")
def report(dataset, fake_encoder):
    separator = Separator(build("compact", fake_encoder.dim), fake_encoder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark, "load_separator", lambda _checkpoint: separator)
        patch.setattr(benchmark, "latency", lambda _separator: TIMES)
        return benchmark.run(dataset, folds=(1, 2), limit=8)


TIMES = pd.DataFrame(
    {"system": ["ours", "reference"], "parameters": [1, 2], "median_ms": [10.0, 30.0],
     "low_ms": [9.0, 29.0], "high_ms": [11.0, 31.0]}
)  # fmt: skip


def test_the_ladder_is_in_order(report):
    means = benchmark.summary(report).set_index("system")["si_sdri_db"]
    assert means["mixture (floor)"] == 0
    assert means["oracle PSM, bins"] > means["oracle Wiener, bins"] > means["oracle IRM, bins"] > 3
    assert means["oracle Wiener, bins"] > means["oracle Wiener, 64 bands"]
    assert means[benchmark.OURS] < means["oracle IRM, 64 bands"]  # an untrained network


def test_every_system_meets_every_mixture_once(report):
    counts = report.groupby("system")["mixture"].agg(["count", "nunique"])
    assert (counts == 8).all(axis=None)


def test_intervals_hold_their_means(report):
    table = benchmark.summary(report)
    for column in ("si_sdri_db", "sdri_db"):
        assert (table[f"{column}_low"] <= table[column]).all()
        assert (table[column] <= table[f"{column}_high"]).all()


def test_undefined_mixtures_are_counted_and_left_out(report):
    holed = report.copy()
    holed.attrs = report.attrs
    holed.loc[holed["mixture"] == 0, ["si_sdri_db", "sdri_db"]] = np.nan
    assert (benchmark.summary(holed)["undefined"] == 1).all()
    assert "1 undefined" in benchmark.table(holed)


def test_files_and_their_hash(report, tmp_path):
    files = {path.name: path for path in benchmark.write(report, tmp_path)}
    digest = json.loads(files["manifest.json"].read_text())["manifest_sha256"]
    again = {path.name: path for path in benchmark.write(report, tmp_path / "again")}
    assert json.loads(again["manifest.json"].read_text())["manifest_sha256"] == digest
    assert files["summary.md"].read_text(encoding="utf-8") == benchmark.table(report) + "\n"


def test_latency_takes_turns(fake_encoder, monkeypatch):
    monkeypatch.setattr(benchmark, "build", lambda _name, dim: build("compact", dim))
    separator = Separator(build("compact", fake_encoder.dim), fake_encoder)
    times = benchmark.latency(separator, runs=2)
    assert times["system"].tolist() == ["ours", "reference"]
    assert (times["low_ms"] <= times["high_ms"]).all()


def test_a_limit_below_one_is_refused(dataset):
    with pytest.raises(ValueError, match="at least one"):
        benchmark.run(dataset, limit=0)
