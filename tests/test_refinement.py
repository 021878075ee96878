"""What a query means, which interferers compete with its mask, and the promises that stay."""

import json
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from scipy.spatial.distance import cdist
from scipy.special import expit, logit, softmax

from textsep_lab.data import captions
from textsep_lab.detection.calibration import Logistic
from textsep_lab.detection.detector import Detector
from textsep_lab.encoders.query_classifier import (
    GAMMA,
    INVERSE_TEMPERATURE,
    PENALTY,
    TENSORS,
    QueryClassifier,
    fit_dual_coefficients,
)
from textsep_lab.models import checkpoints
from textsep_lab.models.masking import apply_to_channels, band_power, estimate_mask
from textsep_lab.separation import refinement
from textsep_lab.separation import separator as separator_module
from textsep_lab.separation.config import MODES
from textsep_lab.separation.refinement import (
    LOGIT_SCALE,
    N_INTERFERERS,
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
    """Sends the training paraphrases of a label near one point of the sphere."""

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
def tone_classifier(fake_encoder):
    return QueryClassifier.fit(fake_encoder, TONES)


@pytest.fixture(scope="module")
def separator(network, fake_encoder, detector, tone_classifier):
    return Separator(network, fake_encoder, detector=detector, classifier=tone_classifier)


@pytest.fixture(scope="module")
def plain(network, fake_encoder, detector):
    return Separator(network, fake_encoder, detector=detector)


@pytest.fixture(scope="module")
def silent_detector(make_detector):
    """A detector that is certain that nothing is there."""
    return make_detector(detection=Logistic((0.0, 0.0), -50.0))


@pytest.fixture
def two_tones(tones):
    return tones(1.0, ("low", 0.0, 0.7), ("high", 0.3, 1.0))


def noise(channels, samples, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((channels, samples))).astype(np.float32)


class LiteralClassifier:
    """Believes what it is given: the logarithm of probabilities."""

    def __call__(self, logits):
        return np.exp(logits) / np.exp(logits).sum()


class DoubtfulClassifier(NamedTuple):
    """Never knows for sure what is meant, whatever it is."""

    labels: tuple[str, ...]
    label_embeddings: np.ndarray

    def __call__(self, embedding):
        return np.float32([0.15, 0.1, 0.05, 0.2, 0.45, 0.05])


def small_classifier():
    eye = np.eye(3, dtype=np.float32)
    return QueryClassifier(("a", "b", "c"), eye, eye, eye)


def fractions(*shape):
    size = int(np.prod(shape))
    return st.lists(st.floats(0, 1, width=32), min_size=size, max_size=size).map(
        lambda x: np.array(x, np.float32).reshape(shape)
    )


# What a query means


@pytest.mark.parametrize("labels", [LABELS, LABELS[1:]])
def test_a_classifier_recovers_the_paraphrases_it_was_taught(crowd, labels):
    classifier = QueryClassifier.fit(crowd, labels)
    assert classifier.labels == tuple(label.replace("_", " ") for label in labels)
    np.testing.assert_array_equal(
        classifier.label_embeddings, crowd.embed_text(list(classifier.labels))
    )
    for k, label in enumerate(labels):
        for embedding in crowd.embed_text(captions.for_label(label)):
            said = classifier(embedding)
            assert said.shape == (len(labels),) and said.argmax() == k
            assert said.sum() == pytest.approx(1, abs=1e-6)


def test_a_classifier_is_a_kernel_ridge_regression_and_a_softmax(crowd):
    texts = [x for label in LABELS for x in captions.for_label(label)[:20]]
    points, truth = crowd.embed_text(texts), np.repeat(np.eye(3), 20, axis=0)
    likeness = np.exp(-GAMMA * cdist(points, points, "sqeuclidean"))
    dual_coefficients = np.linalg.solve(likeness + PENALTY * np.eye(60), truth)
    classifier = QueryClassifier(
        tuple(LABELS), points[:3], points, fit_dual_coefficients(points, np.repeat(range(3), 20), 3)
    )
    asked = points[:20] + points[20:40]  # between two labels, where a softmax is far from 0 and 1
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    near = np.exp(-GAMMA * cdist(asked, points, "sqeuclidean"))
    expected = softmax(INVERSE_TEMPERATURE * near @ dual_coefficients, axis=1)
    assert (expected.max(1) < 0.9).sum() > 5
    np.testing.assert_allclose(classifier(asked), expected, atol=1e-4)
    means = classifier.expected_embedding(asked)
    np.testing.assert_allclose(means, expected @ points[:3], atol=1e-4)
    np.testing.assert_allclose(classifier.expected_embedding(asked[3]), means[3], atol=1e-6)


def test_a_classifier_survives_the_disk(crowd, tmp_path):
    classifier = QueryClassifier.fit(crowd, LABELS)
    path = tmp_path / "a.classifier"
    with pytest.raises(FileNotFoundError, match=r"a\.classifier' is missing: restore it\.$"):
        QueryClassifier.load(path, 8)
    assert classifier.save(path) == path
    loaded = QueryClassifier.load(path, 8)
    assert loaded.labels == classifier.labels
    for name in ("label_embeddings", "paraphrases", "dual_coefficients"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(classifier, name))


def test_the_shipped_classifier_lies_once_and_knows_the_paraphrases_as_they_are_now():
    table = captions.load()
    (path,) = checkpoints_dir().rglob("*.classifier")
    classifier = QueryClassifier.load(path, 384)
    assert classifier.labels == tuple(x.replace("_", " ") for x in sorted(set(table["label"])))
    assert len(classifier.paraphrases) == (table["split"] == "train").sum()


def test_a_damaged_or_foreign_classifier_is_one_sentence(tmp_path):
    path = small_classifier().save(tmp_path / "a.classifier")
    whole = path.read_bytes()
    arrays = {name: np.zeros((3, 3), np.float32) for name in TENSORS}
    incomplete = {name: arrays[name] for name in TENSORS[:2]}
    damages = [
        lambda: path.write_bytes(whole[: len(whole) // 2]),
        lambda: path.write_bytes(b""),
        lambda: path.write_text("rain, rain, rain"),
        lambda: save_file(arrays, path),
        lambda: save_file(arrays, path, metadata={"names": "a"}),
        lambda: save_file(incomplete, path, metadata={"labels": "a\nb\nc"}),
    ]
    for damage in damages:
        damage()
        said = r"a\.classifier' is damaged( or not a safetensors file|: it holds no query cl.*)\.$"
        with pytest.raises(ValueError, match=said) as error:
            QueryClassifier.load(path, 3)
        assert "\n" not in str(error.value)
    foreign = [
        lambda: small_classifier().save(path),
        lambda: save_file(arrays, path, metadata={"labels": "a\nb"}),
        *(lambda name=name, shape=shape: save_file({**arrays, name: np.zeros(shape)}, path,
                                                   metadata={"labels": "a\nb\nc"})
          for name, shape in zip(TENSORS, ((3, 4), (3, 4), (2, 3)), strict=True)),
    ]  # fmt: skip
    for dim, damage in zip((4, 3, 3, 3, 3), foreign, strict=True):
        damage()
        with pytest.raises(ValueError, match=r"a\.classifier' was made for other embeddings\.$"):
            QueryClassifier.load(path, dim)


@QUICK
@given(words=fractions(4), detected=fractions(4))
def test_what_is_meant_is_a_distribution(words, detected):
    said = (words + 1e-3) / (words + 1e-3).sum()
    meant = query_posterior(np.log(said), detected, LiteralClassifier())
    assert meant.sum() == pytest.approx(1, abs=1e-6) and (meant >= 0).all()
    nothing = query_posterior(np.log(said), np.zeros(4), LiteralClassifier())
    np.testing.assert_allclose(nothing, said, atol=1e-5)  # a detector of nothing says nothing


def test_plain_words_stay_and_doubtful_ones_go_to_what_is_detected():
    detected = np.array([0.0, 1.0, 0.0])
    plain = query_posterior(np.log([0.99, 0.005, 0.005]), detected, LiteralClassifier())
    assert plain[0] > 0.9
    doubtful = query_posterior(np.log([0.5, 0.4, 0.1]), detected, LiteralClassifier())
    assert doubtful.argmax() == 1 and doubtful[1] > 0.8


# Who else may be there


@QUICK
@given(st.integers(1, 8).flatmap(lambda n: st.tuples(fractions(n), st.integers(0, n - 1))))
def test_interferers_are_the_likeliest_besides_what_is_meant(drawn):
    detected, own = drawn
    which = select_interferers(detected, np.eye(len(detected))[own])
    others = np.where(np.arange(len(detected)) == own, 0, detected)
    np.testing.assert_array_equal(others[which], np.sort(others)[::-1][:N_INTERFERERS])


def test_a_sound_that_is_half_meant_is_half_an_interferer():
    assert select_interferers(np.array([0.3, 0.5]), np.array([0.0, 0.5])).tolist() == [0, 1]


def test_interferers_that_are_as_likely_come_in_the_order_of_the_labels():
    for likely in (0.0, 0.5):
        assert select_interferers(np.full(9, likely), np.zeros(9)).tolist() == [0, 1, 2]


@QUICK
@given(masks=fractions(3, 2, 3), left=fractions(2, 3))
def test_a_share_is_a_fraction_of_what_is_left(masks, left):
    masks, left = torch.from_numpy(masks), torch.from_numpy(left)
    share = explained_energy(masks, left)
    assert share.shape == (3,) and (share >= 0).all() and (share <= 1 + 1e-6).all()
    if left.sum() > 1e-3:
        np.testing.assert_allclose(explained_energy(torch.ones(1, 2, 3), left), 1, atol=1e-5)
        whisper = explained_energy(masks, 1e-8 * left)
        np.testing.assert_allclose(whisper, share, atol=1e-5)  # how loud it is does not matter


def test_every_label_is_detected_and_silence_has_none(
    tones, tone_classifier, detector, make_detector
):
    detected = refinement.label_probabilities(
        tones(1.0, ("middle", 0, 1)), RATE, tone_classifier, detector
    )
    assert detected[1] > 0.9 and detected[0] < 0.1 and detected[2] < 0.1
    doubtful = make_detector(detection=Logistic((3.0, 3.0), -2.0))
    both = tones(1.0, ("middle", 0, 1), ("high", 0.5, 1))
    said = doubtful.detect(both, TONES, sample_rate=RATE).groupby("label")["probability"].max()
    detected = refinement.label_probabilities(both, RATE, tone_classifier, doubtful)
    np.testing.assert_allclose(detected, said[TONES])
    silence = np.zeros((2, 800), np.float32)
    assert not refinement.label_probabilities(silence, RATE, tone_classifier, detector).any()


# Fusion


@QUICK
@given(mask=fractions(2, 3), masks=fractions(3, 2, 3), probability=fractions(3))
def test_fusion_gives_a_mask(mask, masks, probability):
    out = fuse_log_odds(*map(torch.from_numpy, (mask, masks, probability)))
    assert out.shape == (2, 3) and ((out >= 0) & (out <= 1)).all()


@QUICK
@given(mask=fractions(1, 12), masks=fractions(2, 1, 12))
def test_without_a_probable_interferer_fusion_only_softens(mask, masks):
    mask = torch.from_numpy(np.sort(mask))
    for others in (torch.from_numpy(masks), torch.zeros(0, 1, 12)):
        out = fuse_log_odds(mask, others, torch.zeros(len(others)))
        assert (out.diff() >= 0).all()
        assert ((out - 0.5).abs() <= (mask - 0.5).abs() + 1e-6).all()
        assert ((out > 0.5) == (mask > 0.5)).logical_or((mask - 0.5).abs() < 1e-6).all()


@QUICK
@given(
    mask=fractions(2, 3), masks=fractions(2, 2, 3), more=fractions(2, 2, 3),
    probability=fractions(2),
)  # fmt: skip
def test_a_larger_mask_of_an_interferer_never_raises_the_mask(mask, masks, more, probability):
    mask, masks, more, probability = map(torch.from_numpy, (mask, masks, more, probability))
    larger = torch.maximum(masks, more)
    before, after = (fuse_log_odds(mask, x, probability) for x in (masks, larger))
    assert (after <= before + 1e-6).all()


@QUICK
@given(mask=fractions(2, 3), masks=fractions(2, 2, 3), probability=fractions(2), split=fractions(1))
def test_it_matters_how_likely_a_mask_is_and_not_how_often_it_is_there(
    mask, masks, probability, split
):
    """One mask of probability p, or the same twice, of which at least one is right with p."""
    mask, masks, probability, split = map(torch.from_numpy, (mask, masks, probability, split))
    first = split * probability[0]
    second = 1 - (1 - probability[0]) / (1 - first).clamp_min(1e-6)
    once = fuse_log_odds(mask, masks[:1], probability[:1])
    twice = fuse_log_odds(mask, masks[[0, 0]], torch.cat([first, second[:1].clamp(0, 1)]))
    torch.testing.assert_close(twice, once, atol=1e-3, rtol=0)
    # nor does what cannot be there, nor the order
    without = fuse_log_odds(mask, masks, probability * torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(without, once, atol=1e-5, rtol=0)
    swapped = fuse_log_odds(mask, masks.flip(0), probability.flip(0))
    torch.testing.assert_close(swapped, fuse_log_odds(mask, masks, probability))


@QUICK
@given(mask=fractions(2, 3), other=fractions(1, 2, 3), probability=fractions(1))
def test_fusion_is_a_weighted_difference_of_log_odds(mask, other, probability):
    """And of odds that are neither 0 nor infinite: 1 part in 10,000 is left to doubt."""
    out = fuse_log_odds(*map(torch.from_numpy, (mask, other, probability)))
    odds = [logit(np.clip(np.float64(x), 1e-4, 1 - 1e-4)) for x in (mask, other[0])]
    difference = LOGIT_SCALE * (odds[0] - np.float64(probability) * odds[1])
    np.testing.assert_allclose(out, expit(difference), atol=1e-3)


def test_a_place_goes_to_the_likelier_mask():
    mask = torch.tensor([[0.2, 0.6, 0.9]])
    out = fuse_log_odds(mask, torch.full((1, 1, 3), 0.6), torch.ones(1))
    assert out[0, 0] < 0.3 and out[0, 1] == pytest.approx(0.5) and out[0, 2] > 0.7
    doubtful = fuse_log_odds(mask, torch.full((1, 1, 3), 0.9), torch.tensor([0.1]))
    assert (doubtful > fuse_log_odds(mask, torch.full((1, 1, 3), 0.9), torch.ones(1))).all()


# The whole pass


PARTS = [
    "first detection", "query classifier", "residual", "subtraction", "choice by meaning",
    "what is unwanted", "first mask", "explained energy", "discount by meaning",
]  # fmt: skip


def pass_by_hand(network, waveform, wanted, classifier, detector, without=""):
    """The pass as notebook 05 writes it out, or without one of `PARTS`."""

    def detect(recording):
        return refinement.label_probabilities(recording, RATE, classifier, detector)

    meant = query_posterior(wanted, detect(waveform), classifier)
    if without == "first detection":
        meant = classifier(wanted)
    query = (meant @ classifier.label_embeddings).astype(np.float32)
    if without == "query classifier":
        query = wanted
    mask = refinement.query_masks(network, waveform, query[None])
    estimate = apply_to_channels(mask, waveform, RATE, network.config)
    left = {"residual": waveform, "subtraction": estimate}.get(without, waveform - estimate)
    which = select_interferers(detect(left), meant * (without != "choice by meaning"))
    labels = classifier.label_embeddings[which]
    told = None if without == "what is unwanted" else query
    others = refinement.query_masks(network, waveform, labels, told)
    rest = 1 - mask[0] * (without != "first mask")
    share = explained_energy(others, rest * band_power(waveform, network.config))
    if without == "explained energy":
        share = torch.ones(len(share))
    discount = 1 - meant[which] * (without != "discount by meaning")
    return fuse_log_odds(mask[0], others, share * torch.from_numpy(discount.astype(np.float32)))


@pytest.fixture(scope="module")
def crowded(make_network, make_detector, fake_encoder):
    """A pass in which every part matters: masks from 0 to 1, six sounds, and a doubtful query."""
    detector = make_detector(frames=False, detection=Logistic((3.0, 3.0), -2.0))

    class SixTones(type(detector.encoder)):
        dim, words = 7, ("one", "two", "three", "four", "five", "six")
        hertz = (150, 400, 800, 1600, 3200, 6000)

    network = make_network(seed=1)
    with torch.no_grad():
        network.head.weight *= 30
    time, rng = np.arange(RATE) / RATE, np.random.default_rng(0)
    tones = [rng.uniform(0.05, 0.3) * np.sin(2 * np.pi * x * time) for x in SixTones.hertz]
    waveform = np.sum(tones, axis=0, dtype=np.float32)[None] + 0.2 * noise(1, RATE)
    wanted, *labels = fake_encoder.embed_text(["what is it?", *SixTones.words])
    classifier = DoubtfulClassifier(SixTones.words, np.stack(labels))
    detector = Detector(SixTones(), detector.calibration)
    return network, waveform, wanted, classifier, detector


@torch.no_grad()
def test_the_pass_is_its_parts_in_order(crowded):
    found = refinement.refine_mask(*crowded)
    torch.testing.assert_close(found[0], pass_by_hand(*crowded))


@pytest.mark.parametrize("part", PARTS)
@torch.no_grad()
def test_every_part_of_the_pass_matters(crowded, part):
    """So that the test above would notice if it were missing."""
    found = refinement.refine_mask(*crowded)[0]
    assert float((pass_by_hand(*crowded, without=part) - found).abs().max()) > 0.01


@torch.no_grad()
def test_a_separator_without_a_classifier_is_one_pass(plain, separator, network, two_tones):
    wanted = plain.encoder.embed_text(["high"])
    once = plain.mask(two_tones, RATE, "high").values
    torch.testing.assert_close(once, refinement.query_masks(network, two_tones, wanted))
    assert (separator.mask(two_tones, RATE, "high").values - once).abs().max() > 0.01


# The promises


def test_what_is_unwanted_goes_through_the_classifier_too(
    separator, tone_classifier, two_tones, monkeypatch
):
    asked = []
    mask_against = refinement.mask_against
    monkeypatch.setattr(
        refinement, "mask_against", lambda *x: asked.extend(x[2:]) or mask_against(*x)
    )
    separator.separate(two_tones, "low", sample_rate=RATE, unwanted="high")
    words = separator.encoder.embed_text(["low", "high"])
    np.testing.assert_allclose(
        np.concatenate(asked), tone_classifier.expected_embedding(words), atol=1e-6
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
def test_a_network_is_told_what_is_wanted_first(network, fake_encoder):
    """The same of many sounds; and of two that are known, each is what the other is not."""
    waveform, texts = noise(1, 4000), fake_encoder.embed_text(["dog", "rain", "cow"])
    dog, rain, cow = torch.from_numpy(texts)
    together = torch.stack([torch.stack([dog, cow]), torch.stack([rain, cow])])
    told = estimate_mask(network, torch.from_numpy(waveform[None]), together)
    found = refinement.query_masks(network, waveform, texts[:2], texts[2])
    torch.testing.assert_close(found, told)
    (mask,), (other,) = (
        refinement.query_masks(network, waveform, texts[[a]], texts[b]) for a, b in ((0, 1), (1, 0))
    )
    against = refinement.mask_against(network, waveform, texts[:1], texts[1:2])
    torch.testing.assert_close(against[0], fuse_log_odds(mask, other[None], torch.ones(1)))


@torch.no_grad()
def test_the_masks_of_two_known_sounds_add_up_to_one(network, fake_encoder):
    """What one of them gains, the other loses."""
    a, b = fake_encoder.embed_text(["dog"]), fake_encoder.embed_text(["rain"])
    waveform = noise(1, 8000)
    mine, other = (refinement.mask_against(network, waveform, *x) for x in ((a, b), (b, a)))
    assert mine.shape == other.shape and mine.std() > 0.01
    torch.testing.assert_close(mine + other, torch.ones_like(mine), atol=1e-4, rtol=0)


def test_naming_what_is_unwanted_matters_and_needs_no_detector(separator, plain, monkeypatch):
    waveform, ask = noise(1, 8000), {"query": "dog", "sample_rate": RATE}
    told = plain.separate(waveform, unwanted="rain", **ask)
    for other in (plain.separate(waveform, **ask), plain.separate(waveform, unwanted="x", **ask)):
        assert np.abs(told.output - other.output).max() > 1e-3
    monkeypatch.delattr(refinement, "label_probabilities")
    first, again = (separator.separate(waveform, unwanted=x, **ask) for x in ("rain", " rain "))
    assert first.output.tobytes() == again.output.tobytes()


def test_what_cannot_be_told_says_so(separator, make_network, fake_encoder, detector):
    ask = {"recording": noise(1, 800), "query": "dog", "sample_rate": RATE, "unwanted": "rain"}
    reference = Separator(make_network(**SMALL_REFERENCE), fake_encoder, detector=detector)
    with pytest.raises(ValueError, match=r"^The network 'reference' cannot be told what is unwa"):
        reference.separate(**ask)
    with pytest.raises(ValueError, match=r"^NMF cannot be told what is unwanted: .*\.$"):
        separator.separate(method="nmf", **ask)
    for nothing in ("", " "):
        with pytest.raises(ValueError, match="query is empty"):
            separator.separate(**{**ask, "unwanted": nothing})


def test_what_is_unwanted_and_a_mask_exclude_each_other(separator):
    waveform = noise(1, 800)
    masks = separator.separate(waveform, "dog", sample_rate=RATE).masks
    with pytest.raises(ValueError, match=r"^Masks are given: what is unwanted would change nothin"):
        separator.separate(waveform, "dog", sample_rate=RATE, unwanted="rain", masks=masks)


# Where a classifier comes from


@pytest.fixture
def with_classifier(tmp_path, network, fake_encoder, detector, tone_classifier, monkeypatch):
    """A checkpoint whose sidecar names a query classifier; the classifier's path is given, too."""
    path = tone_classifier.save(tmp_path / "tones.classifier")
    named = {"file": path.name, "sha256": checkpoints.sha256(path)}
    info = {"encoder": {"name": "fake", "dim": 8}, "query_classifier": named}
    monkeypatch.setattr(separator_module, "load_encoder", lambda name: fake_encoder)
    monkeypatch.setattr(separator_module, "load_detector", lambda: detector)
    return checkpoints.save(tmp_path / "best.safetensors", network, info), path


def test_the_classifier_that_a_sidecar_names_is_used(with_classifier, separator, two_tones):
    ask = {"recording": two_tones, "query": "low", "sample_rate": RATE}
    found, expected = (x.separate(**ask) for x in (load_separator(with_classifier[0]), separator))
    assert found.output.tobytes() == expected.output.tobytes()


def test_a_sidecar_without_a_classifier_is_one_pass(with_classifier):
    info = checkpoints.describe(with_classifier[0])
    for said in (
        {**info, "query_classifier": None},
        {k: v for k, v in info.items() if k != "query_classifier"},
    ):
        with_classifier[0].with_suffix(".json").write_text(json.dumps(said))
        assert load_separator(with_classifier[0]).classifier is None


def test_a_missing_or_changed_classifier_never_changes_the_method_in_silence(with_classifier):
    checkpoint, path = with_classifier
    small_classifier().save(path)
    with pytest.raises(ValueError, match=r"tones\.classifier' is not the query-classifier that"):
        load_separator(checkpoint)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"tones\.classifier', which .* needs, is missing"):
        load_separator(checkpoint)


@pytest.mark.parametrize("named", [{}, {"file": "x"}, "tones.classifier", {"file": 1, "sha256": 2}])
def test_a_sidecar_that_names_no_file_is_one_sentence(with_classifier, named):
    info = checkpoints.describe(with_classifier[0]) | {"query_classifier": named}
    with_classifier[0].with_suffix(".json").write_text(json.dumps(info))
    with pytest.raises(ValueError, match=r"names no query-classifier file: "):
        load_separator(with_classifier[0])


def test_other_weights_or_another_classifier_are_another_separator():
    known = [
        checkpoints.fingerprint({"sha256": weights, "query_classifier": classifier})
        for weights in ("a", "ab")
        for classifier in (None, {"sha256": "b"}, {"sha256": "bb"}, {"sha256": "c"})
    ]
    assert len(set(known)) == 8 and {len(x) for x in known} == {64}
    assert checkpoints.fingerprint({"sha256": "a"}) == known[0]


def test_the_classifier_beside_the_weights_goes_before_the_shared_one(
    with_classifier, tmp_path, monkeypatch
):
    checkpoint, beside = with_classifier
    info = checkpoints.describe(checkpoint)
    monkeypatch.setattr(checkpoints, "checkpoints_dir", lambda: tmp_path / "shipped")
    shared = tmp_path / "shipped" / "query-classifier" / beside.name
    shared.parent.mkdir(parents=True)
    shared.write_bytes(b"another of that name")
    assert checkpoints.needed_file(checkpoint, info, "query_classifier") == beside
    beside.replace(shared)
    assert checkpoints.needed_file(checkpoint, info, "query_classifier") == shared
