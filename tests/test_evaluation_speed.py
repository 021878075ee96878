"""What a system costs: counted by hand, timed by a clock of the test's own, imported with care."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from textsep_lab.evaluation import cold_start, speed
from textsep_lab.evaluation.long_recordings import long_recordings
from textsep_lab.models.config import UNetConfig
from textsep_lab.separation.separator import Separator

MEMORY_IS_TOLD = importlib.util.find_spec("resource") is not None  # not by Windows


class Known(nn.Module):
    """One layer of each kind that is to be counted; its mask is of no use."""

    stride, context_frames = 1, 0
    config = UNetConfig(n_bands=16, text_dim=8)

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 5)
        self.flat = nn.Conv1d(16, 6, 3, padding=1)
        self.square = nn.Conv2d(1, 4, (3, 5), padding=(1, 2), bias=False)
        self.up = nn.ConvTranspose2d(4, 2, 2, stride=2)

    def forward(self, magnitude, query):
        self.frames = magnitude.shape[-1]
        self.linear(query), self.flat(magnitude), self.up(self.square(magnitude[:, None]))
        return torch.sigmoid(magnitude)


class Clock:
    """Goes on only when told to; stands in for the module `time`."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(speed, "time", clock)
    return clock


@pytest.fixture
def separator(fake_encoder, detector, make_network, monkeypatch):
    """A tiny separator; every other configuration is a tiny network, too."""
    monkeypatch.setattr(speed, "MAX_RUNS", 2)
    monkeypatch.setattr(speed, "build", lambda _name, dim: make_network(1, text_dim=dim))
    return Separator(make_network(), fake_encoder, detector=detector)


def sleeper(clock, name, seconds, met):
    """Return a system that takes its next time of `seconds` at each call."""
    times = iter(seconds)

    def system(waveform):
        met.append((name, waveform.shape))
        clock.now += next(times)

    return system


def test_macs_are_those_counted_by_hand():
    network = Known().eval()
    counted = 0.5 * speed.macs_per_second(network, 0.5)
    pixels = 16 * network.frames
    by_hand = 8 * 5 + 16 * 6 * 3 * network.frames + 4 * 15 * pixels + 4 * 2 * 4 * pixels
    assert counted == by_hand


@pytest.mark.parametrize("text_dim", [8, None])
def test_macs_a_second_do_not_depend_on_the_length(make_network, text_dim):
    network = make_network(text_dim=text_dim)
    assert speed.macs_per_second(network, 8.0) == pytest.approx(
        speed.macs_per_second(network, 4.0), rel=0.05
    )


def test_systems_take_turns_and_the_first_turn_warms_up(clock):
    met = []
    table = speed.latency(
        {
            "ours": sleeper(clock, "ours", [9, 0.001, 0.002, 0.003], met),
            "reference": sleeper(clock, "reference", [9, 0.004, 0.004, 0.030], met),
        },
        seconds=0.5,
        runs=3,
    ).set_index("system")
    assert met == [("ours", (1, 8000)), ("reference", (1, 8000))] * 4
    # Last, the median of the ratios 4, 2 and 10, and not the ratio of the medians, which is 2.
    assert table.loc["ours"].tolist() == pytest.approx([2.0, 1.5, 2.5, 4.0])
    assert table.loc["reference", "ratio"] == 1


def test_without_a_reference_there_is_no_ratio():
    table = speed.latency({"a": np.sum, "b": np.fft.fft}, 0.1, runs=5)
    assert table["ratio"].isna().all()
    assert (table["low_ms"] <= table["median_ms"]).all()
    assert (table["median_ms"] <= table["high_ms"]).all()


def test_no_runs_are_refused():
    for function in (lambda: speed.latency({}, runs=0), lambda: cold_start.cold_start(0)):
        with pytest.raises(ValueError, match="at least one"):
            function()


def test_a_sweep_has_a_row_for_every_case(separator):
    before = torch.get_num_threads()
    table = speed.sweep(separator, (0.5, 0.25), budget_seconds=60)
    assert torch.get_num_threads() == before
    cases = ["configuration", "dtype", "seconds"]
    assert len(table) == len(table[cases].drop_duplicates()) == 8
    assert (table["runs"] == 2).all() and (table["note"] == "").all()
    assert (table["low_ms"] <= table["high_ms"]).all()
    factor = table["median_ms"] / 1000 / table["seconds"]
    np.testing.assert_allclose(table["real_time_factor"], factor)
    assert "native_bfloat16" in table.attrs


def test_one_thread_separates_and_as_many_are_left_after_a_failure(separator, monkeypatch):
    before, met = torch.get_num_threads(), []
    torch.set_num_threads(before + 1)
    try:
        monkeypatch.setattr(separator, "mask", lambda *_: met.append(torch.get_num_threads()))
        with pytest.raises(AttributeError):
            separator.separate(np.ones((1, 9000)) * np.arange(9000), "dog", sample_rate=16000)
        assert (met, torch.get_num_threads()) == ([1], before + 1)
    finally:
        torch.set_num_threads(before)


def test_busy_cores_are_busy_only_while_they_are_timed(separator, clock, monkeypatch):
    killed = []

    class Process:
        def __init__(self, command):
            assert command[-1] == speed.SPIN

        def kill(self):
            killed.append(1)

        def wait(self):
            pass

    monkeypatch.setattr(speed.subprocess, "Popen", Process)
    monkeypatch.setattr(speed.os, "cpu_count", lambda: 4)
    table = speed.busy_ratio(separator, 0.25, runs=3)
    assert table["cores"].tolist() == ["idle", "busy"] and len(killed) == 3
    assert list(table) == ["cores", "median_ms", "low_ms", "high_ms"]


def test_long_recordings_are_measured_in_processes_of_their_own():
    table = long_recordings([(0.02, None), (0.2, 0.5)])
    assert table["minutes"].tolist() == [0.02, 0.2]
    assert (table["seconds"] > 0).all() and table["peak_mb"].between(100, 3000).all()
    assert table["real_time_factor"].tolist() == pytest.approx(
        [table["seconds"][0] / 1.2, table["seconds"][1] / 0.5]
    )


def test_a_length_that_would_take_too_long_is_left_out_and_says_so(separator, clock):
    def separate(waveform, *_args, **_kwargs):
        clock.now += 2 * waveform.shape[1] / 16000  # half as fast as real time

    separator.separate = separate
    table = speed.sweep(separator, (1, 4, 8, 0.5), ("float32",), ("compact",), budget_seconds=8)
    assert table["seconds"].tolist() == [0.5, 1, 4, 8]
    assert table["runs"].tolist() == [2, 2, 1, 0]  # as many as the budget holds
    assert table["real_time_factor"].tolist()[:3] == pytest.approx([2, 2, 2])
    assert table["note"].tolist() == ["", "", "", "left out: one run would take about 16 s"]
    assert table.loc[3, ["median_ms", "low_ms", "real_time_factor"]].isna().all()


def test_a_first_run_over_the_budget_is_not_repeated(separator, clock):
    def separate(*_args, **_kwargs):
        clock.now += 9

    separator.separate = separate
    table = speed.sweep(separator, (1, 2), ("float32",), ("compact",), budget_seconds=5)
    assert clock.now == 9
    assert table["runs"].tolist() == [1, 0] and table["median_ms"][0] == 9000
    assert table["note"].str.contains("longer than the budget|left out").all()


def test_bfloat16_changes_the_network_and_nothing_else(separator):
    waveform = speed.noise(0.5)
    in_float, in_bfloat = (
        speed._in_format(separator, dtype).separate(waveform, "dog", sample_rate=16000)
        for dtype in speed.FORMATS
    )
    assert in_bfloat.mask.dtype == np.float32
    assert not np.array_equal(in_bfloat.mask, in_float.mask)
    np.testing.assert_allclose(in_bfloat.mask, in_float.mask, atol=0.05)
    assert in_bfloat.confidence == in_float.confidence  # the detector stays in float32


def test_another_configuration_shares_the_encoder_and_the_detector(separator):
    other = speed._configured(separator, "reference")
    assert speed._configured(separator, "compact") is separator is not other
    assert other.encoder is separator.encoder and other.detector is separator.detector


def test_an_unknown_number_format_is_refused(separator):
    with pytest.raises(ValueError, match="'int3': use float32 or bfloat16"):
        speed.sweep(separator, (0.25,), ("int3",))


def test_the_total_of_a_cold_start_ends_with_the_first_result(monkeypatch):
    steps = {"interpreter": 1.0, "load_separator": 2.0, "first separate": 4.0}
    found = {"times": {**steps, "second separate": 8.0}, "peak": 300.0, "after_import": 200.0}
    monkeypatch.setattr(cold_start, "_python", lambda *_args: json.dumps(found))
    table = cold_start.cold_start(runs=3).set_index("step")
    assert table.loc["total"].tolist() == [7000.0] * 3
    assert table.index[0] == "textsep --help"
    assert cold_start.peak_memory() == cold_start.Memory(300.0, 200.0)


def test_a_fresh_process_gets_a_result_and_tells_what_it_took():
    found = cold_start._first_result(None, "compact", 0.5)
    assert list(found["times"]) == [
        "interpreter", "import", "load_separator", "load the detector",
        "first separate", "second separate",
    ]  # fmt: skip
    assert min(found["times"].values()) > 0
    if MEMORY_IS_TOLD:
        assert found["peak"] >= found["after_import"] > 20  # torch alone takes more


def test_memory_is_that_of_the_fresh_process_and_not_of_this_one():
    start = cold_start.SCRIPT.split("from textsep_lab")[0]
    peak = float(cold_start._python("-c", start + "print(peak_mb())", "[0, null, null, 0]"))
    assert 2 < peak < 100 if MEMORY_IS_TOLD else np.isnan(peak)  # this one holds torch


def test_a_fresh_process_that_fails_says_why():
    with pytest.raises(RuntimeError, match="no more"):
        cold_start._python("-c", "raise OSError('no more')")


def fresh(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, encoding="utf-8", check=True
    )


def test_help_imports_neither_torch_nor_numpy():
    log = fresh("-X", "importtime", "-m", "textsep_lab.cli", "--help").stderr
    imported = {line.rsplit("|", 1)[-1].strip() for line in log.splitlines()}
    assert "click" in imported
    assert not imported & {"torch", "numpy", "pandas", "importlib.metadata"}


def test_separating_waits_only_for_what_it_needs():
    unused = ["matplotlib", "sklearn", "torchmetrics", "lightning_fabric"]
    code = (
        "import sys, textsep_lab.separation.separator; "
        f"print([x for x in {unused} if x in sys.modules])"
    )
    assert fresh("-c", code).stdout.strip() == "[]"
