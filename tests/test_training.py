"""Training: it learns, it resumes to the same weights, and it refuses what makes no sense."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from textsep_lab import checkpoints, film_unet, runs, wordings
from textsep_lab.film_unet import UNetConfig
from textsep_lab.losses import mask_l1, negative_snr
from textsep_lab.runs import learning_rate_factor
from textsep_lab.settings import Settings
from textsep_lab.sounds import write_dataset
from textsep_lab.training import SeparatorRun, train
from textsep_lab.training_data import TrainingData, training_table


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A configuration that learns in seconds, and no progress bars."""
    config = UNetConfig(channels=(8, 16), n_bands=32, dropout=0.1)
    monkeypatch.setitem(film_unet.CONFIGS, "tiny", config)
    monkeypatch.setattr(runs, "SAVE_EVERY", 2)


@pytest.fixture(scope="module")
def settings(dataset):
    return Settings(
        esc50_path=str(dataset), configuration="tiny", batch_size=4, steps=4, seconds=0.512,
        train_folds=(1, 2, 3), val_folds=(4, 5), val_every=2, val_mixtures=4,
    )  # fmt: skip


def weights(path):
    return checkpoints.read_tensors(path)


def test_a_few_steps_make_it_better(tmp_path):
    """Sounds that share few frequencies: the query must tell which of them to keep."""
    labels = ["car_horn", "crickets", "rain", "thunderstorm"]
    data = write_dataset(tmp_path / "bank", clips_per_label=10, duration=1.0, labels=labels)
    settings = Settings(
        esc50_path=str(data), configuration="tiny", batch_size=8, steps=60, seconds=0.512, lr=5e-3,
        val_folds=(4,), val_every=30, val_mixtures=6, absent_share=0.0,
    )  # fmt: skip
    run = SeparatorRun(settings, tmp_path, TrainingData(settings))
    for step in range(run.total_steps):
        run.learn(run.batch(step))
    first, last = np.mean(run.losses[:10]), np.mean(run.losses[-10:])
    assert last < first - 1.5, f"loss went from {first:.2f} to {last:.2f} dB"


def test_resuming_a_killed_run_gives_the_weights_of_an_uninterrupted_one(
    settings, tmp_path, monkeypatch
):
    whole = train(settings, tmp_path / "whole", progress=False)

    learn, calls = SeparatorRun.learn, []

    def killed_in_the_fourth_step(self, batch):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return learn(self, batch)

    monkeypatch.setattr(SeparatorRun, "learn", killed_in_the_fourth_step)
    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path / "cut", progress=False)
    monkeypatch.setattr(SeparatorRun, "learn", learn)
    cut = train(settings, tmp_path / "cut", progress=False)

    a, b = (weights(run.parent / runs.STATE) for run in (whole, cut))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)
    logs = [pd.read_csv(run.parent / "log.csv").drop(columns="seconds") for run in (whole, cut)]
    pd.testing.assert_frame_equal(*logs)


def test_the_checkpoint_says_what_it_is(settings, tmp_path):
    best = train(settings, tmp_path, progress=False)
    network, info = checkpoints.load(best, encoder_dim=384)
    assert info["encoder"] == {"name": "minilm-l6-int8", "dim": 384}
    assert info["settings"]["esc50_path"] is None  # nobody else's business
    assert np.isfinite(info["metrics"]["val_si_sdri_db"])
    assert network.config == dataclasses.replace(film_unet.CONFIGS["tiny"])
    assert set(pd.read_csv(tmp_path / "log.csv")["step"]) == {2, 4}


def test_the_twin_takes_no_query(settings, tmp_path):
    best = train(dataclasses.replace(settings, baseline=True, steps=2), tmp_path, progress=False)
    network, info = checkpoints.load(best)
    assert network.config.text_dim is None
    assert info["encoder"] is None


def test_the_reference_loss_trains_too(settings, tmp_path):
    assert train(dataclasses.replace(settings, loss="l1", steps=2), tmp_path, False).is_file()


def test_another_run_in_the_folder_is_not_overwritten(settings, tmp_path):
    train(dataclasses.replace(settings, steps=2), tmp_path, progress=False)
    before = (tmp_path / runs.STATE).read_bytes()
    with pytest.raises(ValueError, match="another seed"):
        train(dataclasses.replace(settings, steps=2, seed=1), tmp_path, progress=False)
    assert (tmp_path / runs.STATE).read_bytes() == before


def test_a_longer_budget_goes_on(settings, tmp_path):
    train(dataclasses.replace(settings, steps=2), tmp_path, progress=False)
    train(settings, tmp_path, progress=False)
    assert json.loads((tmp_path / runs.SETTINGS).read_text())["steps"] == 4
    assert pd.read_csv(tmp_path / "log.csv")["step"].tolist() == [2, 4]


def test_minutes_become_steps(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "TIMED_STEPS", 2)
    clock = iter(range(0, 10_000, 3))  # every look at the clock is 3 s later
    monkeypatch.setattr(runs.time, "monotonic", lambda: next(clock))
    minutes = dataclasses.replace(settings, steps=None, minutes=0.1)
    train(minutes, tmp_path, progress=False)
    steps = pd.read_csv(tmp_path / "log.csv")["step"].max()
    assert 2 <= steps <= 4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": None}, "exactly one budget"),
        ({"epochs": 1.0}, "exactly one budget"),
        ({"steps": 0}, "steps is 0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"loss": "l3"}, "no loss 'l3'"),
        ({"val_folds": (3,)}, "overlap"),
        ({"extra_share": 1.0}, "extra_share is 1"),
        ({"absent_share": 1.5}, "absent_share is 1.5"),
        ({"train_folds": (1, 9)}, "fold 9"),
        ({"configuration": "huge"}, "no configuration 'huge'"),
    ],
)
def test_senseless_settings_get_a_sentence(settings, tmp_path, change, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        train(dataclasses.replace(settings, **change), tmp_path / "run", progress=False)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_batches_depend_on_seed_and_step_only(settings):
    data = TrainingData(settings)
    again = TrainingData(settings)
    for x, y in zip(data.batch(3), again.batch(3), strict=True):
        assert torch.equal(x, y)
    assert not torch.equal(data.batch(3).mixture, data.batch(4).mixture)


def test_absent_queries_ask_for_silence(settings):
    batch = TrainingData(dataclasses.replace(settings, absent_share=0.999)).batch(0)
    assert not batch.target.any()
    assert batch.mixture.any()


def test_queries_come_from_the_training_wordings_only(settings):
    data = TrainingData(settings)
    known = {label: data.encoder.embed_text(wordings.for_label(label)) for label in data.labels}
    rng = np.random.default_rng(0)
    for _ in range(50):
        query = data._query("dog", rng)
        nearest = max(known, key=lambda label: float((known[label] @ query).max()))
        assert nearest == "dog"
        assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)


def test_extra_data_is_drawn_as_often_as_asked(settings, dataset, tmp_path):
    extra = write_dataset(tmp_path / "more", clips_per_label=5, duration=1.0, labels=["cow"])
    both = dataclasses.replace(settings, extra_paths=(str(extra),), extra_share=0.25)
    table = training_table(both)
    share = table.loc[table["category"] == "cow", "weight"].sum() / table["weight"].sum()
    assert share == pytest.approx(0.25)


def test_learning_rate_warms_up_and_falls():
    rates = [learning_rate_factor(step, 1000) for step in range(1000)]
    peak = int(np.argmax(rates))
    assert np.all(np.diff(rates[:peak]) > 0)
    assert np.all(np.diff(rates[peak:]) <= 0)
    assert rates[-1] == pytest.approx(0.02, abs=0.01)


def test_negative_snr_floors_and_handles_absent_targets():
    generator = torch.Generator().manual_seed(0)
    target, other = torch.randn(2, 3, 1000, generator=generator)
    mixture = target + other
    assert torch.allclose(negative_snr(target, target, mixture), torch.tensor(-30.0))
    error = 0.1 * other
    plain = -10 * torch.log10(target.square().sum(-1) / error.square().sum(-1))
    assert torch.allclose(negative_snr(target + error, target, mixture), plain, atol=0.5)
    silence = torch.zeros_like(target)
    louder, softer = (negative_snr(g * mixture, silence, mixture) for g in (0.5, 0.05))
    assert (softer < louder - 15).all()


def test_mask_l1_is_zero_for_the_ideal_mask():
    from textsep_lab.masking import network_stft
    from textsep_lab.oracles import ideal_ratio_mask
    from textsep_lab.spectral import to_bands

    config = film_unet.CONFIGS["tiny"]
    generator = torch.Generator().manual_seed(0)
    target, other = torch.randn(2, 1, 4000, generator=generator)
    stft = network_stft(config)
    ideal = to_bands(ideal_ratio_mask(stft(target), stft(other)), config.n_bands, 16000)
    assert mask_l1(ideal, target, target + other, config).item() < 1e-5
    assert mask_l1(1 - ideal, target, target + other, config).item() > 0.1
