"""External models: the same rows whatever is installed, a fair choice, a run that learns."""

import copy
import importlib
import importlib.util
import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from textsep_lab.evaluation import external_costs, external_models, external_training
from textsep_lab.evaluation.external_models import ExternalModel, TwoSources
from textsep_lab.evaluation.scores import best_of
from textsep_lab.models import checkpoints
from textsep_lab.models.config import CONFIGS, UNetConfig
from textsep_lab.models.registry import parameter_count
from textsep_lab.signal.metrics import si_sdr
from textsep_lab.training import losses, separator_data
from textsep_lab.training.config import SeparatorSettings

OWN = ["compact", "text-agnostic", "reference"]
NAMES = [*OWN, "wave-u-net", "conv-tasnet", "demucs", "sepformer", "diffsep"]
LIBRARIES = {
    "conv-tasnet": ("torchaudio", "ConvTasNet"),
    "demucs": ("torchaudio", "HDemucs"),
    "sepformer": ("speechbrain", "SepFormer"),
}


def tiny_model() -> ExternalModel:
    """Return two filters of 9 taps, which can learn to split low from high."""
    return ExternalModel("tiny", "Tiny", lambda: TwoSources(nn.Conv1d(1, 2, 9, padding=4)))


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(external_models.ROWS, "tiny", tiny_model)
    return tiny_model()


@pytest.fixture
def settings(dataset, fake_encoder, monkeypatch):
    monkeypatch.setattr(separator_data, "load_encoder", lambda name: fake_encoder)
    return SeparatorSettings(
        esc50_path=str(dataset), batch_size=4, steps=4, seconds=0.256, train_folds=(1, 2, 3),
        val_folds=(4, 5), val_every=2, val_mixtures=4,
    )  # fmt: skip


def broken(error):
    """Return an `import_module` that fails as a library does that was built for another torch."""

    def import_module(name):
        raise error

    return import_module


def test_the_rows_and_a_sentence_for_each_that_is_missing():
    rows = external_models.peers()
    assert [row.name for row in rows] == NAMES
    for row in rows:
        assert (row.build is None) == bool(row.missing), row.name
        assert not row.missing or row.missing.endswith("."), row.name
    gone = {row.name for row in rows if row.missing}
    assert {"wave-u-net", "diffsep"} <= gone and not gone & set(OWN)
    assert [row.name for row in rows if row.told] == ["compact", "reference"]


def test_our_networks_take_part_like_external_ones(monkeypatch, make_network):
    met = []

    def build(configuration, text_dim):
        met.append(configuration)
        return make_network(text_dim=None if text_dim is None else 8)

    monkeypatch.setattr(external_models, "build", build)
    monkeypatch.setattr(external_models, "TEXT_DIM", 8)
    mixture = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    for name, outputs in zip(OWN, (1, 2, 1), strict=True):
        network = external_models.find(name).network()
        separated = external_models.separate(network, mixture)
        assert separated.shape == (outputs, 8000)
        assert (external_models.find(name).told) == (outputs == 1)
    assert met == ["compact", "compact", "reference"]
    both = external_models.separate(external_models.find("text-agnostic").network(), mixture)
    np.testing.assert_allclose(both.sum(0), mixture, atol=1e-6)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("libcudart.so.13: cannot open\nand more"), "libcudart.so.13: cannot open)"),
        (AttributeError("x" * 500), "x" * 100 + ")"),
        (RuntimeError(), "(RuntimeError)"),
    ],
)
def test_a_library_that_breaks_is_a_row_that_says_so(monkeypatch, error, said):
    monkeypatch.setattr(external_models, "_bare_torchaudio", nullcontext)
    monkeypatch.setattr(importlib, "import_module", broken(error))
    rows = {row.name: row for row in external_models.peers()}
    assert list(rows) == NAMES
    for name in LIBRARIES:
        assert said in rows[name].missing
        assert "pip install 'textsep-lab[" in rows[name].missing
        with pytest.raises(ValueError, match="cannot be run"):
            rows[name].network()
        with pytest.raises(ValueError, match="cannot be run"):
            external_costs.measure(rows[name])


def test_without_torchaudio_the_row_says_that_it_is_not_installed(monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "torchaudio"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    before = set(sys.modules)
    assert "torchaudio is not installed" in external_models.find("demucs").missing
    assert set(sys.modules) == before  # no hollow package in the way of an own import


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="conv-tasnet or demucs"):
        external_models.find("u-net")


def test_two_sources_have_the_length_of_the_mixture():
    x = torch.randn(3, 50)
    for inner in (nn.Conv1d(1, 2, 5), nn.Conv1d(1, 2, 5, padding=4)):
        assert TwoSources(inner)(x).shape == (3, 2, 50)
    swap = nn.Conv1d(1, 2, 1, bias=False)
    nn.init.ones_(swap.weight)
    assert torch.equal(TwoSources(swap)(x), torch.stack([x, x], 1))
    nested = nn.Sequential(swap, nn.Unflatten(1, (2, 1)))  # as Demucs: sources and channels
    assert torch.equal(TwoSources(nested)(x), torch.stack([x, x], 1))


def test_the_better_output_is_chosen():
    rng = np.random.default_rng(0)
    target, other = rng.standard_normal((2, 200))
    near = target + 0.1 * other
    for outputs in ([near, other], [other, near]):
        assert np.array_equal(best_of(np.array(outputs), target), near)
    assert np.array_equal(best_of(np.array([other, near]), 0 * target), other)


def test_the_loss_does_not_mind_the_order_but_minds_the_mix_up():
    torch.manual_seed(0)
    target, rest = torch.randn(2, 3, 100)
    mixture = target + rest
    true = torch.stack([target, rest], 1)
    for outputs in (true, true.flip(1)):
        loss = losses.pit_negative_snr(outputs, target, mixture)
        assert torch.allclose(loss, torch.full((3,), -30.0))
    # Both outputs alike: good for one of the two at most.
    assert (losses.pit_negative_snr(torch.stack([target] * 2, 1), target, mixture) > -20).all()


def test_cost_counts_and_times(tiny):
    found = external_costs.cost(tiny, seconds=0.1, runs=3)
    assert found["parameters"] == 2 * 9 + 2
    assert 0 < found["low_ms"] <= found["median_ms"] <= found["high_ms"]


def test_the_command_writes_one_line_of_json(tiny, capsys):
    external_costs.main("tiny", "0.1")
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == 20
    if importlib.util.find_spec("resource") is None:  # on Windows, the system does not tell
        assert found["peak_mb"] is None
    else:
        assert found["peak_mb"] >= found["after_import_mb"] > 20  # torch alone takes tens


def test_measuring_asks_a_fresh_process(tiny, monkeypatch):
    def run(command, **kwargs):
        assert command == [sys.executable, "-m", external_costs.__name__, "tiny", "2.0"]
        said = 'a word\n{"peak_mb": 1.5}\n'
        return subprocess.CompletedProcess(command, code, said, "why\nGone.\n")

    monkeypatch.setattr(subprocess, "run", run)
    code = 0
    assert external_costs.measure(tiny, 2.0) == {"peak_mb": 1.5}
    code = 1
    with pytest.raises(RuntimeError, match=r"Tiny could not be measured: Gone\."):
        external_costs.measure(tiny, 2.0)


def test_a_few_steps_train_save_and_resume(tiny, settings, tmp_path):
    found = external_training.train("tiny", settings, tmp_path, progress=False)
    assert found["steps"] == 4 and found["batch_size"] == 4 and found["seconds_trained"] >= 0
    assert found["val_low_db"] <= found["val_si_sdri_db"] <= found["val_high_db"]
    info = json.loads((tmp_path / "tiny" / "best.json").read_text(encoding="utf-8"))
    assert info["kind"] == "peer" and info["config"] == {"name": "tiny"}
    assert info["metrics"]["val_si_sdri_db"] == pytest.approx(found["val_si_sdri_db"], abs=1e-3)
    with pytest.raises(ValueError, match="holds a 'peer'"):
        checkpoints.load(tmp_path / "tiny" / "best.safetensors")
    assert external_training.train("tiny", settings, tmp_path, progress=False) == found


@pytest.mark.parametrize("name", OWN)
def test_our_networks_are_trained_on_the_same_mixtures(name, settings, tmp_path, monkeypatch):
    tiny = dict.fromkeys(CONFIGS, UNetConfig(channels=(4, 8), n_bands=16))
    for configuration, small in tiny.items():
        monkeypatch.setitem(CONFIGS, configuration, small)
    found = external_training.train(name, settings, tmp_path, progress=False)
    assert found["val_low_db"] <= found["val_si_sdri_db"] <= found["val_high_db"]
    info = json.loads((tmp_path / name / "best.json").read_text(encoding="utf-8"))
    loss = {"compact": "snr", "text-agnostic": "pit", "reference": "l1"}[name]
    assert info["settings"]["loss"] == loss
    assert info["settings"]["absent_share"] == info["settings"]["unwanted_share"] == 0
    assert (info["encoder"] is None) == (name == "text-agnostic")
    assert info["metrics"]["val_si_sdri_db"] == pytest.approx(found["val_si_sdri_db"], abs=1e-3)


def test_only_learning_rates_batches_losses_and_networks_differ(settings):
    shared = ("seconds", "seed", "train_folds", "val_folds", "val_mixtures", "same_class_share",
              "absent_share", "unwanted_share", "steps", "weight_decay")  # fmt: skip
    recipes = [external_training.recipe(name, settings) for name in (*OWN, *LIBRARIES)]
    assert len({tuple(getattr(r, k) for k in shared) for r in recipes}) == 1


def test_training_apart_hands_on_what_came_or_why_nothing_did(tiny, settings, monkeypatch, capsys):
    def run(command, **kwargs):
        assert command[:4] == [sys.executable, "-m", external_training.__name__, "tiny"]
        if code:
            return subprocess.CompletedProcess(command, code, "")
        external_training.main(*command[3:])
        return subprocess.CompletedProcess(command, 0, capsys.readouterr().out)

    monkeypatch.setattr(external_training.subprocess, "run", run)
    code = 0
    assert external_training.train_apart("tiny", settings)["steps"] == 4
    wrong = replace(settings, esc50_path="nowhere")
    with pytest.raises(RuntimeError, match=r"Training failed: .*nowhere"):
        external_training.train_apart("tiny", wrong)
    code = -9
    with pytest.raises(RuntimeError, match=r"killed \(signal 9\)"):
        external_training.train_apart("tiny", settings)


def test_training_lowers_the_loss(settings, tmp_path):
    run = external_training.PeerRun(
        settings, tmp_path, separator_data.TrainingData(settings), tiny_model()
    )
    batch = run.batch(0)
    run.total_steps = 60  # on one batch
    losses = [run.learn(batch) for _ in range(60)]
    assert losses[-1] < losses[0] - 0.5


def test_the_score_is_the_gain_of_the_better_output(settings, tmp_path):
    run = external_training.PeerRun(
        settings, tmp_path, separator_data.TrainingData(settings), tiny_model()
    )
    mixture, target = run.validation.mixture, run.validation.target
    copy = TwoSources(nn.Conv1d(1, 2, 1, bias=False))
    with torch.no_grad():
        copy.network.weight[:] = 1  # both outputs are the mixture: nothing is gained
    assert run.score(copy)["val_si_sdri_db"] == pytest.approx(0, abs=1e-6)

    class Truth(nn.Module):
        """Knows the target, and gives it as the second output, with a tenth of the rest."""

        def __init__(self):
            super().__init__()
            self.calls, self.weight = iter(range(100)), nn.Parameter(torch.zeros(1))

        def forward(self, waveform):
            clean = torch.from_numpy(target[next(self.calls)])[None]
            return torch.stack([waveform, clean + 0.1 * (waveform - clean)], 1)

    near = target + 0.1 * (mixture - target)
    gain = si_sdr(near, target) - si_sdr(mixture, target)
    assert run.score(Truth())["val_si_sdri_db"] == pytest.approx(np.nanmean(gain), abs=1e-3)


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_libraries_networks_separate(name):
    library, kind = LIBRARIES[name]
    # Not importorskip: torchaudio's own __init__ may fail where its networks work.
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    before = "torchaudio" in sys.modules
    model = external_models.find(name)
    assert not model.missing
    assert ("torchaudio" in sys.modules) == before  # no hollow package is left behind
    network = model.network()
    assert type(network.network).__name__ == kind
    assert parameter_count(network) > 10**6
    assert external_models.separate(network, np.zeros(8000, np.float32) + 0.1).shape == (2, 8000)


def test_what_sepformer_forgets_comes_back_the_same():
    """Gradients with and without forgetting, of a small one, also after a copy is made of it."""
    if importlib.util.find_spec("speechbrain") is None:
        pytest.skip("speechbrain is not installed")
    network = copy.deepcopy(external_models.find("sepformer").network())
    waveform = torch.randn(1, 1600, generator=torch.Generator().manual_seed(0))
    layers = [m for m in network.modules() if isinstance(vars(m).get("forward"), partial)]
    assert len(layers) == 32

    def gradient():
        network.zero_grad()
        network(waveform).square().sum().backward()
        return network.network.encoder.conv1d.weight.grad.clone()

    forgetful = gradient()
    for layer in layers:
        del layer.forward
    assert torch.allclose(forgetful, gradient(), rtol=1e-4, atol=1e-6)
