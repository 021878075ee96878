"""Listening twice: what a query means, who else may claim a place, and the promises that stay."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from scipy.spatial.distance import cdist

from textsep_lab.data import captions
from textsep_lab.detection.calibration import Logistic
from textsep_lab.encoders.query_classifier import (
    GAMMA,
    INVERSE_TEMPERATURE,
    PARTS,
    PENALTY,
    QueryClassifier,
    fit_dual_coefficients,
    load_query_classifier,
    query_classifier_path,
)
from textsep_lab.models import checkpoints
from textsep_lab.separation import refinement
from textsep_lab.separation import separator as separator_module
from textsep_lab.separation.config import MODES
from textsep_lab.separation.refinement import (
    LOGIT_SCALE,
    N_INTERFERERS,
    combine_evidence,
    explained_energy,
    fuse_log_odds,
    query_posterior,
    select_interferers,
)
from textsep_lab.separation.separator import Separator, load_separator
from textsep_lab.utils.paths import checkpoints_dir

QUICK = settings(max_examples=25, deadline=None)
LABELS = ["dog", "rain", "sea_waves"]
TONES = ["low", "middle", "high"]
RATE = 16000
SMALL_REFERENCE = {
    "name": "reference", "channels": (4, 8), "n_bands": None, "n_fft": 64, "hop_length": 16,
}  # fmt: skip


class CrowdEncoder:
    """Sends the training wordings of a label near one point of the sphere."""

    name, dim = "crowd", 8

    def __init__(self, spread):
        self.spread = spread  # an encoder that sends every text elsewhere
        self.row = {x: k for k, label in enumerate(LABELS) for x in captions.for_label(label)}

    def embed_text(self, texts):
        points = np.eye(8)[[self.row[x] for x in texts]] + 0.4 * self.spread.embed_text(texts)
        return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def crowd(fake_encoder):
    return CrowdEncoder(fake_encoder)


@pytest.fixture(scope="module")
def tone_reader(fake_encoder):
    return QueryClassifier.fit(fake_encoder, TONES)


@pytest.fixture(scope="module")
def separator(network, fake_encoder, detector, tone_reader):
    return Separator(network, fake_encoder, detector=detector, query_classifier=tone_reader)


@pytest.fixture(scope="module")
def plain(network, fake_encoder, detector):
    return Separator(network, fake_encoder, detector=detector)


@pytest.fixture(scope="module")
def deaf(make_detector):
    """Ears that are certain that nothing is there."""
    return make_detector(detection=Logistic((0.0, 0.0), -50.0))


@pytest.fixture
def two_tones(tones):
    return tones(1.0, ("low", 0.0, 0.7), ("high", 0.3, 1.0))


def noise(channels, samples, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((channels, samples))).astype(np.float32)


class LiteralReader:
    """Believes what it is given: the logarithm of probabilities."""

    def __call__(self, logits):
        return np.exp(logits) / np.exp(logits).sum()


def small_reader():
    eye = np.eye(3, dtype=np.float32)
    return QueryClassifier(("a", "b", "c"), eye, eye, eye)


def fractions(*shape):
    size = int(np.prod(shape))
    return st.lists(st.floats(0, 1, width=32), min_size=size, max_size=size).map(
        lambda x: np.array(x, np.float32).reshape(shape)
    )


# What a query means


@pytest.mark.parametrize("labels", [LABELS, LABELS[1:]])
def test_a_reader_recovers_the_wordings_it_was_taught(crowd, labels):
    query_classifier = QueryClassifier.fit(crowd, labels)
    assert query_classifier.labels == tuple(label.replace("_", " ") for label in labels)
    np.testing.assert_array_equal(
        query_classifier.label_embeddings, crowd.embed_text(list(query_classifier.labels))
    )
    for k, label in enumerate(labels):
        for embedding in crowd.embed_text(captions.for_label(label)):
            said = query_classifier(embedding)
            assert said.shape == (len(labels),) and said.argmax() == k
            assert said.sum() == pytest.approx(1, abs=1e-6)


def test_a_reader_is_a_kernel_ridge_regression_and_a_softmax(crowd):
    texts = [x for label in LABELS for x in captions.for_label(label)[:20]]
    points, truth = crowd.embed_text(texts), np.repeat(np.eye(3), 20, axis=0)
    likeness = np.exp(-GAMMA * cdist(points, points, "sqeuclidean"))
    dual_coefficients = np.linalg.solve(likeness + PENALTY * np.eye(60), truth)
    said = QueryClassifier(
        tuple(LABELS), points[:3], points, fit_dual_coefficients(points, np.repeat(range(3), 20), 3)
    )(points[0])
    expected = np.exp(INVERSE_TEMPERATURE * likeness[0] @ dual_coefficients)
    np.testing.assert_allclose(said, expected / expected.sum(), atol=1e-4)


def test_a_reader_survives_the_disk(crowd, tmp_path):
    query_classifier = QueryClassifier.fit(crowd, LABELS)
    path = query_classifier_path(tmp_path / "best.safetensors")
    assert path == tmp_path / "best.query_classifier"
    assert load_query_classifier(path) is None
    assert query_classifier.save(path) == path
    loaded = load_query_classifier(path)
    assert loaded.labels == query_classifier.labels
    for name in PARTS:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(query_classifier, name))


def test_the_shipped_readers_know_the_wordings_as_they_are_now():
    table = captions.load()
    files = sorted(checkpoints_dir().glob("*/*.reader"))
    assert len(files) == 3
    for query_classifier in map(load_query_classifier, files):
        assert query_classifier.labels == tuple(
            x.replace("_", " ") for x in sorted(set(table["label"]))
        )
        assert len(query_classifier.paraphrases) == (table["split"] == "train").sum()


def test_a_damaged_reader_is_one_sentence(tmp_path):
    path = small_reader().save(tmp_path / "a.query_classifier")
    whole = path.read_bytes()
    arrays = {name: np.zeros((3, 3), np.float32) for name in PARTS}
    without_votes = {name: arrays[name] for name in PARTS[:2]}
    damages = [
        lambda: path.write_bytes(whole[: len(whole) // 2]),
        lambda: path.write_bytes(b""),
        lambda: path.write_text("rain, rain, rain"),
        lambda: save_file(arrays, path),
        lambda: save_file(arrays, path, metadata={"names": "a"}),
        lambda: save_file(without_votes, path, metadata={"labels": "a\nb\nc"}),
    ]
    for damage in damages:
        damage()
        with pytest.raises(ValueError, match=r"a\.reader' is damaged: .*no reader.*\.$") as error:
            load_query_classifier(path)
        assert "\n" not in str(error.value)


@QUICK
@given(read=fractions(4), heard=fractions(4))
def test_what_is_meant_is_a_distribution(read, heard):
    said = (read + 1e-3) / (read + 1e-3).sum()
    meant = query_posterior(np.log(said), heard, LiteralReader())
    assert meant.sum() == pytest.approx(1, abs=1e-6) and (meant >= 0).all()
    deaf = query_posterior(np.log(said), np.zeros(4), LiteralReader())
    np.testing.assert_allclose(deaf, said, atol=1e-5)  # ears that hear nothing say nothing


def test_plain_words_stay_and_doubtful_ones_go_to_what_is_heard():
    heard = np.array([0.0, 1.0, 0.0])
    plain = query_posterior(np.log([0.99, 0.005, 0.005]), heard, LiteralReader())
    assert plain[0] > 0.9
    doubtful = query_posterior(np.log([0.5, 0.4, 0.1]), heard, LiteralReader())
    assert doubtful.argmax() == 1 and doubtful[1] > 0.8


# Who else may be there


@QUICK
@given(st.integers(1, 8).flatmap(lambda n: st.tuples(fractions(n), st.integers(0, n - 1))))
def test_rivals_are_the_likeliest_besides_what_is_meant(drawn):
    heard, own = drawn
    which = select_interferers(heard, np.eye(len(heard))[own])
    others = np.where(np.arange(len(heard)) == own, 0, heard)
    np.testing.assert_array_equal(others[which], np.sort(others)[::-1][:N_INTERFERERS])


def test_a_sound_that_is_half_meant_is_half_a_rival():
    assert select_interferers(np.array([0.3, 0.5]), np.array([0.0, 0.5])).tolist() == [0, 1]


@QUICK
@given(estimate_masks=fractions(3, 2, 3), left=fractions(2, 3))
def test_a_share_is_a_fraction_of_what_is_left(estimate_masks, left):
    estimate_masks, left = torch.from_numpy(estimate_masks), torch.from_numpy(left)
    share = explained_energy(estimate_masks, left)
    assert share.shape == (3,) and (share >= 0).all() and (share <= 1 + 1e-6).all()
    if left.sum() > 1e-3:
        np.testing.assert_allclose(explained_energy(torch.ones(1, 2, 3), left), 1, atol=1e-5)


@QUICK
@given(first=fractions(4), second=fractions(4))
def test_witnesses_that_agree_are_surer_than_either(first, second):
    both = combine_evidence(first, second)
    assert ((both >= 0) & (both <= 1)).all()
    np.testing.assert_allclose(both, combine_evidence(second, first), atol=1e-6)
    likely, unlikely = (first > 0.5) & (second > 0.5), (first < 0.5) & (second < 0.5)
    assert (both >= np.maximum(first, second) - 1e-6)[likely].all()
    assert (both <= np.minimum(first, second) + 1e-6)[unlikely].all()
    np.testing.assert_allclose(combine_evidence(first, np.full(4, 0.5)), first, atol=1e-6)


def test_ears_are_asked_for_every_label_and_silence_has_none(tones, tone_reader, detector):
    heard = refinement.label_probabilities(
        tones(1.0, ("middle", 0, 1)), RATE, tone_reader, detector
    )
    assert heard[1] > 0.9 and heard[0] < 0.1 and heard[2] < 0.1
    silence = np.zeros((2, 800), np.float32)
    assert not refinement.label_probabilities(silence, RATE, tone_reader, detector).any()


# The contest


@QUICK
@given(mask=fractions(2, 3), estimate_masks=fractions(3, 2, 3), probability=fractions(3))
def test_a_contest_gives_a_mask(mask, estimate_masks, probability):
    out = fuse_log_odds(*map(torch.from_numpy, (mask, estimate_masks, probability)))
    assert out.shape == (2, 3) and ((out >= 0) & (out <= 1)).all()


@QUICK
@given(mask=fractions(1, 12), estimate_masks=fractions(2, 1, 12))
def test_without_a_probable_rival_a_contest_only_softens(mask, estimate_masks):
    mask = torch.from_numpy(np.sort(mask))
    for others in (torch.from_numpy(estimate_masks), torch.zeros(0, 1, 12)):
        out = fuse_log_odds(mask, others, torch.zeros(len(others)))
        assert (out.diff() >= 0).all()
        assert ((out - 0.5).abs() <= (mask - 0.5).abs() + 1e-6).all()
        assert ((out > 0.5) == (mask > 0.5)).logical_or((mask - 0.5).abs() < 1e-6).all()


@QUICK
@given(
    mask=fractions(2, 3), estimate_masks=fractions(2, 2, 3), more=fractions(2, 2, 3),
    probability=fractions(2),
)  # fmt: skip
def test_a_larger_claim_of_a_rival_never_raises_the_mask(mask, estimate_masks, more, probability):
    mask, estimate_masks, more, probability = map(
        torch.from_numpy, (mask, estimate_masks, more, probability)
    )
    larger = torch.maximum(estimate_masks, more)
    before, after = (fuse_log_odds(mask, x, probability) for x in (estimate_masks, larger))
    assert (after <= before + 1e-6).all()


def test_a_place_goes_to_the_better_claim():
    mask = torch.tensor([[0.2, 0.6, 0.9]])
    out = fuse_log_odds(mask, torch.full((1, 1, 3), 0.6), torch.ones(1))
    assert out[0, 0] < 0.3 and out[0, 1] == pytest.approx(0.5) and out[0, 2] > 0.7
    doubtful = fuse_log_odds(mask, torch.full((1, 1, 3), 0.9), torch.tensor([0.1]))
    assert (doubtful > fuse_log_odds(mask, torch.full((1, 1, 3), 0.9), torch.ones(1))).all()


# Both looks


@torch.no_grad()
def test_ears_that_hear_nothing_leave_the_first_look(network, fake_encoder, tone_reader, deaf):
    wanted, waveform = fake_encoder.embed_text(["low"])[0], noise(2, 8000)
    anchor = (tone_reader(wanted) @ tone_reader.label_embeddings).astype(np.float32)
    first = refinement.estimate_masks(network, waveform, anchor[None])
    found = refinement.refine_mask(network, waveform, wanted, tone_reader, deaf)
    assert found.shape == first.shape == (1, 16, first.shape[2])
    softened = torch.sigmoid(LOGIT_SCALE * torch.logit(first, eps=1e-4))
    torch.testing.assert_close(found, softened, atol=1e-4, rtol=0)


@torch.no_grad()
def test_what_is_heard_besides_changes_the_mask(
    network, fake_encoder, tone_reader, detector, deaf, two_tones
):
    wanted = fake_encoder.embed_text(["high"])[0]
    heard, unheard = (
        refinement.refine_mask(network, two_tones, wanted, tone_reader, joint_encoder)
        for joint_encoder in (detector, deaf)
    )
    assert (heard - unheard).abs().max() > 0.01


@torch.no_grad()
def test_a_separator_without_a_reader_looks_once(plain, separator, network, two_tones):
    wanted = plain.encoder.embed_text(["high"])
    once = plain.estimate_mask(two_tones, RATE, "high")
    torch.testing.assert_close(once, refinement.estimate_masks(network, two_tones, wanted))
    assert (separator.estimate_mask(two_tones, RATE, "high") - once).abs().max() > 0.01


# The promises


def test_what_is_unwanted_is_read_in_labels_too(separator, tone_reader, two_tones, monkeypatch):
    asked = []
    mask_against = refinement.mask_against
    monkeypatch.setattr(
        refinement, "mask_against", lambda *x: asked.extend(x[2:]) or mask_against(*x)
    )
    separator.separate(two_tones, "low", sample_rate=RATE, unwanted="high")
    words = separator.encoder.embed_text(["low", "high"])
    np.testing.assert_allclose(
        np.concatenate(asked), tone_reader.expected_embedding(words), atol=1e-6
    )


@pytest.mark.parametrize("unwanted", [None, "rain"])
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 2), (44100, 2)])
def test_every_promise_is_kept(separator, tones, rate, channels, unwanted):
    waveform = tones(1.0, ("low", 0.0, 0.7), ("high", 0.3, 1.0), rate=rate, channels=channels)
    waveform = waveform + noise(channels, rate)
    ask = {"query": "low", "sample_rate": rate, "unwanted": unwanted}
    part = separator.separate(waveform, windows=[(0.2, 0.5)], **ask)
    outside = part.gate == 0
    assert 0.5 < outside.mean() < 1
    assert part.output[:, outside].tobytes() == waveform[:, outside].tobytes()
    assert not part.residual[:, outside].any()
    keep, remove = (separator.separate(waveform, mode=mode, **ask) for mode in MODES)
    ulp = np.spacing(np.abs(waveform).max() + 1)
    for result in (part, keep, remove):
        assert np.abs(result.output + result.residual - waveform).max() <= ulp
        assert result.output.shape == waveform.shape and result.output.dtype == np.float32
        assert ((result.mask >= 0) & (result.mask <= 1)).all()
    assert np.abs(keep.output - remove.residual).max() <= ulp
    again = separator.separate(waveform, **ask)
    assert again.output.tobytes() == keep.output.tobytes()
    assert 0.02 < keep.energy_share < 0.98


@pytest.mark.parametrize("unwanted", [None, "rain"])
@pytest.mark.parametrize(("channels", "samples"), [(1, 3000), (2, 3000), (1, 1)])
def test_silence_stays_silence(separator, channels, samples, unwanted):
    silence = np.zeros((channels, samples), np.float32)
    result = separator.separate(silence, "low", sample_rate=RATE, unwanted=unwanted)
    assert not result.output.any() and not result.residual.any()
    assert np.isnan(result.energy_share) and np.isfinite(result.mask).all()


def test_a_silent_channel_stays_silent(separator):
    waveform = noise(2, 8000)
    waveform[1] = 0
    result = separator.separate(waveform, "low", sample_rate=RATE)
    assert not result.output[1].any() and result.output[0].any()


def test_stereo_gets_one_mask(separator, two_tones):
    mono = separator.separate(two_tones, "low", sample_rate=RATE)
    both = np.concatenate([two_tones, -two_tones])
    stereo = separator.separate(both, "low", sample_rate=RATE)
    np.testing.assert_allclose(stereo.mask, mono.mask, atol=1e-4)
    np.testing.assert_array_equal(stereo.output[0], -stereo.output[1])


@pytest.mark.parametrize("unwanted", [None, "rain"])
@pytest.mark.parametrize(("samples", "rate"), [(1, 8000), (2, 96000), (80, 44100)])
def test_the_shortest_recordings(separator, samples, rate, unwanted):
    result = separator.separate(noise(2, samples), "low", sample_rate=rate, unwanted=unwanted)
    assert result.output.shape == (2, samples)
    assert np.isfinite(result.output).all() and np.isfinite(result.mask).all()


# What is unwanted


@torch.no_grad()
def test_the_contest_of_two_known_sounds_is_a_shared_one(network, fake_encoder):
    """What one of them gains, the other loses."""
    a, b = fake_encoder.embed_text(["dog"]), fake_encoder.embed_text(["rain"])
    waveform = noise(1, 8000)
    mine, other = (refinement.mask_against(network, waveform, *x) for x in ((a, b), (b, a)))
    assert mine.shape == other.shape and mine.std() > 0.01
    torch.testing.assert_close(mine + other, torch.ones_like(mine), atol=1e-4, rtol=0)


def test_naming_what_is_unwanted_matters_and_needs_no_ears(separator, plain, monkeypatch):
    waveform, ask = noise(1, 8000), {"query": "dog", "sample_rate": RATE}
    told = plain.separate(waveform, unwanted="rain", **ask)
    for other in (plain.separate(waveform, **ask), plain.separate(waveform, unwanted="x", **ask)):
        assert np.abs(told.output - other.output).max() > 1e-3
    monkeypatch.delattr(refinement, "label_probabilities")
    first, again = (separator.separate(waveform, unwanted=x, **ask) for x in ("rain", " rain "))
    assert first.output.tobytes() == again.output.tobytes()


def test_only_the_compact_network_can_be_told(separator, make_network, fake_encoder, detector):
    ask = {"recording": noise(1, 800), "query": "dog", "sample_rate": RATE, "unwanted": "rain"}
    reference = Separator(make_network(**SMALL_REFERENCE), fake_encoder, detector=detector)
    said = r"^Only the compact network can be told what is unwanted\.$"
    for asked, method in ((separator, "nmf"), (reference, "unet")):
        with pytest.raises(ValueError, match=said):
            asked.separate(method=method, **ask)
    with pytest.raises(ValueError, match="query is empty"):
        separator.separate(**{**ask, "unwanted": " "})


# Where a reader comes from


def test_a_reader_beside_the_weights_is_used(
    tmp_path, network, fake_encoder, detector, tone_reader, separator, two_tones, monkeypatch
):
    info = {"encoder": {"name": "fake", "dim": 8}}
    path = checkpoints.save(tmp_path / "best.safetensors", network, info)
    monkeypatch.setattr(separator_module, "load_encoder", lambda name: fake_encoder)
    monkeypatch.setattr(separator_module, "load_detector", lambda: detector)
    assert load_separator(path).query_classifier is None
    tone_reader.save(query_classifier_path(path))
    ask = {"recording": two_tones, "query": "low", "sample_rate": RATE}
    found, expected = (x.separate(**ask) for x in (load_separator(path), separator))
    assert found.output.tobytes() == expected.output.tobytes()
    query_classifier_path(path).write_bytes(b"x")
    with pytest.raises(ValueError, match="is damaged"):
        load_separator(path)
