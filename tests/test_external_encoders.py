"""The CLAPs of others: real classes with tiny random weights made on the spot, and a loopback hub.

Microsoft's is tested twice: with a stand-in for the msclap package, and with msclap itself where
that is installed (it cannot live under constraints.txt).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import pickle
import shutil
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import loopback
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from textsep_lab.encoders import hub as hub_module
from textsep_lab.encoders import msclap as msclap_module
from textsep_lab.encoders import registry
from textsep_lab.encoders.hub import GPT2_TOKENIZER, LAION_CLAP, MSCLAP, EncoderStatus, HubFiles
from textsep_lab.encoders.laion_clap import LaionClapEncoder
from textsep_lab.encoders.msclap import SILENT, MSClapEncoder, embed_windows, unit

transformers = pytest.importorskip("transformers", reason="needs the extra laion")

pytestmark = [  # of the old libraries that msclap wants, and of msclap
    pytest.mark.filterwarnings("ignore:path is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning"),
]
TEXTS = ["dog", "dog barking", "rain", "a freight train rumbles past far behind the old station"]
MSCLAP_INSTALLED = importlib.util.find_spec("msclap") is not None
SMALL_GPT2 = {"n_layer": 1, "n_head": 4, "n_embd": 768, "vocab_size": 257}
SMALL_GPT2 |= {"bos_token_id": 256, "eos_token_id": 256}
STAND_IN = """
import torch
from torch import nn

class Projection(nn.Linear):
    def __init__(self, d_in, d_out):
        super().__init__(d_in, d_out, bias=False)

class AudioEncoder(nn.Module):
    def __init__(self, name, d_in, d_out, rate, *rest):
        super().__init__()
        self.samples, self.projection = 7 * rate, Projection(100, d_out)

    def forward(self, x):
        assert x.shape == (1, self.samples)
        return self.projection(x.reshape(1, 100, -1).abs().mean(-1)), None
"""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """No variable of the user's and an empty hub cache."""
    own = ("TEXTSEP_MSCLAP_WEIGHTS", "TEXTSEP_LAION_CLAP", hub_module.ALLOW)
    for name in (*own, *hub_module.OFFLINE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


def save_laion(folder: Path, **changes) -> Path:
    """Write a ClapModel of 64 k weights that takes windows of 1 s, and all it needs."""
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast

    text = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    text |= {"intermediate_size": 37, "max_position_embeddings": 90, "projection_dim": 24}
    audio = {"spec_size": 64, "num_mel_bins": 16, "window_size": 4, "patch_size": 2}
    audio |= {"patch_stride": [2, 2], "hidden_size": 32, "patch_embeds_hidden_size": 16}
    audio |= {"depths": [2, 2], "num_attention_heads": [2, 2], "projection_dim": 24, **changes}
    torch.manual_seed(0)
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
    ClapModel(config).save_pretrained(folder)
    rule = "rand_trunc"
    ClapFeatureExtractor(feature_size=16, max_length_s=1, truncation=rule).save_pretrained(folder)
    words = ["<s>", "<pad>", "</s>", "<unk>", "dog", "barking", "rain", "train"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **marks).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def laion_folder(tmp_path_factory):
    return save_laion(tmp_path_factory.mktemp("laion"))


@pytest.fixture(scope="module")
def laion(laion_folder):
    return LaionClapEncoder(laion_folder)


@pytest.fixture
def laion_copy(laion_folder, tmp_path):
    return shutil.copytree(laion_folder, tmp_path / "copy")


def save_gpt2_tokenizer(folder: Path) -> Path:
    """Write GPT-2's tokenizer without merges: one token a byte, '!' is 0."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@contextlib.contextmanager
def stand_in_msclap(folder: Path):
    """Put a package of msclap's shape first on the path; its __init__ fails as torchaudio does."""
    package = folder / "msclap"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise OSError('libcudart.so.13: cannot open')")
    (package / "models" / "__init__.py").touch()
    (package / "models" / "clap.py").write_text(STAND_IN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(msclap_module, "TEXT_ENCODER", SMALL_GPT2)
        for name in [n for n in sys.modules if n.split(".")[0] == "msclap"]:
            patch.delitem(sys.modules, name)
        yield
        for name in [n for n in sys.modules if n.split(".")[0] == "msclap"]:
            del sys.modules[name]


def gpt2() -> torch.nn.Module:
    return transformers.GPT2Model(transformers.GPT2Config(**msclap_module.TEXT_ENCODER))


def save_msclap(file: Path) -> Path:
    """Write random weights under the names that msclap's checkpoint has."""
    network = msclap_module._import_network()
    torch.manual_seed(0)
    parts = {
        "audio_encoder": network.AudioEncoder(*msclap_module.AUDIO_ENCODER),
        "caption_encoder.base": gpt2(),
        "caption_encoder.projection": network.Projection(768, 1024),
    }
    state = {f"{k}.{n}": v for k, part in parts.items() for n, v in part.state_dict().items()}
    torch.save({"model": state | {"logit_scale": torch.tensor(2.7)}}, file)
    return file


@pytest.fixture(scope="module", params=["stand-in", "real"])
def msclap_file(request, tmp_path_factory):
    if request.param == "real" and not MSCLAP_INSTALLED:
        pytest.skip("msclap is not installed: it needs an environment of its own")
    folder = tmp_path_factory.mktemp("msclap")
    save_gpt2_tokenizer(folder / "gpt2")
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setattr(msclap_module, "TEXT_ENCODER", SMALL_GPT2)
        if request.param == "stand-in":
            stack.enter_context(stand_in_msclap(folder / "site"))
        yield save_msclap(folder / "CLAP_weights_2023.pth")


@pytest.fixture(scope="module")
def msclap(msclap_file):
    return MSClapEncoder(msclap_file)


@pytest.fixture(scope="module", params=["laion", "msclap"])
def encoder(request):
    if request.param == "laion":
        return request.getfixturevalue("laion")
    folder = request.getfixturevalue("tmp_path_factory").mktemp("both")
    save_gpt2_tokenizer(folder / "gpt2")
    with stand_in_msclap(folder / "site"):
        return MSClapEncoder(save_msclap(folder / "w.pth"))


def noise(channels: int, samples: int, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((channels, samples), np.float32)


# What both encoders promise.


@pytest.mark.parametrize(
    ("waveform", "rate"),
    [
        (noise(1, 3), 8000),
        (noise(1, 1), 44100),
        (noise(2, 8000), 8000),
        (noise(1, 30000)[0], 22050),
        (noise(6, 50000).astype(np.float64), 48000),
        (noise(1, 400000), 192000),
        (noise(2, 11025 * 8), 11025),
    ],
)
def test_any_rate_length_and_channels(encoder, waveform, rate):
    found = encoder.embed_audio(waveform, rate)
    assert (found.shape, found.dtype) == ((encoder.dim,), np.float32)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


def test_same_input_gives_the_same_bits(encoder):
    waveform = noise(2, 24000)
    first = encoder.embed_audio(waveform, 8000)
    kept = waveform.copy()
    np.random.seed(1)  # noqa: NPY002  (the global state that random crops would use)
    np.testing.assert_array_equal(encoder.embed_audio(waveform, 8000), first)
    np.testing.assert_array_equal(waveform, kept)
    text = encoder.embed_text(TEXTS)
    np.testing.assert_array_equal(encoder.embed_text(TEXTS[::-1])[::-1], text)


def test_stereo_is_embedded_as_its_mean(encoder):
    waveform = noise(2, 24000)
    mono = encoder.embed_audio(waveform.mean(0), 48000)
    np.testing.assert_array_equal(encoder.embed_audio(waveform, 48000), mono)


def test_different_sounds_and_texts_differ(encoder):
    low, high = noise(1, 48000), np.sin(np.arange(48000) * 0.3)
    found = [encoder.embed_audio(w, 48000) for w in (low, high)] + list(encoder.embed_text(TEXTS))
    similar = np.triu(np.stack(found) @ np.stack(found).T, 1)
    assert (similar < 0.99999).all()


@pytest.mark.parametrize("waveform", [np.zeros((2, 99)), np.full(9, SILENT / 2), [[0.5], [-0.5]]])
def test_silence_has_no_embedding(encoder, waveform):
    with pytest.raises(ValueError, match=r"^The recording is silent: silence has no embedding\.$"):
        encoder.embed_audio(np.asarray(waveform, np.float32), 8000)


@pytest.mark.parametrize(
    ("waveform", "said"),
    [
        (np.array([0.1, np.nan]), "NaN or infinite"),
        (np.zeros((1, 0)), "no samples"),
        (np.zeros((1, 1, 9)), "3 dimensions"),
        (np.zeros((999, 2)), "channels first"),
        (np.array([1, 2000], np.int16), "is int16: give float32 with full scale at 1"),
        (np.array(["a"]), "not made of real numbers"),
    ],
)
def test_bad_waveforms_are_refused(encoder, waveform, said):
    with pytest.raises(ValueError, match=said):
        encoder.embed_audio(waveform, 8000)


def test_texts(encoder):
    found = encoder.embed_text(TEXTS)
    assert (found.shape, found.dtype) == ((4, encoder.dim), np.float32)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(encoder.embed_text([" dog\n barking"])[0], found[1])
    assert encoder.embed_text([]).shape == (0, encoder.dim)
    assert np.isfinite(encoder.embed_text(["犬" * 200, "\U0001f415", "x" * 200])).all()
    with pytest.raises(ValueError, match="query is empty"):
        encoder.embed_text(["!"])
    with pytest.raises(ValueError, match="takes a list"):
        encoder.embed_text("dog")


def test_windows_count_as_long_as_they_are_and_silent_ones_not_at_all():
    seen = []

    def embed(window):
        seen.append(len(window))
        return np.array([1.0, 0.0]) if window[0] > 0 else np.array([0.0, 3.0])

    sound = np.concatenate([np.full(10, 0.5), np.zeros(10), np.full(5, -0.5)]).astype(np.float32)
    found = embed_windows(sound, 10, embed)
    np.testing.assert_allclose(found, unit(np.array([10, 5])), rtol=1e-6)
    assert seen == [10, 5]


# LAION


def test_laion_agrees_with_transformers(laion, laion_folder):
    from transformers import ClapModel

    model = ClapModel.from_pretrained(laion_folder)
    sound = noise(1, 120000)[0]  # 2.5 windows
    cuts = [sound[:48000], sound[48000:96000], np.tile(sound[96000:], 2)]
    mel = laion._feature_extractor(cuts, sampling_rate=48000, return_tensors="pt")["input_features"]
    ids = torch.tensor([laion._tokenizer("dog barking")["input_ids"]])
    with torch.no_grad():
        sounds = model.get_audio_features(input_features=mel)
        words = model.get_text_features(input_ids=ids)
    sounds, words = (getattr(x, "pooler_output", x).numpy() for x in (sounds, words))
    expected = unit(np.average(sounds, axis=0, weights=[2, 2, 1]))
    np.testing.assert_allclose(laion.embed_audio(sound, 48000), expected, atol=1e-5)
    np.testing.assert_allclose(laion.embed_text(["dog barking"]), words, atol=1e-5)


def test_laion_names_and_dim_come_from_the_folder(laion, laion_folder, monkeypatch):
    assert (laion.name, laion.dim, LaionClapEncoder.dim) == ("laion-clap", 24, 512)
    monkeypatch.setenv("TEXTSEP_LAION_CLAP", str(laion_folder))
    np.testing.assert_array_equal(LaionClapEncoder().embed_text(TEXTS), laion.embed_text(TEXTS))
    expected = EncoderStatus("laion-clap", 512, True, True, laion_folder, "", "laion")
    assert LaionClapEncoder.status() == expected


def test_laion_reads_a_bin_of_tensors_and_runs_no_pickle(laion, laion_copy, tmp_path):
    from safetensors.torch import load_file

    state = load_file(laion_copy / "model.safetensors")
    (laion_copy / "model.safetensors").unlink()
    torch.save(state, laion_copy / "pytorch_model.bin")
    found = LaionClapEncoder(laion_copy).embed_text(TEXTS)
    np.testing.assert_allclose(found, laion.embed_text(TEXTS), atol=1e-6)
    (laion_copy / "pytorch_model.bin").write_bytes(
        pickle.dumps(Touch(tmp_path / "ran"), protocol=2)
    )
    with pytest.raises(ValueError, match="holds no usable CLAP"):
        LaionClapEncoder(laion_copy)
    assert not (tmp_path / "ran").exists()


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)

    def __reduce__(self):
        return open, (self.file, "w")


def drop_a_tensor(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    del state["audio_projection.linear1.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def change_config(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "config.json").unlink(), "no readable config.json"),
        (lambda f: (f / "config.json").write_text("[]"), "no readable config.json"),
        (lambda f: change_config(f, model_type="bert"), "it is a bert"),
        (lambda f: change_config(f, audio_config={"enable_fusion": True}), "fused checkpoint"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x09" * 99), ""),
        (drop_a_tensor, "audio_projection.linear1.weight"),
        (lambda f: (f / "preprocessor_config.json").unlink(), "preprocessor_config.json"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "no readable tokenizer"),
    ],
)
def test_laion_refuses_other_folders_in_one_sentence(laion_copy, damage, said):
    damage(laion_copy)
    with pytest.raises(ValueError, match=r"copy' holds no usable CLAP \(") as caught:
        LaionClapEncoder(laion_copy)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_laion_missing_folder_and_library(monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match="none' does not exist"):
        LaionClapEncoder(tmp_path / "none")
    monkeypatch.setenv("TEXTSEP_LAION_CLAP", str(tmp_path / "none"))
    assert LaionClapEncoder.status().weights is None
    assert LaionClapEncoder.status().download == ""
    monkeypatch.delenv("TEXTSEP_LAION_CLAP")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"transformers: pip install 'textsep-lab\[laion\]'\.$"):
        LaionClapEncoder()
    assert LaionClapEncoder.status().installed is False


# Microsoft


def test_msclap_embeds_windows_repeated_to_7_s(msclap):
    sound = noise(1, 10 * 44100)[0]
    cuts = [sound[: 7 * 44100], np.tile(sound[7 * 44100 :], 3)[: 7 * 44100]]
    with torch.no_grad():
        rows = [msclap._network["audio_encoder"](torch.tensor(c[None]))[0][0] for c in cuts]
    expected = unit(7 * unit(rows[0].numpy()) + 3 * unit(rows[1].numpy()))
    np.testing.assert_allclose(msclap.embed_audio(sound, 44100), expected, atol=1e-6)
    assert msclap.embed_text(TEXTS).shape == (4, 1024)


def test_msclap_leaves_nothing_behind(msclap_file, monkeypatch):
    """No torchaudio, no hollow package in the way of an own `import msclap`."""
    before = {n for n in sys.modules if n.startswith("torchaudio")}
    monkeypatch.setenv("TEXTSEP_MSCLAP_WEIGHTS", str(msclap_file))
    found = MSClapEncoder().embed_text(TEXTS)
    np.testing.assert_array_equal(found, MSClapEncoder(msclap_file).embed_text(TEXTS))
    assert {n for n in sys.modules if n.startswith("torchaudio")} == before
    assert "msclap" not in sys.modules
    expected = EncoderStatus("msclap-2023", 1024, True, True, msclap_file, "", "msclap")
    assert MSClapEncoder.status() == expected


@pytest.mark.skipif(not MSCLAP_INSTALLED, reason="needs msclap in an environment of its own")
@pytest.mark.parametrize("msclap_file", ["real"], indirect=True)
def test_msclap_agrees_with_its_own_network(msclap, msclap_file, monkeypatch):
    """Weights load as its own wrapper loads them; a padded text has the same embedding."""
    module = msclap_module._import_network()
    monkeypatch.setattr(module.AutoModel, "from_pretrained", lambda name: gpt2())
    name, out, joint, *rest = msclap_module.AUDIO_ENCODER
    own = module.CLAP(name, *rest, out, "gpt2", 768, joint).eval()
    state = torch.load(msclap_file, weights_only=True)["model"]
    assert not own.load_state_dict(state, strict=False).missing_keys
    ids = msclap._tokenizer.encode("dog barking <|endoftext|>").ids
    padded = torch.tensor([ids + [0] * (77 - len(ids))])
    sound = noise(1, 7 * 44100)
    with torch.no_grad():
        mask = (padded > 0).long()
        words = own.caption_encoder({"input_ids": padded, "attention_mask": mask})[0].numpy()
        sounds = own.audio_encoder(torch.tensor(sound))[0][0].numpy()
    np.testing.assert_allclose(msclap.embed_text(["dog barking"])[0], unit(words), atol=1e-5)
    np.testing.assert_allclose(msclap.embed_audio(sound, 44100), unit(sounds), atol=1e-6)


@pytest.mark.parametrize("kind", ["empty", "text", "other", "list", "pickle", "html"])
def test_msclap_refuses_other_files_in_one_sentence(msclap_file, tmp_path, kind):
    file = tmp_path / "w.pth"
    content = {"other": {"model": {"x": torch.zeros(1)}}, "list": [1], "text": {"state": {}}}
    if kind in content:
        torch.save(content[kind], file)
    else:
        raw = {
            "pickle": pickle.dumps(Touch(tmp_path / "ran"), protocol=2),
            "html": b"<!doctype html>",
        }
        file.write_bytes(raw.get(kind, b""))
    save_gpt2_tokenizer(tmp_path / "gpt2")
    with pytest.raises(ValueError, match=r"w.pth' does not hold the weights of Microsoft CLAP"):
        MSClapEncoder(file)
    assert not (tmp_path / "ran").exists()


def test_msclap_names_a_damaged_tokenizer(msclap_file, tmp_path):
    file = tmp_path / "w.pth"
    file.symlink_to(msclap_file)
    (save_gpt2_tokenizer(tmp_path / "gpt2") / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json' is not GPT-2's"):
        MSClapEncoder(file)


def test_msclap_missing_file_and_library(monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match="none' do not exist"):
        MSClapEncoder(tmp_path / "none")
    monkeypatch.setenv("TEXTSEP_MSCLAP_WEIGHTS", str(tmp_path / "none"))
    assert MSClapEncoder.status().weights is None
    monkeypatch.delenv("TEXTSEP_MSCLAP_WEIGHTS")
    for name in [n for n in sys.modules if n.split(".")[0] == "msclap"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "msclap", None)
    with pytest.raises(ImportError, match=r"needs msclap: pip install 'textsep-lab\[msclap\]'\.$"):
        MSClapEncoder()
    assert MSClapEncoder.status().installed is False


# The hub


class Hub(BaseHTTPRequestHandler):
    """Serves `server.files` as the hub does; cuts bodies after `server.cut` bytes."""

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, with_body: bool) -> None:
        body = self.server.files.get(self.path.split("/")[-1])
        if body is None or "/resolve/" not in self.path:
            self.send_error(404)
            return
        start = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", self.path.split("/")[4])
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        if with_body:
            self.server.sent += 1
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body[start : self.server.cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(monkeypatch):
    from huggingface_hub import constants, file_download

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the library's waits for a retry
    with loopback(Hub) as server:
        server.files, server.cut, server.sent = {"a.json": b"{}", "model.bin": b"x" * 9999}, None, 0
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        for module in (constants, file_download):  # before and from huggingface_hub 1 on
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        yield server


def files(**changes) -> HubFiles:
    sha256 = hashlib.sha256(b"x" * 9999).hexdigest()
    usual = {"title": "A model", "repo": "me/model", "revision": "0" * 40, "size": 10001}
    usual |= {"files": ("a.json", "model.bin"), "licence": "MIT", "sha256": sha256}
    return HubFiles(**{**usual, **changes})


def test_download_is_announced_checked_and_kept(hub, capsys, tmp_path):
    assert files().cached() is None
    folder = files().fetch("do without", True)
    said = capsys.readouterr().err
    assert said.startswith("Downloading A model (0 MB, licence MIT) from https://huggingface.co/me")
    assert str(tmp_path / "hub") in said.splitlines()[0]
    assert (folder / "model.bin").read_bytes() == b"x" * 9999
    assert files().cached() == folder == files().fetch("", True)
    assert hub.sent == 2
    assert capsys.readouterr().err == ""


def test_damaged_download_is_deleted(hub):
    hub.files["model.bin"] = b"y" * 9999
    with pytest.raises(ValueError, match=r"'model.bin' from me/model has SHA-256 .*it was deleted"):
        files().fetch("", True)
    assert files().cached() is None
    hub.files["model.bin"] = b"x" * 9999
    assert files().fetch("", True) == files().cached()


def test_cut_download_leaves_nothing_that_looks_whole(hub, tmp_path):
    hub.cut = 5000
    with pytest.raises(ConnectionError, match=r"'model.bin' .* not downloaded .* or do without\.$"):
        files().fetch("do without", True)
    assert files().cached() is None
    assert not list(tmp_path.rglob("snapshots/*/model.bin"))
    hub.cut = None
    assert (files().fetch("", True) / "model.bin").read_bytes() == b"x" * 9999


def test_missing_on_the_hub_is_one_sentence(hub):
    del hub.files["model.bin"]
    with pytest.raises(ConnectionError, match=r"'model.bin' of me/model was not") as caught:
        files().fetch("do without", True)
    assert "\n" not in str(caught.value)


def test_full_disk_is_no_network_error(monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", full)
    with pytest.raises(OSError, match=r"No space left .* free some space") as caught:
        files().fetch("", True)
    assert not isinstance(caught.value, ConnectionError)


def test_nothing_is_downloaded_unasked(hub, tmp_path, capsys, monkeypatch):
    said = (
        r"^LAION CLAP \(618 MB, licence Apache-2\.0\) from https://huggingface\.co/laion/\S+ is "
        r"not on this machine: set TEXTSEP_DOWNLOAD=1 to allow the download, or set TEXTSEP_LAION"
    )
    with pytest.raises(FileNotFoundError, match=said):
        registry.load_encoder("laion-clap")
    with (
        stand_in_msclap(tmp_path),
        pytest.raises(FileNotFoundError, match=r"\(690 MB.*=1 to allow"),
    ):
        registry.load_joint_encoder("msclap-2023")
    assert hub.sent == 0 and capsys.readouterr().err == ""


def test_a_download_is_allowed_by_a_switch_or_by_an_argument(hub, laion_folder, monkeypatch):
    hub.files = {f.name: f.read_bytes() for f in laion_folder.iterdir()}
    small = HubFiles(**{**vars(LAION_CLAP), "files": tuple(hub.files), "sha256": ""})
    monkeypatch.setattr("textsep_lab.encoders.laion_clap.LAION_CLAP", small)
    registry._make.cache_clear()
    loaded = registry.load_encoder("laion-clap", download=True)
    assert loaded is registry.load_joint_encoder("laion-clap", download=True)
    assert hub.sent == len(hub.files)
    monkeypatch.setenv(hub_module.ALLOW, "1")
    hub.files = {"a.json": b"{}", "model.bin": b"x" * 9999}
    assert files().fetch("").is_dir()
    registry._make.cache_clear()


@pytest.mark.parametrize("switch", hub_module.OFFLINE)
def test_offline_says_what_to_set(monkeypatch, switch, tmp_path, capsys):
    monkeypatch.setenv(switch, "1")
    said = rf"LAION CLAP is not on this machine, and {switch} forbids .* set TEXTSEP_LAION_CLAP to"
    with pytest.raises(FileNotFoundError, match=said):
        LaionClapEncoder()
    with stand_in_msclap(tmp_path), pytest.raises(FileNotFoundError, match="TEXTSEP_MSCLAP_WEI"):
        MSClapEncoder()
    assert capsys.readouterr().err == ""


def test_encoders_load_what_they_fetched(hub, monkeypatch, laion, laion_folder, msclap_file):
    """Both from a hub that serves the tiny files instead."""
    monkeypatch.setenv(hub_module.ALLOW, "1")
    hub.files = {f.name: f.read_bytes() for f in laion_folder.iterdir()}
    tiny = {"files": tuple(hub.files), "sha256": ""}
    small = HubFiles(**{**vars(LAION_CLAP), **tiny})
    monkeypatch.setattr("textsep_lab.encoders.laion_clap.LAION_CLAP", small)
    assert "618 MB" in LaionClapEncoder.status().download
    np.testing.assert_array_equal(LaionClapEncoder().embed_text(TEXTS), laion.embed_text(TEXTS))
    assert LaionClapEncoder.status().weights == small.cached()
    hub.files = {f: (msclap_file.parent / "gpt2" / f).read_bytes() for f in GPT2_TOKENIZER.files}
    hub.files[msclap_file.name] = msclap_file.read_bytes()
    own = HubFiles(**{**vars(MSCLAP), "sha256": ""})
    monkeypatch.setattr("textsep_lab.encoders.msclap.MSCLAP", own)
    assert "690 MB" in MSClapEncoder.status().download
    assert "GPT-2's tokenizer (1 MB" in MSClapEncoder.status().download
    assert MSClapEncoder().embed_text(TEXTS).shape == (4, 1024)
    assert MSClapEncoder.status().download == ""
