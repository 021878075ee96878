"""The reports on speed and on other libraries' networks, from tables made by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from textsep_lab import load_separator
from textsep_lab.evaluation import (
    external_report,
    hostile_cases,
    robustness,
    robustness_report,
    speed_report,
)
from textsep_lab.evaluation.external_models import ExternalModel

COST = {"parameters": 12345, "median_ms": 1234.5, "low_ms": 1200.0, "high_ms": 1300.0,
        "peak_mb": 456.0, "after_import_mb": 300.0}  # fmt: skip


@pytest.fixture
def times():
    rows = [
        {"configuration": name, "dtype": "float32", "seconds": seconds,
         "runs": 3, "median_ms": cost * seconds, "low_ms": 19.0, "high_ms": 21.0,
         "real_time_factor": 0.02, "note": ""}
        for name, cost in (("compact", 10.0), ("reference", 20.0))
        for seconds in (1, 5)
    ]  # fmt: skip
    skipped = {"runs": 0, "median_ms": np.nan, "real_time_factor": np.nan, "note": "left out: slow"}
    table = pd.DataFrame([*rows, {**rows[-1], **skipped, "seconds": 600}])
    table.attrs["native_bfloat16"] = False
    return table


def test_speed_says_what_it_left_out(times, network, monkeypatch, tmp_path):
    first = pd.DataFrame({"step": ["total"], "median_ms": [2e3], "low_ms": [1e3], "high_ms": [3e3]})
    ours = SimpleNamespace(network=network)
    monkeypatch.setattr(speed_report, "load_separator", lambda _checkpoint: ours)
    monkeypatch.setattr(speed_report, "sweep", lambda _separator, **_asked: times)
    monkeypatch.setattr(speed_report, "cold_start", lambda checkpoint: first)
    spread = {"median_ms": [100.0, 150.0], "low_ms": [90.0, 140.0], "high_ms": [110.0, 160.0]}
    busy = pd.DataFrame({"cores": ["idle", "busy"], **spread})
    monkeypatch.setattr(speed_report, "busy_ratio", lambda _separator: busy)
    long = pd.DataFrame({"minutes": [60.0, 60.0], "window_s": [np.nan, 2.0], "seconds": [200, 9],
                         "real_time_factor": [0.05, 4.5], "peak_mb": [512.3, 500]})  # fmt: skip
    monkeypatch.setattr(speed_report, "long_recordings", lambda _cases, _checkpoint: long)
    files = {path.name for path in speed_report.run().write(tmp_path)}
    assert files == {
        "speed.md", "speed.csv", "cold_start.csv", "long_recordings.csv", "busy.csv", "speed.png"
    }  # fmt: skip
    text = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "| reference | float32 | 20 ms | 100 ms | - |" in text  # 600 s left out
    assert "| compact | float32 | 10 ms | 50 ms | - |" in text
    assert "no bfloat16 of its own" in text and torch.backends.cpu.get_cpu_capability() in text
    assert "`compact` 50 ms in float32." in text
    assert "100 times as fast as the clip" in text and "2.0 times as fast as `ref" in text
    assert "2,000 ms [1,000, 3,000]" in text and "busy: 1.50 times as long." in text
    assert "| 60 min | all | 200.0 s | 0.050 | 512 MB |" in text
    assert "| 60 min | 2 s | 9.0 s | - | 500 MB |" in text


@pytest.fixture
def peers(monkeypatch):
    known = {
        "there": ExternalModel("there", "There", lambda: None, told=True),
        "gone": ExternalModel("gone", "Gone", None, "It cannot be imported."),
    }
    monkeypatch.setattr(external_report, "ROWS", known)
    monkeypatch.setattr(external_report, "find", known.__getitem__)
    monkeypatch.setattr(external_report, "measure", lambda _model: COST)


def test_without_a_data_set_nothing_is_measured(peers, trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        external_report.run(tmp_path / "nowhere", (4,), minutes=2, out=tmp_path)
    assert not trained and not (tmp_path / "peers.csv").exists()


def test_models_that_are_missing_say_why(peers, tmp_path):
    files = {path.name for path in external_report.run().write(tmp_path)}
    assert files == {"peers.md", "peers.csv"}
    text = (tmp_path / "peers.md").read_text(encoding="utf-8")
    assert "| Gone | - | - | - | best of two | - | - | It cannot be imported. |" in text
    there = "| There | 12,345 | 1,234 ms [1,200, 1,300] | 456 MB | the query | - | - |  |"
    assert there in text


@pytest.fixture
def trained(monkeypatch):
    """What training was asked for; "There" reaches 1.5 dB."""
    asked = []

    def train(name, settings):
        asked.append((name, settings.minutes, settings.train_folds, settings.val_mixtures))
        return {"val_si_sdri_db": 1.5, "val_low_db": 1.0, "val_high_db": 2.0, "steps": 20,
                "batch_size": 8, "seconds_trained": 120.0}  # fmt: skip

    monkeypatch.setattr(external_report, "train_apart", train)
    return asked


def test_models_are_trained_for_the_same_time_on_the_other_folds(peers, trained, dataset, tmp_path):
    report = external_report.run(dataset, (4,), minutes=2, limit=7)
    assert trained == [("there", 2, (1, 2, 3), 7)]
    assert "| 1.50 [1.00, 2.00] dB | 20 steps of 8 in 2.0 min |" in report.text
    assert "2 minutes" in report.text and "--minutes 2 --limit 7`" in report.text
    assert (tmp_path / "peers.png") in report.write(tmp_path)


def test_a_killed_benchmark_goes_on_where_it_was(peers, trained, dataset, monkeypatch, tmp_path):
    def die(_name):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(external_report, "ROWS", {"there": None, "then": None})
        known = {"there": external_report.find("there")}
        patch.setattr(external_report, "find", lambda name: known.get(name) or die(name))
        with pytest.raises(KeyboardInterrupt):
            external_report.run(dataset, (4,), minutes=2, out=tmp_path)
    first = external_report.run(dataset, (4,), minutes=2, out=tmp_path)
    assert len(trained) == 1 and "1.50 [1.00, 2.00] dB" in first.text  # kept, not trained again
    first.write(tmp_path)
    assert external_report.run(dataset, (4,), minutes=2, out=tmp_path).text == first.text
    for changed in ({"minutes": 3}, {"minutes": 2, "limit": 9}):
        external_report.run(dataset, (4,), out=tmp_path, **changed)
    assert len(trained) == 3


def test_a_training_that_fails_is_a_row_that_says_so(peers, dataset, monkeypatch, tmp_path):
    def fail(_name, _settings):
        raise RuntimeError("Training was killed.")

    monkeypatch.setattr(external_report, "train_apart", fail)
    for _ in range(2):  # and is tried again
        text = external_report.run(dataset, (4,), minutes=2, out=tmp_path).text
        assert "456 MB | the query | - | - | Training was killed. |" in text


@pytest.mark.parametrize(("asked", "said"), [((0, None), "minutes is 0"), ((1, 0), "limit is 0")])
def test_a_budget_of_nothing_is_refused(peers, asked, said):
    with pytest.raises(ValueError, match=said):
        external_report.run("anywhere", (4,), *asked)


def test_robustness_counts_what_is_right_refused_and_wrong(monkeypatch, tmp_path):
    kinds = list(hostile_cases.KINDS)
    rows = [(kinds[0], "a", "right", ""), (kinds[0], "b", "wrong", "1 != 2"),
            (kinds[1], "c", "sentence", "No.")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["kind", "name", "outcome", "said"])
    monkeypatch.setattr(robustness_report, "load_separator", lambda _checkpoint: None)
    monkeypatch.setattr(robustness_report, "robustness", lambda *_: table)
    files = {path.name for path in robustness_report.run().write(tmp_path)}
    assert files == {"robustness.md", "robustness.csv"}
    text = (tmp_path / "robustness.md").read_text(encoding="utf-8")
    assert f"| {kinds[0]} | 2 | 1 | 0 | 1 |" in text
    assert f"| {kinds[1]} | 1 | 0 | 1 | 0 |" in text
    assert f"- {kinds[0]}: b: 1 != 2" in text


def test_a_case_is_right_a_sentence_or_wrong():
    def fail(error):
        raise error

    outcomes = {
        lambda: True: "right", lambda: False: "wrong",
        lambda: fail(ValueError("It is 5: give 4.")): "sentence",
        lambda: fail(ValueError("two\nlines.")): "wrong", lambda: fail(KeyError("x")): "wrong",
        lambda: fail(OSError("no stop")): "wrong",
    }  # fmt: skip
    for call, outcome in outcomes.items():
        case = hostile_cases.Case("kind", "name", call, refusable=True)
        assert robustness.try_case(case)["outcome"] == outcome
    strict = hostile_cases.Case("kind", "name", lambda: fail(ValueError("It is 5: give 4.")))
    assert robustness.try_case(strict)["outcome"] == "wrong"


def test_nothing_is_wrong_with_a_few_hostile_cases():
    rows = robustness.robustness(load_separator(), count=3, seed=1)
    assert len(rows) == 3 * len(hostile_cases.KINDS)
    assert rows[rows["outcome"] == "wrong"].to_dict("records") == []


def test_a_saver_that_never_saved_is_no_run_that_was_killed(tmp_path, monkeypatch):
    make = hostile_cases.KINDS["runs that are killed"]
    assert make(None, np.random.default_rng(0), tmp_path / "a", "kind").call()
    monkeypatch.setattr(hostile_cases, "SAVER", "raise SystemExit('it died at once')")
    assert not make(None, np.random.default_rng(0), tmp_path / "b", "kind").call()
