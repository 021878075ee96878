"""The CLAP model: its audio tower gives the same however it is cut, and training teaches words."""

import functools
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import shaken
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.data import captions
from textsep_lab.data.mixtures import render, render_sources
from textsep_lab.encoders.mini_clap import REMEMBERED, MiniClapEncoder
from textsep_lab.encoders.query_classifier import QueryClassifier
from textsep_lab.encoders.registry import load_joint_encoder
from textsep_lab.models import checkpoints
from textsep_lab.models.clap import ClapNetwork, extract_features, log_mel, pool
from textsep_lab.models.config import ClapConfig
from textsep_lab.models.weights import read_tensors
from textsep_lab.signal import audio
from textsep_lab.signal.stft import Stft
from textsep_lab.training import clap, clap_data, loop
from textsep_lab.training.clap import ClapRun, contrastive_loss
from textsep_lab.training.clap_data import ClapData, ClapValidation, activity, keep_span
from textsep_lab.training.config import ClapSettings

TINY = ClapConfig(channels=(4, 8), n_bands=16, dim=8, text_dim=8)
RATE, FRAME = TINY.sample_rate, TINY.stride * TINY.hop_length  # samples a frame of the output
LABELS = ["car_horn", "cat", "clock_tick", "dog", "rain", "siren"]  # of conftest's data set
few = settings(max_examples=25, deadline=None)


def tiny_clap(seed=0, **changes):
    """Return a CLAP network with reproducible weights that are all alive."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ClapNetwork(replace(TINY, **changes))
    return shaken(network, seed)


def noise(*shape, seed=0):
    """Noise whose level changes several times a second, so that its frames differ."""
    rng = np.random.default_rng(seed)
    steps = rng.uniform(0.01, 1, shape[-1] // 3000 + 1).astype(np.float32)
    wave = rng.standard_normal(shape, dtype=np.float32) * np.repeat(steps, 3000)[: shape[-1]]
    return torch.from_numpy(0.1 * wave)


def assert_one_sentence(error):
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


NETWORK = tiny_clap()
DEEP = tiny_clap(channels=(4, 4, 8))


@pytest.fixture(scope="module")
def saved(tmp_path_factory, fake_encoder):
    info = {"encoder": {"name": fake_encoder.name, "dim": fake_encoder.dim}}
    path = tmp_path_factory.mktemp("clap") / "tiny.safetensors"
    return checkpoints.save(path, tiny_clap(), info)


@pytest.fixture(scope="module")
def encoder(saved, fake_encoder):
    return MiniClapEncoder(saved, fake_encoder)


# The tower


@few
@given(
    batch=st.integers(1, 3),
    channels=st.sampled_from([None, 1, 2, 5]),
    samples=st.one_of(st.integers(1, 600), st.integers(1, 3 * RATE)),
)
def test_one_frame_per_hop_begun_at_any_length(batch, channels, samples):
    shape = (batch, samples) if channels is None else (batch, channels, samples)
    with torch.no_grad():
        features = extract_features(NETWORK, noise(*shape))
        frames, clip = NETWORK.embed(features), NETWORK.embed(pool(features))
    assert frames.shape == (batch, -(-samples // FRAME), TINY.dim)
    assert clip.shape == (batch, TINY.dim)
    for found in (frames, clip):
        torch.testing.assert_close(found.norm(dim=-1), torch.ones(found.shape[:-1]))


@pytest.mark.parametrize("network", [NETWORK, DEEP], ids=["2 levels", "3 levels"])
@settings(max_examples=15, deadline=None)
@given(samples=st.integers(1, 2 * RATE), chunk=st.integers(1, 40))
def test_chunks_give_what_one_pass_gives(network, samples, chunk):
    x = noise(2, samples)
    with torch.no_grad():
        whole, cut = (
            extract_features(network, x, chunk=10**6),
            extract_features(network, x, chunk=chunk),
        )
    torch.testing.assert_close(cut, whole, atol=1e-5, rtol=1e-5)


def test_a_network_in_training_takes_one_pass():
    """Its norms look at the batch: chunks would be normalised one by one."""
    network, x = tiny_clap().train(), noise(2, RATE)
    with torch.no_grad():
        assert torch.equal(extract_features(network, x, chunk=3), extract_features(network, x))


@pytest.mark.parametrize("channels", [(4, 8), (4, 4, 8), (2, 4, 4, 8)])
def test_context_frames_is_as_far_as_a_frame_can_depend(channels):
    network = tiny_clap(channels=channels)
    stride, context = network.config.stride, network.context_frames
    frame = context // stride + 3
    length = (2 * frame + 1) * stride
    x = torch.randn(1, 16, length, generator=torch.Generator().manual_seed(0), requires_grad=True)
    first, last = frame * stride, (frame + 1) * stride  # the frame's own input
    out = network.frames(x)[0, frame]
    out.square().sum().backward()
    used = x.grad[0].abs().amax(0).nonzero()[:, 0]
    reach = max(first - used.min().item(), used.max().item() - (last - 1))
    assert context - 2 * stride <= reach <= context

    with torch.no_grad():
        changed = x.detach().clone()
        changed[..., : first - context] += 100
        changed[..., last + context :] -= 100
        assert (changed != x).any()
        assert torch.equal(network.frames(changed)[0, frame], out)


@few
@given(frames=st.integers(1, 50), seed=st.integers(0, 9))
def test_equal_frames_pool_to_that_frame(frames, seed):
    frame = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(pool(frame.expand(-1, frames, -1)), frame[:, 0])


def test_pooling_keeps_a_short_sound_in_a_long_silence():
    features = torch.zeros(1, 100, 3)
    features[0, 7, 1] = 2.0
    torch.testing.assert_close(pool(features), torch.tensor([[0.0, 1.01, 0.0]]))


@few
@given(exponent=st.floats(-4, 4), channels=st.sampled_from([1, 2]))
def test_level_does_not_matter(exponent, channels):
    x = noise(1, channels, RATE // 2)
    louder = x * 10**exponent
    torch.testing.assert_close(log_mel(louder, TINY), log_mel(x, TINY), atol=1e-4, rtol=0)
    with torch.no_grad():
        embeddings = [NETWORK.embed(pool(extract_features(NETWORK, wave))) for wave in (louder, x)]
    torch.testing.assert_close(*embeddings, atol=1e-4, rtol=0)


def test_white_noise_is_level_in_every_band_and_silence_is_the_floor():
    generator = torch.Generator().manual_seed(0)
    mel = log_mel(torch.randn(1, 8 * RATE, generator=generator), ClapConfig())
    power = (2 * mel[0, :, 4:-4] * np.log(10)).exp().mean(-1)  # those at the ends are half empty
    assert (power.log10().abs() < 0.1).all()  # 1 dB
    assert (log_mel(torch.zeros(2, 1000), TINY) == -4).all()


def test_stereo_out_of_phase_is_like_in_phase_and_like_mono():
    x = noise(3, RATE // 2)
    mono, same = log_mel(x, TINY), log_mel(torch.stack([x, x], 1), TINY)
    opposite = log_mel(torch.stack([x, -x], 1), TINY)
    assert torch.equal(same, opposite)
    torch.testing.assert_close(same, mono, atol=1e-5, rtol=0)


def test_channels_count_as_the_mean_of_their_powers():
    x, y = noise(1, 4000, seed=1), noise(1, 4000, seed=2)
    stft = Stft(256, 64)
    found = stft.magnitude(torch.stack([x, y], 1)).square()
    expected = (stft(x).abs().square() + stft(y).abs().square()) / 2
    torch.testing.assert_close(found, expected)
    assert torch.equal(stft.magnitude(x), stft(x).abs())


def test_the_neighbours_in_a_batch_do_not_matter():
    x = noise(3, RATE)
    with torch.no_grad():
        together = extract_features(NETWORK, x)
        alone = torch.cat([extract_features(NETWORK, row[None]) for row in x])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


# The encoder


@few
@given(
    rate=st.sampled_from([4000, 8000, 11025, 16000, 22050, 44100, 48000, 96000]),
    channels=st.integers(1, 3),
    seconds=st.floats(0, 1.5),
)
def test_any_rate_length_and_channels_give_a_point_of_the_sphere(encoder, rate, channels, seconds):
    x = noise(channels, 1 + int(seconds * rate)).numpy()
    point = encoder.embed_audio(x, rate)
    assert (point.shape, point.dtype) == ((8,), np.float32)
    assert np.linalg.norm(point) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(point, encoder.embed_audio(x, rate))
    frames = encoder.embed_frames(x, rate)
    assert abs(len(frames) - x.shape[1] / rate / encoder.frame_hop) <= 1.1
    np.testing.assert_allclose(np.linalg.norm(frames, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("rate", [11025, 44100, 96000])
def test_the_same_sound_at_another_rate_is_the_same_point(encoder, rate):
    def chord(rate):
        time = np.arange(2 * rate) / rate
        return 0.1 * sum(np.sin(2 * np.pi * f * time) for f in (300, 700, 1900))[None]

    assert encoder.embed_audio(chord(rate), rate) @ encoder.embed_audio(chord(RATE), RATE) > 0.99


def test_another_rate_is_resampled(encoder):
    x = noise(2, 22050).numpy()
    expected = encoder.embed_audio(audio.resample(x, 22050, RATE), RATE)
    np.testing.assert_allclose(encoder.embed_audio(x, 22050), expected, atol=1e-5)


def test_a_clip_is_embedded_as_its_pooled_frames(encoder):
    x = noise(2, RATE)
    with torch.no_grad():
        features = extract_features(encoder.network, x[None])
        expected = encoder.network.embed(pool(features))[0].numpy()
        frames = encoder.network.embed(features)[0].numpy()
    np.testing.assert_allclose(encoder.embed_audio(x.numpy(), RATE), expected, atol=1e-6)
    np.testing.assert_allclose(encoder.embed_frames(x.numpy(), RATE), frames, atol=1e-6)


def test_stereo_out_of_phase_is_no_silence(encoder):
    x = noise(1, RATE).numpy()
    opposite, same = (encoder.embed_audio(np.concatenate([x, y]), RATE) for y in (-x, x))
    np.testing.assert_allclose(opposite, same, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 16000), (2, 5000)])
def test_silence_sounds_like_nothing(encoder, shape):
    for embed in (encoder.embed_audio, encoder.embed_frames):
        with pytest.raises(ValueError, match="silent: it sounds like nothing") as error:
            embed(np.zeros(shape, np.float32), 44100)
        assert_one_sentence(error)


@pytest.mark.parametrize("waveform", [np.zeros((1, 0)), [[np.nan, 1.0]], np.ones((1, 2, 3))])
def test_what_is_no_waveform_is_one_sentence(encoder, waveform):
    with pytest.raises(ValueError, match="The waveform") as error:
        encoder.embed_audio(waveform, RATE)
    assert_one_sentence(error)


@pytest.mark.parametrize("level", [1e-30, 1e-6, 1e6, 1e30])
def test_extreme_levels_are_embedded_like_any_other(encoder, level):
    x = noise(1, 4000).numpy()
    expected = encoder.embed_audio(x, RATE)
    np.testing.assert_allclose(encoder.embed_audio(level * x, RATE), expected, atol=1e-4)


def test_the_smallest_number_there_is_is_no_silence(encoder):
    x = np.full((1, 4000), 1e-45, np.float32)
    assert np.linalg.norm(encoder.embed_audio(x, RATE)) == pytest.approx(1, abs=1e-5)


def test_texts_get_points_of_the_same_sphere(encoder):
    found = encoder.embed_text(["dog", "rain"])
    assert (found.shape, found.dtype) == ((2, 8), np.float32)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found[1:], encoder.embed_text(["rain"]), atol=1e-6)


def test_queries_go_through_the_classifier_first(saved, fake_encoder, tmp_path):
    for file in saved.parent.glob("tiny.*"):
        shutil.copy(file, tmp_path)
    raw = MiniClapEncoder(tmp_path, fake_encoder)
    path = QueryClassifier.fit(fake_encoder, ["dog", "rain"]).save(tmp_path / "two.classifier")
    named = {"file": path.name, "sha256": checkpoints.sha256(path)}
    sidecar = tmp_path / saved.with_suffix(".json").name
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"query_classifier": named}))
    classifying = MiniClapEncoder(tmp_path, fake_encoder)
    assert classifying.weights_sha256 != raw.weights_sha256  # so no curve fits both
    asked = ["rain", captions.for_label("rain")[3]]
    (label, paraphrase), (same, far) = (x.embed_text(asked) for x in (classifying, raw))
    assert label @ paraphrase > 0.95 > 0.9 > same @ far and label @ same > 0.95
    first = classifying.embed_text(["rain"])
    first[:] = 0  # whoever changes what they got changes nobody else's
    np.testing.assert_allclose(classifying.embed_text(["rain"])[0], label, atol=1e-6)


def test_the_shipped_encoder_knows_what_was_never_trained_on():
    encoder = load_joint_encoder()
    words = ["the rooster announces daybreak", "doggy woofing", "downpour on the tin roof"]
    likeness = encoder.embed_text(words) @ encoder.embed_text(["rooster", "dog", "rain"]).T
    assert (likeness.argmax(1) == range(3)).all() and (likeness.diagonal() > 0.9).all()
    assert not set(words) & set(captions.load()["paraphrase"])


def test_the_last_recordings_are_remembered(saved, fake_encoder, monkeypatch):
    encoder, computed = MiniClapEncoder(saved, fake_encoder), []
    anew = encoder._compute_features
    monkeypatch.setattr(encoder, "_compute_features", lambda *x: computed.append(x) or anew(*x))
    waves = [noise(1, 4000, seed=seed).numpy() for seed in range(REMEMBERED + 1)]
    first = [encoder.embed_audio(x, RATE) for x in waves]
    for wave, clip in zip(waves[1:], first[1:], strict=True):
        assert np.array_equal(encoder.embed_audio(wave.copy(), RATE), clip)
        encoder.embed_frames(wave, RATE)
    assert len(computed) == len(waves)
    assert np.array_equal(encoder.embed_audio(waves[0], RATE), first[0])  # forgotten, and the same
    assert len(computed) == len(waves) + 1


def test_what_has_changed_is_embedded_anew(encoder, saved, fake_encoder):
    wave = noise(1, 4000).numpy()
    before = encoder.embed_audio(wave, RATE)
    halves, slower = encoder.embed_audio(wave.reshape(2, -1), RATE), encoder.embed_audio(wave, 8000)
    wave[0, 2000:] = 0
    after = encoder.embed_audio(wave, RATE)
    for other in (halves, slower, after):
        assert np.abs(other - before).max() > 1e-3
    assert np.array_equal(after, MiniClapEncoder(saved, fake_encoder).embed_audio(wave, RATE))


def test_the_shipped_encoder_embeds_audio_and_text():
    encoder = load_joint_encoder()
    x = noise(2, 4 * RATE).numpy()
    clip, frames = encoder.embed_audio(x, RATE), encoder.embed_frames(x, RATE)
    words = encoder.embed_text(["rain", "a dog barking"])
    assert clip.shape == (encoder.dim,) == (encoder.status().dim,)
    assert frames.shape == (round(np.ceil(4 / encoder.frame_hop)), encoder.dim)
    assert words.shape == (2, encoder.dim)
    for found in (clip[None], frames, words):
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.array_equal(clip, encoder.embed_audio(x, RATE))
    assert encoder.embed_text([]).shape == (0, encoder.dim)
    for texts, sentence in ((["!"], "query is empty"), ("dog", "takes a list")):
        with pytest.raises(ValueError, match=sentence):
            encoder.embed_text(texts)


def test_the_shipped_encoder_knows_noise_from_a_dog():
    encoder = load_joint_encoder()
    rng = np.random.default_rng(1)
    x = 0.1 * rng.standard_normal((1, 3 * RATE), dtype=np.float32)
    rain, dog = encoder.embed_text(["rain", "dog"])
    sound = encoder.embed_audio(x, RATE)
    assert sound @ rain > sound @ dog


# Checkpoints


def test_a_clap_network_comes_back_the_same(tmp_path):
    network = tiny_clap(seed=3, dropout=0.5)
    path = checkpoints.save(tmp_path / "clap.safetensors", network.train(), {"step": 7})
    loaded, info = checkpoints.load_clap(tmp_path)
    network.eval()
    assert (loaded.config, loaded.training) == (network.config, False)
    assert (info["kind"], info["step"], info["sha256"]) == ("clap", 7, checkpoints.sha256(path))
    x, text = noise(2, RATE // 2), noise(3, 8)
    with torch.no_grad():
        assert torch.equal(extract_features(loaded, x), extract_features(network, x))
        assert torch.equal(loaded.embed_text(text), network.embed_text(text))
        logits = [n.presence_logits(torch.linspace(-1, 1, 5)) for n in (loaded, network)]
    assert torch.equal(*logits)


def test_a_separator_is_no_clap_network_and_the_reverse(tmp_path, network, saved):
    info = {"encoder": {"name": "fake", "dim": 8}}
    separator = checkpoints.save(tmp_path / "net.safetensors", network, info)
    for load, path, found, needed in (
        (checkpoints.load_clap, separator, "separator", "clap"),
        (MiniClapEncoder, separator, "separator", "clap"),
        (checkpoints.load, saved, "clap", "separator"),
    ):
        said = f"holds a {found!r}; .* needed is a {needed}"
        with pytest.raises(ValueError, match=said) as error:
            load(path)
        assert path.name in str(error.value)
        assert_one_sentence(error)


BAD_CONFIGS = {
    "other width": {"channels": [4, 16]},
    "other depth": {"channels": [4, 8, 8]},
    "no depth": {"channels": []},
    "no width": {"channels": None},
    "negative width": {"channels": [-4, 8]},
    "words for width": {"channels": ["a", "b"]},
    "other bands": {"n_bands": 32},
    "words for bands": {"n_bands": "many"},
    "other words": {"text_dim": 16},
    "no words": {"text_dim": None},
    "other space": {"dim": 4},
    "unknown field": {"depth": 3},
    "impossible dropout": {"dropout": 7},
}


@pytest.mark.parametrize("changes", BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_sidecar_that_describes_another_network_is_one_sentence(tmp_path, changes):
    path = checkpoints.save(tmp_path / "clap.safetensors", NETWORK, {})
    sidecar = path.with_suffix(".json")
    info = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps({**info, "config": {**info["config"], **changes}}))
    with pytest.raises(ValueError, match=r"does not hold the weights|no network") as error:
        checkpoints.load_clap(path)
    assert_one_sentence(error)


def test_damaged_weights_are_refused(tmp_path):
    path = checkpoints.save(tmp_path / "clap.safetensors", NETWORK, {})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        checkpoints.load_clap(path)
    with pytest.raises(FileNotFoundError, match="There is no checkpoint"):
        MiniClapEncoder(tmp_path / "none.safetensors")


@pytest.mark.parametrize("info", [{"encoder": {"name": "other", "dim": 8}}, {"encoder": None}, {}])
def test_weights_made_with_another_text_encoder_are_refused(tmp_path, fake_encoder, info):
    path = checkpoints.save(tmp_path / "clap.safetensors", NETWORK, info)
    with pytest.raises(
        ValueError, match=r"trained with the text encoder .*, not with fake\.$"
    ) as error:
        MiniClapEncoder(path, fake_encoder)
    assert_one_sentence(error)


def test_the_encoder_says_which_weights_it_has(encoder, saved):
    assert encoder.weights_sha256 == checkpoints.fingerprint(checkpoints.describe(saved))
    assert (encoder.dim, encoder.frame_hop) == (8, TINY.frame_hop)


# The data


class LabelledEncoder:
    """Sends the paraphrases of a label near one point and those of others near others."""

    name, dim = "labelled", 8

    def __init__(self):
        table = captions.load().query("label in @LABELS")
        self.label = dict(zip(table["paraphrase"], table["label"], strict=True))

    def embed_text(self, texts):
        rng = np.random.default_rng(0)
        spread = {text: 0.2 * rng.standard_normal(self.dim) for text in sorted(self.label)}
        points = np.stack([np.eye(8)[LABELS.index(self.label[x])] + spread[x] for x in texts])
        return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def clap_settings(dataset):
    return ClapSettings(
        esc50_path=str(dataset), batch_size=4, steps=4, seconds=0.512, val_every=2, dim=8,
        train_folds=(1, 2, 3), val_folds=(4,),
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(clap_settings):
    return ClapData(clap_settings, TINY, LabelledEncoder())


@pytest.fixture
def plain(monkeypatch):
    """Sounds as they are: neither cut nor changed, so that every one of them is active."""
    monkeypatch.setattr(clap_data, "augment", lambda x, rng: x)
    monkeypatch.setattr(clap_data, "keep_span", lambda x, rng: x)


@few
@given(data=st.data(), level=st.floats(1e-3, 1), background=st.sampled_from([0, 1e-4, 1e-2]))
def test_a_sound_is_active_from_its_onset_to_its_end(data, level, background):
    frames = data.draw(st.integers(2, 20))
    onset = data.draw(st.integers(0, frames - 1))
    end = data.draw(st.integers(onset + 1, frames))
    x = level * background * noise(frames * 100, seed=1).sign().numpy()
    x[onset * 100 : end * 100] = level * noise((end - onset) * 100).sign().numpy()
    active = activity(x, 100, frames)
    assert active.dtype == bool
    assert active.nonzero()[0].tolist() == list(range(onset, end))


@pytest.mark.parametrize(("db", "active"), [(-20, True), (-29, True), (-31, False), (-60, False)])
def test_a_sound_is_active_down_to_30_db_below_its_loudest_frame(db, active):
    x = np.ones(300, np.float32)
    x[100:200] *= 10 ** (db / 20)
    assert activity(x, 100, 3).tolist() == [True, active, True]


def test_silence_is_never_active_and_lengths_need_not_fit():
    assert not activity(np.zeros(300, np.float32), 100, 3).any()
    assert activity(np.ones(250, np.float32), 100, 3).tolist() == [True] * 3
    assert activity(np.ones(110, np.float32), 100, 3).tolist() == [True, True, False]
    assert activity(np.r_[np.zeros(300), np.ones(9)], 100, 3).tolist() == [False] * 3


@few
@given(seed=st.integers(0, 10**6), samples=st.integers(100, 20000))
def test_a_kept_span_is_one_stretch_of_the_sound_and_the_rest_is_silent(seed, samples):
    x = np.ones(samples, np.float32)
    out = keep_span(x, np.random.default_rng(seed))
    assert (out.dtype, out.shape) == (x.dtype, x.shape)
    kept = out.nonzero()[0]
    if len(kept) < samples:
        assert 0.19 * samples - 1 <= len(kept) <= 0.81 * samples
        assert kept[-1] - kept[0] + 1 == len(kept)
    assert ((out >= 0) & (out <= 1)).all()
    assert out.max() > 0.9


def test_half_the_sounds_stay_whole():
    rng, x = np.random.default_rng(0), np.ones(2000, np.float32)
    whole = np.mean([keep_span(x, rng) is x for _ in range(400)])
    assert whole == pytest.approx(0.5, abs=0.08)
    assert (x == 1).all()


def test_batches_depend_on_seed_and_step_only(data, clap_settings):
    again = ClapData(clap_settings, TINY, LabelledEncoder())
    again.batch(9)
    for x, y in zip(data.batch(3), again.batch(3), strict=True):
        assert torch.equal(x, y)
    assert not torch.equal(data.batch(3).mixture, data.batch(4).mixture)
    other = ClapData(replace(clap_settings, seed=1), TINY, LabelledEncoder())
    assert not torch.equal(data.batch(3).mixture, other.batch(3).mixture)


def test_a_batch_fits_what_the_network_gives(data):
    batch = data.batch(0)
    samples = round(0.512 * RATE)
    assert data.labels == LABELS
    assert batch.mixture.shape == (4, samples)
    assert batch.activity.shape == (4, -(-samples // FRAME), len(LABELS))
    assert batch.activity.shape[1] == extract_features(NETWORK, batch.mixture).shape[1]
    assert batch.captions.shape == (len(LABELS), 8)
    assert {x.dtype for x in batch} == {torch.float32}
    assert set(batch.activity.unique().tolist()) <= {0.0, 1.0}


def test_truth_names_the_sounds_that_are_in_the_mixture(data, plain, monkeypatch):
    """A batch of one begins with its recipe: draw that again and render it."""
    monkeypatch.setattr(data, "settings", replace(data.settings, batch_size=1))
    counts = []
    for step in range(40):
        recipe = data.sampler(np.random.default_rng((data.settings.seed, step)))
        batch = data.batch(step)
        sources = render_sources(recipe, data.clips)
        names = {data.sampler.category[name]: x for name, x in zip(recipe.sources, sources)}  # noqa: B905
        active = [LABELS[i] for i in batch.activity[0].amax(0).nonzero()[:, 0]]
        if len(active) == 1:
            names = {recipe.label: sources[0]}
        assert set(active) == set(names)
        np.testing.assert_allclose(batch.mixture[0], sum(names.values()), atol=1e-6)
        for label, x in names.items():
            found = batch.activity[0, :, LABELS.index(label)].numpy()
            assert np.array_equal(found, activity(x, FRAME, data.frames))
        counts.append(len(active))
    assert set(counts) == {1, 2, 3}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_single_sounds_are_as_frequent_as_asked(clap_settings, plain, share):
    changed = replace(clap_settings, sources=(share, 1 - share, 0.1), batch_size=200, seconds=0.2)
    batch = ClapData(changed, TINY, LabelledEncoder()).batch(0)
    alone = (batch.activity.amax(1).sum(1) == 1).float().mean().item()
    assert alone == pytest.approx(share, abs=0.08 if 0 < share < 1 else 0)


def test_onsets_are_learnt_from_sounds_that_begin_late(data):
    """Without `keep_span` a steady sound would always be there from end to end."""
    active = torch.cat([data.batch(step).activity for step in range(30)])
    rain = active[..., LABELS.index("rain")]
    rain = rain[rain.amax(1) > 0]
    partly = (rain.mean(1) < 0.9).float().mean().item()
    assert 0.2 < partly < 0.8


def test_render_is_the_sum_of_its_sources(data):
    rng = np.random.default_rng(0)
    for _ in range(10):
        recipe = data.sampler(rng)
        target, *others = render_sources(recipe, data.clips)
        out = render(recipe, data.clips)
        assert np.array_equal(out.target, target)
        np.testing.assert_allclose(out.interference, sum(others), atol=1e-6)
        for db, other in zip(recipe.snr_db, others, strict=True):
            ratio = np.square(target).sum() / np.square(other).sum()
            assert 10 * np.log10(ratio) == pytest.approx(db, abs=0.01)


@few
@given(seed=st.integers(0, 10**6))
def test_a_caption_lies_between_two_paraphrases(data, seed):
    choices = np.eye(8, dtype=np.float32)[:3]
    point = data._caption(choices, np.random.default_rng(seed))
    assert point.dtype == np.float32
    assert np.linalg.norm(point) == pytest.approx(1, abs=1e-5)
    blur = 0.08  # 0.01, on a point that is at least 0.7 long, at five sigma
    assert (point > -blur).all()
    assert (np.abs(point) > blur).sum() <= 2
    assert (np.abs(point[3:]) < blur).all()


def test_captions_vary_and_stay_with_their_label(data):
    label_embeddings = np.eye(8)[: len(LABELS)]
    captions = np.stack([data.batch(step).captions.numpy() for step in range(10)])
    assert ((captions @ label_embeddings.T).argmax(-1) == np.arange(len(LABELS))).mean() > 0.95
    assert (captions.std(0).max(-1) > 0.01).all()
    single = data._caption(label_embeddings[:1], np.random.default_rng(0))
    assert single @ label_embeddings[0] > 0.99


# The loss


def loss_of(network, mixture, active, captions):
    return contrastive_loss(network, extract_features(network, mixture), active, captions)


def learnt(network, batches):
    optimizer = torch.optim.AdamW(network.train().parameters(), lr=0.01)
    for batch in batches:
        loss = loss_of(network, *batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def test_the_right_labels_cost_less_than_exchanged_ones(data):
    batches = [data.batch(step) for step in range(12)]
    network = learnt(tiny_clap(dropout=0.0), batches * 3)
    with torch.no_grad():
        right = sum(loss_of(network, *batch) for batch in batches)
        for turn in range(1, len(LABELS)):
            wrong = sum(loss_of(network, x, a.roll(turn, 2), c) for x, a, c in batches)
            assert right < wrong - 0.1 * len(batches)


def test_the_order_of_the_labels_does_not_matter(data):
    mixture, active, captions = data.batch(0)
    order = torch.randperm(len(LABELS), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        losses = [
            loss_of(NETWORK, mixture, active, captions),
            loss_of(NETWORK, mixture, active[..., order], captions[order]),
        ]
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("mixture", [torch.zeros(2, RATE // 2), noise(2, RATE // 2)])
@pytest.mark.parametrize("training", [True, False])
def test_a_clip_in_which_nothing_is_active_teaches_absence(mixture, training):
    network = tiny_clap().train(training)
    frames = extract_features(network, mixture).shape[1]
    loss = loss_of(network, mixture, torch.zeros(2, frames, 3), noise(3, 8))
    loss.backward()
    assert loss.isfinite()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(g.isfinite().all() for g in gradients)
    assert network.presence_bias.grad > 0  # a step makes every sound less likely
    assert not network.choice_scale.grad  # there is nothing to choose
    assert network.text_line.weight.grad.any()


# Training


@pytest.fixture
def tiny(monkeypatch):
    """Let `training.clap` build tiny networks on the labelled encoder."""
    config = functools.partial(ClapConfig, channels=(4, 8), n_bands=16, dropout=0.1)
    monkeypatch.setattr(clap, "ClapConfig", config)
    monkeypatch.setattr(clap, "load_encoder", lambda name: LabelledEncoder())
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)


def test_training_teaches_which_sound_has_which_name(clap_settings, tiny, tmp_path):
    budget = replace(clap_settings, batch_size=16, steps=120, lr=1e-2)
    run = ClapRun(budget, tmp_path, LabelledEncoder())
    own = replace(budget, train_folds=(5,), val_folds=budget.train_folds)
    judge = ClapValidation(own, run.network.config, LabelledEncoder())
    before = judge.score(run.network.eval())
    for step in range(run.total_steps):
        run.learn(run.batch(step))
    after = judge.score(run.average.module.eval())
    assert before["val_top1"] < 0.4  # of six classes
    assert after["val_top1"] > before["val_top1"] + 0.3, (before, after)
    assert after["val_mixture_map"] > before["val_mixture_map"] + 0.1, (before, after)
    assert np.mean(run.losses[-10:]) < np.mean(run.losses[:10]) - 1


def test_a_killed_run_resumes_to_the_same_weights(clap_settings, tiny, tmp_path, monkeypatch):
    whole = clap.train(clap_settings, tmp_path / "whole", progress=False)

    learn, calls = ClapRun.learn, []

    def killed_in_the_fourth_step(self, batch):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return learn(self, batch)

    monkeypatch.setattr(ClapRun, "learn", killed_in_the_fourth_step)
    with pytest.raises(KeyboardInterrupt):
        clap.train(clap_settings, tmp_path / "cut", progress=False)
    monkeypatch.setattr(ClapRun, "learn", learn)
    cut = clap.train(clap_settings, tmp_path / "cut", progress=False)

    for name in (loop.STATE, loop.BEST):
        a, b = (read_tensors(path.parent / name) for path in (whole, cut))
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)
    logs = [pd.read_csv(path.parent / loop.LOG).drop(columns="seconds") for path in (whole, cut)]
    pd.testing.assert_frame_equal(*logs)


def test_a_run_leaves_an_encoder_that_says_what_it_is(clap_settings, tiny, tmp_path):
    best = clap.train(clap_settings, tmp_path, progress=False)
    encoder = MiniClapEncoder(best, LabelledEncoder())
    assert encoder.info["kind"] == "clap"
    assert encoder.info["encoder"] == {"name": "labelled", "dim": 8}
    assert encoder.info["settings"]["esc50_path"] is None  # nobody else's business
    assert set(encoder.info["metrics"]) == {"val_top1", "val_mixture_map"}
    assert all(0 <= value <= 1 for value in encoder.info["metrics"].values())
    assert encoder.embed_audio(noise(1, 4000).numpy(), RATE).shape == (8,)
    assert encoder.classifier.labels == tuple(label.replace("_", " ") for label in LABELS)
    with pytest.raises(ValueError, match="not with minilm-l6-int8"):
        MiniClapEncoder(best)
    with pytest.raises(ValueError, match="another dim"):
        clap.train(replace(clap_settings, dim=4), tmp_path, progress=False)


def test_senseless_settings_get_a_sentence(clap_settings, tmp_path):
    with pytest.raises(ValueError, match="exactly one budget") as error:
        clap.train(replace(clap_settings, minutes=1.0), tmp_path / "run")
    assert_one_sentence(error)
    assert not (tmp_path / "run").exists()


@few
@given(count=st.integers(1, 10**6), value=st.floats(-10, 10))
def test_the_average_of_equal_weights_is_that_weight(count, value):
    weight = torch.full((3,), value)
    torch.testing.assert_close(loop.moving_average(weight, weight, torch.tensor(count)), weight)


def test_the_average_follows_quickly_at_first_and_slowly_later():
    def share(count):  # of the newest weights in the average
        zero, one = torch.zeros(1), torch.ones(1)
        return loop.moving_average(zero, one, torch.tensor(count)).item()

    shares = [share(count) for count in (1, 10, 100, 1000, 10**4, 10**6)]
    assert shares[0] > 0.5
    assert (np.diff(shares) <= 1e-6).all()
    assert shares[2] == pytest.approx(9 / 110, rel=1e-3)
    assert shares[-1] == pytest.approx(0.001, rel=1e-2)


def test_counts_are_copied_not_averaged():
    old, new = torch.tensor(3), torch.tensor(11)
    found = loop.moving_average(old, new, torch.tensor(5))
    assert (found.item(), found.dtype) == (11, torch.int64)
