"""Checkpoints: what is stored comes back, and nothing damaged, foreign or unsafe is loaded."""

import json
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.models import checkpoints
from textsep_lab.training import state

ENCODER = {"encoder": {"name": "fake", "dim": 8}}


@pytest.fixture
def path(tmp_path, network):
    return checkpoints.save(tmp_path / "net.safetensors", network, {**ENCODER, "step": 7})


def edit_sidecar(path, **changes):
    sidecar = path.with_suffix(".json")
    info = {**json.loads(sidecar.read_text()), **changes}
    sidecar.write_text(json.dumps({k: v for k, v in info.items() if v is not ...}))


def edit_config(path, **changes):
    config = json.loads(path.with_suffix(".json").read_text())["config"]
    edit_sidecar(path, config={**config, **changes})


def assert_one_sentence(error, path):
    sentence = str(error)
    assert path.stem in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


@torch.inference_mode()
def mask_of(network):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, network.config.n_freq, 21, generator=generator)
    return network(x, torch.randn(2, 8, generator=generator))


REFERENCE = {"name": "reference", "n_bands": None, "n_fft": 64, "hop_length": 16}


@pytest.mark.parametrize("changes", [{}, {"text_dim": None}, REFERENCE])
def test_a_network_comes_back_with_the_same_mask(tmp_path, make_network, changes):
    network = make_network(**changes)
    path = checkpoints.save(tmp_path / "net.safetensors", network.train(), ENCODER)
    loaded, info = checkpoints.load(path)
    assert torch.equal(mask_of(loaded), mask_of(network.eval()))
    assert loaded.config == network.config
    assert not loaded.training
    assert info["encoder"] == ENCODER["encoder"]
    assert info["format"] == checkpoints.FORMAT
    assert info["kind"] == "separator"
    assert info["sha256"] == checkpoints.sha256(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.json", "net.safetensors"]


def test_a_folder_with_one_checkpoint_is_that_checkpoint(path, network):
    assert checkpoints.find(path.parent) == checkpoints.find(str(path)) == path
    loaded, info = checkpoints.load(path.parent)
    assert torch.equal(mask_of(loaded), mask_of(network))
    assert info["step"] == 7


def test_the_same_network_is_stored_as_the_same_bytes(tmp_path, path, network):
    again = checkpoints.save(
        tmp_path / "again" / "net.safetensors", network, {**ENCODER, "step": 7}
    )
    assert again.read_bytes() == path.read_bytes()
    assert again.with_suffix(".json").read_bytes() == path.with_suffix(".json").read_bytes()


def test_what_load_said_can_be_saved_with_another_network(path, make_network):
    _, info = checkpoints.load(path)
    other = make_network(seed=1, channels=(4, 4), dropout=0.3)
    checkpoints.save(path, other, {**info, "step": 8})
    loaded, info = checkpoints.load(path)
    assert loaded.config == other.config
    assert torch.equal(mask_of(loaded), mask_of(other))
    assert info["step"] == 8


def test_saving_over_a_checkpoint_replaces_it_whole_or_not(path, make_network, monkeypatch):
    before = {p: p.read_bytes() for p in path.parent.iterdir()}

    def disk_full(tensors, file, **kwargs):
        file.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", disk_full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(path, make_network(seed=1), ENCODER)
    assert {p: p.read_bytes() for p in path.parent.iterdir()} == before


# What must not load


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_one_flipped_bit_anywhere_is_damage(tmp_path_factory, make_network, data):
    folder, network = tmp_path_factory.mktemp("flip"), make_network(**REFERENCE)
    path = checkpoints.save(folder / "net.safetensors", network, ENCODER)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged") as caught:
        checkpoints.load(path)
    assert_one_sentence(caught.value, path)


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.99999])
def test_a_cut_file_is_damage(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="is damaged") as caught:
        checkpoints.load(path)
    assert_one_sentence(caught.value, path)


def test_a_file_that_matches_its_sum_but_is_no_safetensors_file(path):
    path.write_bytes(b"\x00" * 100)
    edit_sidecar(path, sha256=checkpoints.sha256(path))
    with pytest.raises(ValueError, match=r"damaged or not a safetensors file\.$"):
        checkpoints.load(path)


def test_missing_weights_and_missing_sidecar(path):
    with pytest.raises(FileNotFoundError, match=r"^There is no checkpoint '.*other\.safetensors'"):
        checkpoints.load(path.with_name("other.safetensors"))
    path.with_suffix(".json").unlink()
    with pytest.raises(FileNotFoundError, match=r"description '.*net\.json' is missing\.$"):
        checkpoints.load(path)


BAD_SIDECARS = {
    "empty": b"",
    "cut": b'{"format": "textsep_lab-che',
    "no text": bytes(range(128, 256)),
    "a list": b"[1, 2]",
    "a number": b"3",
    "foreign": b'{"format": "pt", "sha256": "0"}',
    "no format": b'{"sha256": "0"}',
    "no sum": json.dumps({"format": checkpoints.FORMAT, "config": {}}).encode(),
}


@pytest.mark.parametrize("content", BAD_SIDECARS.values(), ids=BAD_SIDECARS)
def test_a_bad_sidecar_is_one_sentence(path, content):
    path.with_suffix(".json").write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged|does not describe a checkpoint") as caught:
        checkpoints.load(path)
    assert_one_sentence(caught.value, path)


BAD_CONFIGS = {
    "other width": {"channels": [4, 16]},
    "other depth": {"channels": [4, 8, 8]},
    "no width": {"channels": None},
    "no depth": {"channels": []},
    "words for width": {"channels": ["a", "b"]},
    "negative width": {"channels": [-4, 8]},
    "other bands": {"n_bands": 32},
    "odd bands": {"n_bands": 15},
    "words for bands": {"n_bands": "many"},
    "other architecture": {"name": "reference"},
    "unknown architecture": {"name": "huge"},
    "architecture in a list": {"name": ["compact"]},
    "other query": {"text_dim": 16},
    "no query": {"text_dim": None},
    "words for query": {"text_dim": "eight"},
    "unknown field": {"depth": 3},
    "impossible dropout": {"dropout": 7},
}


@pytest.mark.parametrize("changes", BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_sidecar_that_describes_another_network_is_one_sentence(path, changes):
    edit_config(path, **changes)
    with pytest.raises(ValueError, match=r"does not hold the weights|no network") as caught:
        checkpoints.load(path)
    assert_one_sentence(caught.value, path)


@pytest.mark.parametrize("config", [..., None, 3, "compact", ["compact"], {}])
def test_a_sidecar_without_a_configuration_is_one_sentence(path, config):
    edit_sidecar(path, config=config)
    with pytest.raises(ValueError, match="describes no network of this kit") as caught:
        checkpoints.load(path)
    assert_one_sentence(caught.value, path)


@pytest.mark.parametrize("kind", [..., None, "detector", "SEPARATOR", 3, ["separator"]])
def test_a_sidecar_of_another_kind_is_one_sentence(path, kind):
    edit_sidecar(path, kind=kind)
    with pytest.raises(ValueError, match="what is needed is a separator") as caught:
        checkpoints.load(path)
    assert_one_sentence(caught.value, path)


def test_the_encoders_dimension_is_checked(tmp_path, path, make_network):
    assert checkpoints.load(path, encoder_dim=8)[0].config.text_dim == 8
    with pytest.raises(
        ValueError, match="with 8-dimensional embeddings; the encoder gives 384"
    ) as caught:
        checkpoints.load(path, encoder_dim=384)
    assert_one_sentence(caught.value, path)
    text_agnostic = checkpoints.save(
        tmp_path / "text_agnostic.safetensors", make_network(text_dim=None), {}
    )
    checkpoints.load(text_agnostic, encoder_dim=384)  # takes no query, so any encoder will do


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.pkl", "net.bin"])
def test_no_pickle_is_ever_loaded(path, name):
    pickled = path.with_name(name)
    pickled.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match=r"only \.safetensors files are read\.$"):
        checkpoints.load(pickled)
    # Nor under a name that is read, with a sidecar that fits.
    path.write_bytes(pickled.read_bytes())
    edit_sidecar(path, sha256=checkpoints.sha256(path))
    with pytest.raises(ValueError, match=r"not a safetensors file\.$"):
        checkpoints.load(path)


def test_a_folder_with_none_or_two_checkpoints(path, network):
    checkpoints.save(path.with_name("second.safetensors"), network, ENCODER)
    with pytest.raises(FileNotFoundError, match=r"holds 2 checkpoints: name one file\.$"):
        checkpoints.load(path.parent)
    (path.parent / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds 0 checkpoints"):
        checkpoints.load(path.parent / "empty")


# Training states


def train(network, optimizer, steps):
    """Steps whose data depend on their number only."""
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        x = torch.rand(2, network.config.n_freq, 16, generator=generator)
        query = torch.randn(2, 8, generator=generator)
        optimizer.zero_grad()
        network.train()(x, query).square().mean().backward()
        optimizer.step()


def adam(network):
    return torch.optim.AdamW(network.parameters(), lr=1e-2)


def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path, make_network):
    whole = make_network(dropout=0.0)
    train(whole, adam(whole), range(3))

    first = make_network(dropout=0.0)
    optimizer = adam(first)
    train(first, optimizer, range(2))
    parts = {"network": first.state_dict(), "optimizer": state.optimizer_tensors(optimizer)}
    said = state.Progress(2, 9, [0.5, float("nan")], [{"step": 1, "a": 0.1}], None, 1.5)
    state.save(tmp_path / "s.safetensors", parts, said)

    second = make_network(seed=5, dropout=0.0)
    parts, progress = state.load(tmp_path / "s.safetensors")
    assert str(progress) == str(said)  # NaN is not itself
    second.load_state_dict(parts["network"])
    optimizer = adam(second)
    state.load_optimizer(optimizer, parts["optimizer"])
    train(second, optimizer, range(progress.step, 3))
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name

    forgetful = make_network(seed=5, dropout=0.0)
    forgetful.load_state_dict(parts["network"])
    train(forgetful, adam(forgetful), range(2, 3))
    assert not torch.equal(forgetful.head.weight, whole.head.weight)


def test_a_learning_rate_set_after_resuming_stays(tmp_path, make_network):
    network = make_network()
    optimizer = adam(network)
    train(network, optimizer, range(1))
    resumed = torch.optim.AdamW(network.parameters(), lr=0.5)
    state.load_optimizer(resumed, state.optimizer_tensors(optimizer))
    assert [group["lr"] for group in resumed.param_groups] == [0.5]


def test_what_is_no_training_state_is_one_sentence(path, tmp_path):
    with pytest.raises(ValueError, match="is not a training state") as caught:
        state.load(path)
    assert_one_sentence(caught.value, path)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="damaged") as caught:
        state.load(broken)
    assert_one_sentence(caught.value, broken)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        state.load(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("encoder", ["minilm", {}, {"dim": 8}, 3])
def test_a_sidecar_that_names_no_encoder_is_refused(tmp_path, network, encoder):
    path = checkpoints.save(tmp_path / "a.safetensors", network, {"encoder": encoder})
    with pytest.raises(ValueError, match=r"a\.json' does not describe .*: encoder "):
        checkpoints.load(path)
