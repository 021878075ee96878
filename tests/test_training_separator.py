"""Training: it learns, it resumes to the same weights, and it refuses what makes no sense."""

import dataclasses
import json
import os
import signal
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from textsep_lab.data import captions
from textsep_lab.data.sounds import write_dataset
from textsep_lab.encoders.minilm import MiniLMEncoder
from textsep_lab.encoders.query_classifier import QueryClassifier
from textsep_lab.models import checkpoints
from textsep_lab.models.config import CONFIGS
from textsep_lab.models.masking import apply_mask, network_stft
from textsep_lab.models.registry import build
from textsep_lab.models.unet import UNetConfig
from textsep_lab.models.weights import read_tensors
from textsep_lab.signal.ideal_masks import ideal_ratio_mask
from textsep_lab.signal.stft import to_bands
from textsep_lab.training import loop, state
from textsep_lab.training.config import SeparatorSettings
from textsep_lab.training.interruption import Interruption
from textsep_lab.training.loop import learning_rate_factor
from textsep_lab.training.losses import (
    l1_loss,
    negative_snr,
    pit_loss,
    pit_negative_snr,
    snr_loss,
)
from textsep_lab.training.separator import SeparatorRun, train
from textsep_lab.training.separator_data import TrainingData, training_table


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A configuration that learns in seconds, and no progress bars."""
    config = UNetConfig(channels=(8, 16), n_bands=32, dropout=0.1)
    monkeypatch.setitem(CONFIGS, "tiny", config)
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)


@pytest.fixture(scope="module")
def settings(dataset):
    return SeparatorSettings(
        esc50_path=str(dataset), configuration="tiny", batch_size=4, steps=4, seconds=0.512,
        train_folds=(1, 2, 3), val_folds=(4, 5), val_every=2, val_mixtures=4,
    )  # fmt: skip


def weights(path):
    return read_tensors(path)


def test_a_few_steps_make_it_better(tmp_path, monkeypatch):
    """Sounds that share few frequencies: the query must tell which of them to keep."""
    monkeypatch.setattr(captions, "for_label", lambda label: [label.replace("_", " ")])
    labels = ["car_horn", "crickets", "rain", "thunderstorm"]
    data = write_dataset(tmp_path / "sounds", clips_per_label=10, duration=1.0, labels=labels)
    settings = SeparatorSettings(
        esc50_path=str(data), configuration="tiny", batch_size=8, steps=60, seconds=0.512, lr=5e-3,
        val_folds=(4,), val_every=30, val_mixtures=6, absent_share=0.0,
    )  # fmt: skip
    run = SeparatorRun(settings, tmp_path, TrainingData(settings))
    for step in range(run.total_steps):
        run.learn(run.batch(step))
    first, last = np.mean(run.losses[:10]), np.mean(run.losses[-10:])
    assert last < first - 1.5, f"loss went from {first:.2f} to {last:.2f} dB"


class Pulled(loop.Run):
    """A run whose gradient is what its batch says."""

    def batch(self, step):
        return (torch.ones(4, 3),)

    def loss(self, pull):
        return (self.network.weight * pull).sum()

    def score(self, network):
        return {}

    def info(self):
        return {}


@pytest.mark.parametrize("size", [1e-6, 0.1, 4.9, 5.1, 1e3, 1e12])
def test_no_step_learns_from_a_gradient_longer_than_5(settings, tmp_path, size):
    """A longer one is shortened, a shorter one is left as it is, and neither is turned."""
    run = Pulled(settings, tmp_path, lambda: torch.nn.Linear(3, 4, bias=False), 1)
    direction = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    direction /= direction.norm()
    run.learn([size * direction])
    average = run.optimizer.state[run.network.weight]["exp_avg"]  # AdamW's, after one step
    seen = average / (1 - run.optimizer.param_groups[0]["betas"][0])
    torch.testing.assert_close(seen, min(size, 5.0) * direction, rtol=1e-4, atol=1e-9)


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

    a, b = (weights(run.parent / loop.STATE) for run in (whole, cut))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)
    logs = [pd.read_csv(run.parent / "log.csv").drop(columns="seconds") for run in (whole, cut)]
    pd.testing.assert_frame_equal(*logs)


def test_the_checkpoint_says_what_it_is(settings, tmp_path):
    best = train(settings, tmp_path, progress=False)
    network, info = checkpoints.load(best, encoder_dim=384)
    weights = MiniLMEncoder().weights_sha256
    said = {"name": "minilm-l6-int8", "dim": 384, "weights_sha256": weights}
    assert info["encoder"] == said
    assert info["settings"]["esc50_path"] is None  # nobody else's business
    assert np.isfinite(info["metrics"]["val_si_sdri_db"])
    assert network.config == dataclasses.replace(CONFIGS["tiny"])
    assert set(pd.read_csv(tmp_path / "log.csv")["step"]) == {2, 4}
    classifier = QueryClassifier.load(checkpoints.needed_file(best, info, "query_classifier"), 384)
    assert classifier.labels == ("car horn", "cat", "clock tick", "dog", "rain", "siren")


@pytest.mark.parametrize("loss", ["snr", "pit"])
def test_a_text_agnostic_network_takes_no_query(settings, tmp_path, loss):
    text_agnostic = dataclasses.replace(settings, text_agnostic=True, steps=2, loss=loss)
    best = train(text_agnostic, tmp_path, progress=False)
    network, info = checkpoints.load(best)
    assert network.config.text_dim is None
    assert info["encoder"] is None and info["query_classifier"] is None
    assert not list(tmp_path.glob("*.classifier"))


def test_a_run_may_start_from_weights_that_are_there(settings, tmp_path):
    network = build("tiny", 384)
    with torch.no_grad():
        network.unwanted.weight.fill_(0.25)
    path = checkpoints.save(tmp_path / "first.safetensors", network, {"encoder": None})
    goes_on = dataclasses.replace(settings, init=str(path))
    run = SeparatorRun(goes_on, tmp_path / "run", TrainingData(goes_on))
    started, known = run.network.state_dict(), network.state_dict()
    assert started.keys() == known.keys()
    assert all(torch.equal(started[key].cpu(), known[key]) for key in known)
    assert str(tmp_path) not in json.dumps(run._sidecar({}))  # nobody else's business


def test_a_guided_network_may_go_on_with_a_better_guide(settings, tmp_path, monkeypatch):
    tiny = dataclasses.replace(CONFIGS["guided"], channels=(4, 8), n_bands=16)
    monkeypatch.setitem(CONFIGS, "guided", tiny)
    known, better = build("guided", 384), build("guided", 384).text_agnostic
    init = checkpoints.save(tmp_path / "known.safetensors", known, {"encoder": None})
    guide = checkpoints.save(tmp_path / "guide.safetensors", better, {"encoder": None})
    goes_on = dataclasses.replace(
        settings, configuration="guided", init=str(init), guide=str(guide)
    )
    run = SeparatorRun(goes_on, tmp_path / "run", TrainingData(goes_on))
    assert torch.equal(run.network.text_agnostic.head.weight.cpu(), better.head.weight)
    assert torch.equal(run.network.head.weight.cpu(), known.head.weight)
    said = run._sidecar({})
    assert str(tmp_path) not in json.dumps(said)  # nobody else's business
    assert said["settings"]["guide"] == f"sha256:{checkpoints.sha256(guide)}"
    assert SeparatorSettings.from_sidecar(json.loads(json.dumps(said))).guide is not None


@pytest.mark.parametrize("changes", [{"text_agnostic": True}, {"configuration": "compact"}])
def test_another_network_to_start_from_is_refused(settings, tmp_path, changes):
    network = build("tiny", 384)
    path = checkpoints.save(tmp_path / "first.safetensors", network, {"encoder": None})
    other = dataclasses.replace(settings, init=str(path), **changes)
    with pytest.raises(ValueError, match=r"first\.safetensors' holds another network") as error:
        train(other, tmp_path / "run", progress=False)
    assert "\n" not in str(error.value)


def test_the_reference_loss_trains_too(settings, tmp_path):
    assert train(dataclasses.replace(settings, loss="l1", steps=2), tmp_path, False).is_file()


def test_another_run_in_the_folder_is_not_overwritten(settings, tmp_path):
    train(dataclasses.replace(settings, steps=2), tmp_path, progress=False)
    before = (tmp_path / loop.STATE).read_bytes()
    with pytest.raises(ValueError, match="another seed"):
        train(dataclasses.replace(settings, steps=2, seed=1), tmp_path, progress=False)
    assert (tmp_path / loop.STATE).read_bytes() == before


def test_a_longer_budget_goes_on(settings, tmp_path):
    train(dataclasses.replace(settings, steps=2), tmp_path, progress=False)
    train(settings, tmp_path, progress=False)
    assert json.loads((tmp_path / state.SETTINGS).read_text())["steps"] == 4
    assert pd.read_csv(tmp_path / "log.csv")["step"].tolist() == [2, 4]


def test_minutes_become_steps(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "TIMED_STEPS", 2)
    clock = iter(range(0, 10_000, 3))  # every look at the clock is 3 s later
    monkeypatch.setattr(SeparatorRun, "clock", lambda self: next(clock))
    minutes = dataclasses.replace(settings, steps=None, minutes=0.1)
    train(minutes, tmp_path, progress=False)
    steps = pd.read_csv(tmp_path / "log.csv")["step"].max()
    assert 2 <= steps <= 4


def test_slow_steps_do_not_use_up_the_budget_while_they_are_timed(settings, tmp_path, monkeypatch):
    data = TrainingData(settings)
    run = SeparatorRun(dataclasses.replace(settings, steps=None, minutes=10.0), tmp_path, data)
    now = run.started
    monkeypatch.setattr(SeparatorRun, "clock", lambda self: now)
    totals = []
    for _ in range(4):
        now += 50  # s a step
        run.learn(run.batch(0))
        totals.append(run.total_steps)
    assert totals == [loop.UNTIMED, 12, 12, 12]


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
        ({"unwanted_share": 1.0}, "unwanted_share is 1"),
        ({"unwanted_share": -0.1}, "unwanted_share is -0.1"),
        ({"train_folds": (1, 9)}, "fold 9"),
        ({"configuration": "huge"}, "no network 'huge'"),
    ],
)
def test_senseless_settings_get_a_sentence(settings, tmp_path, change, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        train(dataclasses.replace(settings, **change), tmp_path / "run", progress=False)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def data(settings):
    return TrainingData(settings)


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


def test_queries_come_from_the_training_paraphrases_only(settings):
    data = TrainingData(settings)
    known = {label: data.encoder.embed_text(captions.for_label(label)) for label in data.labels}
    rng = np.random.default_rng(0)
    for _ in range(50):
        query = data._query("dog", rng)
        nearest = max(known, key=lambda label: float((known[label] @ query).max()))
        assert nearest == "dog"
        assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)


def test_queries_are_bare_labels_paraphrases_or_lie_between_two(data):
    known = data.encoder.embed_text(captions.for_label("dog"))
    rng, nearest = np.random.default_rng(0), []
    for _ in range(400):
        similarity = np.sort(known @ data._query("dog", rng))
        nearest.append(similarity[-1])
    bare = [float(known[0] @ data._query("dog", rng)) > 0.95 for _ in range(400)]
    assert 0.3 < np.mean(bare) < 0.5  # BARE_SHARE, and paraphrases that happen to be near
    assert 0.1 < np.mean(np.array(nearest) < 0.95) < 0.5  # half of the others lie between two


def test_a_batch_tells_what_is_wanted_and_what_is_not(data):
    batch = data.batch(0)
    assert batch.query.shape == (4, 2, 384) and batch.query.dtype == torch.float32
    lengths = torch.cat([data.batch(step).query.norm(dim=-1) for step in range(10)])
    assert torch.allclose(lengths[:, 0], torch.ones(40), atol=1e-5)
    assert (lengths[:, 1] <= 1 + 1e-5).all() and 0 < (lengths[:, 1] == 0).sum() < 40


def test_what_is_unwanted_is_as_sure_as_it_is_right(data, monkeypatch):
    there, count = ["cat", "dog", "rain"], 4000
    one_hot = np.pad(np.eye(6, dtype=np.float32), ((0, 0), (0, data.encoder.dim - 6)))
    monkeypatch.setattr(data, "_query", lambda label, rng: one_hot[data.labels.index(label)])
    rng = np.random.default_rng(0)
    told = np.stack([data._unwanted("dog", there, rng) for _ in range(count)])
    length, names = np.linalg.norm(told, axis=1), told.argmax(1)
    some = length > 0
    assert some.mean() == pytest.approx(data.settings.unwanted_share, abs=0.03)
    assert length.max() <= 1
    named = np.array(data.labels)[names]
    assert "dog" not in named[some] and set(named[some]) == set(data.labels) - {"dog"}
    right = np.isin(named, ["cat", "rain"])
    for low in (0.2, 0.4, 0.6, 0.8):
        near = some & (length > low) & (length <= low + 0.2)
        assert near.sum() > 80
        assert right[near].mean() == pytest.approx(length[near].mean(), abs=0.1)


def test_nothing_is_unwanted_if_nothing_is_to_be_told(settings, data):
    untold = dataclasses.replace(settings, unwanted_share=0.0)
    query = TrainingData(untold).batch(0).query
    assert query[:, 0].any(1).all() and not query[:, 1].any()


def test_a_mixture_of_all_the_classes_there_are_can_be_told_what_is_unwanted(data, monkeypatch):
    """Mixing needs four classes, and all four may be in one mixture."""
    monkeypatch.setattr(data, "labels", ["cat", "dog", "rain", "siren"])
    rng = np.random.default_rng(0)
    told = [data._unwanted("dog", data.labels, rng) for _ in range(50)]
    assert np.isfinite(told).all()


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
    ratio = error.square().sum(-1) / target.square().sum(-1)
    by_hand = 10 * torch.log10(ratio + 1e-3)  # the floor, as a ratio
    assert torch.allclose(negative_snr(target + error, target, mixture), by_hand, atol=1e-3)
    whisper = negative_snr(*(1e-2 * x for x in (target + error, target, mixture)))
    assert torch.allclose(whisper, by_hand, atol=1e-3)  # how loud they are does not matter
    silence = torch.zeros_like(target)
    louder, softer = (negative_snr(g * mixture, silence, mixture) for g in (0.5, 0.05))
    assert (softer < louder - 15).all()
    measured_by_the_mixture = torch.full_like(louder, 10 * np.log10(0.5**2 + 1e-3))
    assert torch.allclose(louder, measured_by_the_mixture, atol=1e-3)


def test_losses_of_a_mask_are_losses_of_what_it_lets_through():
    config, generator = CONFIGS["tiny"], torch.Generator().manual_seed(0)
    target, other = torch.randn(2, 3, 4000, generator=generator)
    mixture, frames = target + other, network_stft(config).frames(4000)
    mask = torch.rand(3, config.n_bands, frames, generator=generator)
    estimate = apply_mask(mask, mixture, 16000, config)
    snr, pit = (loss(mask, mixture, target, config) for loss in (snr_loss, pit_loss))
    assert snr.shape == pit.shape == (3,)
    torch.testing.assert_close(snr, negative_snr(estimate, target, mixture))
    both = torch.stack([estimate, mixture - estimate], 1)
    torch.testing.assert_close(pit, pit_negative_snr(both, target, mixture))
    swapped = pit_loss(1 - mask, mixture, target, config)  # the outputs change places
    torch.testing.assert_close(swapped, pit, atol=1e-3, rtol=0)


def test_the_best_assignment_is_blind_to_order_and_no_worse_than_either():
    generator = torch.Generator().manual_seed(0)
    target, other, error = torch.randn(3, 2, 1000, generator=generator)
    mixture, estimate = target + other, target + 0.3 * error
    outputs = torch.stack([estimate, mixture - estimate], 1)
    loss = pit_negative_snr(outputs, target, mixture)
    assert loss.shape == (2,)
    torch.testing.assert_close(pit_negative_snr(outputs.flip(1), target, mixture), loss)
    torch.testing.assert_close(pit_negative_snr(outputs, other, mixture), loss)
    by_hand = negative_snr(estimate, target, mixture)
    by_hand = (by_hand + negative_snr(mixture - estimate, other, mixture)) / 2
    torch.testing.assert_close(loss, by_hand)
    swapped = torch.stack([outputs[0], outputs[1].flip(0)])  # each row is assigned on its own
    torch.testing.assert_close(pit_negative_snr(swapped, target, mixture), loss)


def test_the_l1_loss_is_zero_for_the_ideal_mask():
    config = CONFIGS["tiny"]
    generator = torch.Generator().manual_seed(0)
    target, other = torch.randn(2, 1, 4000, generator=generator)
    stft = network_stft(config)
    ideal = to_bands(ideal_ratio_mask(stft(target), stft(other)), config.n_bands, 16000)
    assert l1_loss(ideal, target + other, target, config).item() < 1e-5
    assert l1_loss(1 - ideal, target + other, target, config).item() > 0.1
    off = l1_loss(ideal + 0.25, target + other, target, config)
    assert off.item() == pytest.approx(0.25, abs=1e-5)  # and not its square


def test_a_run_that_no_validation_could_judge_says_so_and_leaves_nothing_beside_nothing(
    settings, tmp_path, monkeypatch
):
    monkeypatch.setattr(SeparatorRun, "score", lambda *_: {"val_si_sdri_db": float("nan")})
    with pytest.raises(ValueError, match=r"^No validation of the run in .* gave a score"):
        train(settings, tmp_path, progress=False)
    assert not list(tmp_path.glob("best*")) and not list(tmp_path.glob("*.classifier"))


@pytest.mark.parametrize(
    "changes", [{"baseline": True}, {"steps": None}, {"configuration": "guided"}, {"loss": "x"}]
)
def test_a_sidecar_with_senseless_settings_is_one_sentence(settings, changes):
    info = {"settings": dataclasses.asdict(settings) | changes}
    with pytest.raises(ValueError) as error:
        SeparatorSettings.from_sidecar(info)
    assert "\n" not in str(error.value)


def steps_saved(settings, folder, monkeypatch, seconds_a_step):
    """Train by a clock that a step moves on; return at which steps the state was written."""
    now, saved, learn, save = [0.0], [], SeparatorRun.learn, SeparatorRun.save

    def slow(self, batch):
        now[0] += seconds_a_step
        return learn(self, batch)

    monkeypatch.setattr(SeparatorRun, "clock", lambda self: now[0])
    monkeypatch.setattr(SeparatorRun, "learn", slow)
    monkeypatch.setattr(SeparatorRun, "save", lambda self: saved.append(self.step) or save(self))
    train(settings, folder, progress=False)
    return saved


@pytest.mark.parametrize(
    ("seconds", "steps"), [(1.0, [4]), (31.0, [2, 4]), (61.0, [1, 2, 3, 4]), (20.0, [3, 4])]
)
def test_the_state_is_written_each_minute_and_at_the_end(
    settings, tmp_path, monkeypatch, seconds, steps
):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 60.0)
    saved = steps_saved(settings, tmp_path, monkeypatch, seconds)
    assert sorted(set(saved)) == steps


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["batch", "learn", "score"])
@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be sent there")
def test_a_run_that_a_signal_ends_goes_on_where_it_was(
    settings, tmp_path, monkeypatch, number, where
):
    """Between steps, in a step or in a validation, nothing is lost or half done."""
    monkeypatch.setattr(loop, "SAVE_SECONDS", 1e9)
    whole = train(settings, tmp_path / "whole", progress=False)
    method, calls = getattr(SeparatorRun, where), []

    def interrupted(self, *given):
        calls.append(1)
        if len(calls) == (1 if where == "score" else 2):
            os.kill(os.getpid(), number)
        return method(self, *given)

    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(SeparatorRun, where, interrupted)
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit):
        train(settings, tmp_path / "cut", progress=False)
    assert before == [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    cut_at = state.load(tmp_path / "cut" / loop.STATE)[1].step
    assert cut_at == {"batch": 1, "learn": 2, "score": 2}[where]
    monkeypatch.setattr(SeparatorRun, where, method)
    cut = train(settings, tmp_path / "cut", progress=False)

    for name in (loop.STATE, loop.BEST):
        a, b = (weights(run.parent / name) for run in (whole, cut))
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)
    logs = [pd.read_csv(run.parent / "log.csv").drop(columns="seconds") for run in (whole, cut)]
    pd.testing.assert_frame_equal(*logs)


def test_a_second_ctrl_c_does_not_wait_for_the_step(monkeypatch):
    with Interruption() as interruption, pytest.raises(KeyboardInterrupt), interruption.hold():
        os.kill(os.getpid(), signal.SIGINT)
        assert not interruption.raised
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("it waited")
    assert not interruption.raised  # so that nothing half done is saved


def test_another_programs_handler_stays():
    ours = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with Interruption():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, ours)


def test_a_state_of_another_network_is_one_sentence(settings, tmp_path):
    path = train(dataclasses.replace(settings, steps=2), tmp_path, progress=False)
    parts, progress = state.load(path.parent / loop.STATE)
    for change in (
        {"network": {}}, {"optimizer": {"9999.exp_avg": torch.zeros(2)}},
        {"optimizer": {"x.exp_avg": torch.zeros(2)}},
        {"optimizer": {"0.exp_avg": torch.zeros(7, 7)}},
        {"average": {"n": torch.zeros(1)}},
    ):  # fmt: skip
        state.save(tmp_path / loop.STATE, {**parts, **change}, progress)
        with pytest.raises(ValueError, match=r"state\.safetensors' is not the state of this run"):
            train(settings, tmp_path, progress=False)
