"""The reports on speed and on other libraries' networks, from tables made by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from textsep_lab.benchmark import peers_report, speed_report
from textsep_lab.benchmark.peers import Peer

COST = {"parameters": 12345, "median_ms": 1234.5, "low_ms": 1200.0, "high_ms": 1300.0,
        "peak_mb": 456.0, "after_import_mb": 300.0}  # fmt: skip


@pytest.fixture
def times():
    rows = [
        {"configuration": name, "dtype": "float32", "threads": threads, "seconds": seconds,
         "runs": 3, "median_ms": 20.0 * seconds, "low_ms": 19.0, "high_ms": 21.0,
         "real_time_factor": 0.02, "note": ""}
        for name in ("compact", "reference") for threads in (1, 2) for seconds in (1, 5)
    ]  # fmt: skip
    skipped = {"runs": 0, "median_ms": np.nan, "real_time_factor": np.nan, "note": "left out: slow"}
    table = pd.DataFrame([*rows, {**rows[-1], **skipped, "seconds": 600}])
    table.attrs["native_bfloat16"] = False
    return table


def test_speed_says_what_it_left_out(times, network, monkeypatch, tmp_path):
    first = pd.DataFrame({"step": ["total"], "median_ms": [2e3], "low_ms": [1e3], "high_ms": [3e3]})
    ours = SimpleNamespace(network=network)
    monkeypatch.setattr(speed_report, "load_separator", lambda _checkpoint: ours)
    monkeypatch.setattr(speed_report, "sweep", lambda _separator, configurations: times)
    monkeypatch.setattr(speed_report, "cold_start", lambda checkpoint: first)
    files = {path.name for path in speed_report.run().write(tmp_path)}
    assert files == {"speed.md", "speed.csv", "cold_start.csv", "speed.png"}
    text = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "| - | - | left out: slow |" in text and "no bfloat16 of its own" in text
    assert "2,000 ms [1,000, 3,000]" in text


@pytest.fixture
def peers(monkeypatch):
    known = {
        "there": Peer("there", "There", lambda: None),
        "gone": Peer("gone", "Gone", None, "It cannot be imported."),
    }
    monkeypatch.setattr(peers_report, "ROWS", known)
    monkeypatch.setattr(peers_report, "find", known.__getitem__)
    monkeypatch.setattr(peers_report, "measure", lambda _peer: COST)


def test_peers_that_are_missing_say_why(peers, tmp_path):
    peers_report.run().write(tmp_path)
    text = (tmp_path / "peers.md").read_text(encoding="utf-8")
    assert "| Gone | - | - | - | - | It cannot be imported. |" in text
    assert "| There | 12,345 | 1,234 ms [1,200, 1,300] | 456 MB | not trained |  |" in text


def test_peers_are_trained_for_the_same_time_on_the_other_folds(peers, monkeypatch):
    asked = []

    def train(name, settings, _folder):
        asked.append((name, settings.minutes, settings.train_folds, settings.val_folds))
        return {"val_si_sdri_db": 1.5, "steps": 20, "seconds": 60.0}

    monkeypatch.setattr(peers_report, "train", train)
    report = peers_report.run("anywhere", (4,), minutes=2)
    assert asked == [("there", 2, (1, 2, 3), (4,))]
    assert "1.50 dB after 20 steps" in report.text and "2 minutes" in report.text


def test_a_budget_of_nothing_is_refused(peers):
    with pytest.raises(ValueError, match="minutes is 0"):
        peers_report.run("anywhere", (4,), minutes=0)
