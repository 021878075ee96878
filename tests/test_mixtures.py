"""Recipes, their rendering, the truth that comes with them, manifests, and the augmentation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.data import manifests, mixtures
from textsep_lab.data.augmentation import (
    BAND_SHARE,
    ROOM_SHARE,
    SHARE,
    augment,
    change_speed,
    equalise,
    limit_band,
    reverberate,
)
from textsep_lab.data.mixtures import Clips, Recipe
from textsep_lab.data.sampling import RecipeSampler, active_offset, evaluation_recipes
from textsep_lab.signal import ideal_masks
from textsep_lab.signal.metrics import si_sdr
from textsep_lab.signal.stft import Stft

QUICK = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 10**6)


@pytest.fixture(scope="session")
def clips(table):
    return Clips(table)


@pytest.fixture(scope="session")
def shared_ids(table):
    """The table with Freesound ids that recur across classes, as a few of ESC-50's do."""
    return table.assign(src_file=np.arange(len(table)) % 7)


def energy_db(waveform):
    return 10 * np.log10(np.sum(np.square(waveform, dtype=np.float64)))


def same(a, b):
    return all(
        np.array_equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True)
    )


# Clips


def test_clips_are_read_once_and_kept(clips, table):
    assert len(clips) == len(list(clips)) == len(table)
    for name in clips:
        assert clips[name] is clips[name]
        assert (clips[name].shape, clips[name].dtype) == ((16000,), np.float32)
    assert next(iter(clips)) in clips
    assert "nobody.wav" not in clips


def test_an_unknown_clip_and_a_doubled_name_are_one_sentence(clips, table):
    with pytest.raises(ValueError, match=r"^There is no clip 'nobody\.wav' in this data set\.$"):
        clips["nobody.wav"]
    doubled = table.assign(filename="same.wav")
    with pytest.raises(ValueError, match=r"^Two clips are called 'same\.wav'.*\.$"):
        Clips(doubled)


def test_clips_at_another_rate(table):
    assert Clips(table, 8000)[table["filename"][0]].shape == (8000,)


# Rendering


@QUICK
@given(seed=seeds, snr_db=st.floats(-20, 20), gain_db=st.floats(-20, 20))
def test_the_snr_is_met_and_the_sum_is_exact(clips, seed, snr_db, gain_db):
    rng = np.random.default_rng(seed)
    names = rng.choice(sorted(clips), 2, replace=False)
    offsets = tuple(rng.integers(0, 16000, 2).tolist())
    recipe = Recipe("x", tuple(names), (snr_db,), offsets, 16000, gain_db)
    out = mixtures.render(recipe, clips)
    assert {x.dtype for x in vars(out).values()} == {np.dtype(np.float32)}
    assert {x.shape for x in vars(out).values()} == {(16000,)}
    assert np.array_equal(out.mixture, out.target + out.interference)
    assert energy_db(out.target) - energy_db(out.interference) == pytest.approx(snr_db, abs=1e-3)
    turned = np.roll(clips[names[0]], -offsets[0])
    assert np.allclose(out.target, turned * 10 ** (gain_db / 20), rtol=1e-5)


@QUICK
@given(seed=seeds)
def test_every_interferer_meets_its_own_snr(clips, seed):
    sampler = RecipeSampler(clips, 16000, interferers=(0.0, 0.0, 1.0))
    recipe = sampler(np.random.default_rng(seed))
    whole = mixtures.render(recipe, clips)
    total = np.zeros(16000, np.float32)
    for k, snr_db in enumerate(recipe.snr_db, start=1):
        pair = [(x[0], x[k]) for x in (recipe.sources, recipe.offsets)]
        alone = mixtures.render(Recipe("x", pair[0], (snr_db,), pair[1], 16000), clips)
        share = energy_db(alone.target) - energy_db(alone.interference)
        assert share == pytest.approx(snr_db, abs=1e-3)
        total += alone.interference
    assert len(recipe.snr_db) == 3
    assert np.array_equal(whole.interference, total)


@QUICK
@given(seed=seeds, samples=st.integers(1, 50000))
def test_a_recipe_renders_the_same_samples_every_time(clips, seed, samples):
    recipe = replace(RecipeSampler(clips, 16000)(np.random.default_rng(seed)), samples=samples)
    for change in (None, augment):
        first = mixtures.render(recipe, clips, change)
        assert same(first, mixtures.render(recipe, clips, change))
        assert {x.shape for x in vars(first).values()} == {(samples,)}
        assert all(np.isfinite(x).all() for x in vars(first).values())
        assert np.array_equal(first.mixture, first.target + first.interference)


def test_augmentation_depends_on_the_recipes_seed(clips):
    recipe = RecipeSampler(clips, 16000)(np.random.default_rng(0))
    out = [mixtures.render(replace(recipe, seed=s), clips, augment).mixture for s in range(4)]
    assert not any(np.array_equal(out[0], other) for other in out[1:])


def test_silence_has_no_snr_to_meet():
    clips = {"loud": np.ones(100, np.float32), "silent": np.zeros(100, np.float32)}
    out = mixtures.render(Recipe("x", ("loud", "silent"), (0.0,), (0, 0), 100), clips)
    assert np.array_equal(out.mixture, clips["loud"])
    out = mixtures.render(Recipe("x", ("silent", "loud"), (0.0,), (0, 0), 100), clips)
    assert np.array_equal(out.mixture, clips["loud"])
    assert not out.target.any()


@QUICK
@given(length=st.integers(1, 50), offset=st.integers(-60, 60), samples=st.integers(1, 200))
def test_wrapping_goes_round_the_clip(length, offset, samples):
    wrapped = mixtures.wrapped(np.arange(length), offset, samples)
    assert wrapped.tolist() == [(offset + k) % length for k in range(samples)]


# Choosing what to mix


@QUICK
@given(seed=seeds)
def test_never_two_of_one_class_or_one_freesound_id(clips, shared_ids, seed):
    sampler = RecipeSampler(Clips(shared_ids), 16000, interferers=(1, 1, 1))
    sampler.clips = clips  # the same recordings, read already
    rows = shared_ids.set_index("filename")
    recipe = sampler(np.random.default_rng(seed))
    chosen = rows.loc[list(recipe.sources)]
    assert 2 <= len(chosen) <= 4
    assert chosen["category"].is_unique
    assert chosen["src_file"].is_unique
    assert recipe.label == chosen["category"].iloc[0]
    assert len(recipe.snr_db) == len(chosen) - 1
    assert all(-5 <= snr_db <= 5 for snr_db in recipe.snr_db)
    assert all(0 <= offset < 16000 for offset in recipe.offsets)


def test_the_sampler_is_its_seed(clips):
    def draw(seed):
        rng = np.random.default_rng(seed)
        sampler = RecipeSampler(clips, 16000)
        return [sampler(rng) for _ in range(20)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_the_sampler_meets_its_proportions(clips, table):
    weighted = Clips(table.assign(weight=np.where(table["category"] == "dog", 0.0, 1.0)))
    weighted._read = clips._read
    sampler, rng = RecipeSampler(weighted, 16000, (0, 1), (0.5, 0.5)), np.random.default_rng(0)
    recipes = [sampler(rng) for _ in range(400)]
    assert np.mean([len(r.sources) == 2 for r in recipes]) == pytest.approx(0.5, abs=0.1)
    shares = [np.mean([r.label == c for r in recipes]) for c in table["category"].unique()]
    assert min(shares) == 0.0  # the dog
    assert sorted(shares)[1:] == pytest.approx([0.2] * 5, abs=0.08)


def test_too_few_classes_for_a_mixture(table):
    two = Clips(table[table["category"].isin(["dog", "rain"])])
    with pytest.raises(ValueError, match=r"^Too few classes.*\.$"):
        RecipeSampler(two, 16000)
    RecipeSampler(two, 16000, interferers=(1.0,))


def test_a_table_that_cannot_be_mixed_ends_in_a_sentence_not_in_a_loop(table):
    one_id = Clips(table.assign(src_file=1))
    sampler = RecipeSampler(one_id, 16000)
    with pytest.raises(ValueError, match=r"^Too few .*\.$"):
        sampler(np.random.default_rng(0))


@pytest.mark.parametrize("start", [0, 6000, 15000])
def test_active_offset_avoids_silence(start):
    rng = np.random.default_rng(start)
    waveform = np.zeros(16000, np.float32)
    waveform[(start + np.arange(2000)) % 16000] = rng.standard_normal(2000)
    whole = np.sum(waveform**2)

    def holds_sound(offset):
        return np.sum(mixtures.wrapped(waveform, offset, 4000) ** 2) > 0.1 * whole

    # The sound is an eighth of the clip: a blind crop would miss it more often than not.
    assert np.mean([holds_sound(offset) for offset in range(0, 16000, 400)]) < 0.5
    offsets = [active_offset(waveform, 4000, rng) for _ in range(200)]
    assert np.mean([holds_sound(offset) for offset in offsets]) > 0.97
    assert len(set(offsets)) > 5


@pytest.mark.parametrize("length", [1, 399, 400, 401, 1000])
@pytest.mark.parametrize("samples", [1, 400, 5000])
def test_active_offset_of_short_and_silent_clips(length, samples):
    for waveform in (np.zeros(length, np.float32), np.ones(length, np.float32)):
        offset = active_offset(waveform, samples, np.random.default_rng(0))
        assert 0 <= offset < max(length, 1)


@pytest.mark.parametrize("seed", [0, 1])
def test_evaluation_makes_every_clip_a_target_once(table, shared_ids, seed):
    for rows in (table, shared_ids, shared_ids.sample(frac=1, random_state=1)):
        recipes = evaluation_recipes(rows, seed, samples=16000)
        assert recipes == evaluation_recipes(rows, seed, samples=16000)
        assert [r.sources[0] for r in recipes] == sorted(rows["filename"])
        info = rows.set_index("filename")
        for recipe in recipes:
            target, other = (info.loc[name] for name in recipe.sources)
            assert recipe.label == target["category"] != other["category"]
            assert target["src_file"] != other["src_file"]
            assert (recipe.snr_db, recipe.offsets, recipe.gain_db) == ((0.0,), (0, 0), 0.0)
    assert recipes != evaluation_recipes(rows, seed + 1, samples=16000)


def test_evaluation_needs_an_interferer_for_every_clip(table):
    with pytest.raises(ValueError, match=r"^Too few classes.*\.$"):
        evaluation_recipes(table[table["category"] == "dog"])
    with pytest.raises(ValueError, match=r"^Too few classes.*\.$"):
        evaluation_recipes(table.assign(src_file=1))


# Ideal masks


def spectrogram(seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(2, 33, 20, dtype=torch.complex64, generator=generator)


@QUICK
@given(seed=seeds, scale=st.sampled_from([0.0, 1e-6, 1e-2, 1.0, 1e3]))
def test_ideal_masks_are_masks(seed, scale):
    s, n = spectrogram(seed), spectrogram(seed + 1, scale)
    irm, wiener = ideal_masks.ideal_ratio_mask(s, n), ideal_masks.wiener_mask(s, n)
    psm = ideal_masks.phase_sensitive_mask(s, s + n)
    ibm = ideal_masks.ideal_binary_mask(s, n)
    assert torch.equal(ibm, (wiener > 0.5).float())
    for mask in (ibm, irm, wiener, psm):
        assert mask.shape == s.shape
        assert ((mask >= 0) & (mask <= 1)).all()
    assert torch.allclose(irm.square(), wiener, atol=1e-6)
    assert torch.allclose(wiener + ideal_masks.wiener_mask(n, s), torch.ones(s.shape), atol=1e-5)
    if scale == 0.0:
        assert torch.allclose(psm, torch.ones(s.shape))
    # No other real mask in [0, 1] is closer to the target, in any bin.
    error = (psm * (s + n) - s).abs()
    anything = torch.rand(s.shape, generator=torch.Generator().manual_seed(seed))
    for mask in (irm, wiener, anything):
        assert (error <= (mask * (s + n) - s).abs() + 1e-3 * max(1.0, scale)).all()


def test_silence_masks_to_zero_without_nan():
    zero = torch.zeros(1, 3, 2, dtype=torch.complex64)
    for mask in (
        ideal_masks.ideal_ratio_mask,
        ideal_masks.wiener_mask,
        ideal_masks.phase_sensitive_mask,
    ):
        assert not mask(zero, zero).any()


def test_oracles_are_in_the_order_of_the_textbooks(clips):
    rng, stft, scores = np.random.default_rng(0), Stft(1024, 256), []
    sampler = RecipeSampler(clips, 16000, snr_db=(0, 0), interferers=(1.0,))
    for _ in range(40):
        out = mixtures.render(sampler(rng), clips)
        x, s, n = (
            stft(torch.from_numpy(w)[None]) for w in (out.mixture, out.target, out.interference)
        )
        masks = [
            ideal_masks.phase_sensitive_mask(s, x),
            ideal_masks.wiener_mask(s, n),
            ideal_masks.ideal_ratio_mask(s, n),
            torch.ones(s.shape),
        ]
        estimates = [stft.inverse(mask * x, 16000)[0].numpy() for mask in masks]
        scores.append([float(si_sdr(e, out.target)) for e in estimates])
    psm, wiener, irm, mixture = np.mean(scores, axis=0)
    assert psm > wiener > irm > mixture + 5
    assert mixture == pytest.approx(0, abs=1.5)


# Manifests


@QUICK
@given(
    seed=seeds,
    gain_db=st.floats(-60, 20),
    snr_db=st.floats(-60, 60),
    numpy_numbers=st.booleans(),
    label=st.sampled_from(["dog", "sea_waves", "NaN", "007", "a;b,c", 'say "x"', "Hund 🐕", ""]),
)
def test_a_manifest_renders_the_same_bits(
    tmp_path_factory, clips, seed, gain_db, snr_db, numpy_numbers, label
):
    rng = np.random.default_rng(seed)
    sampler = RecipeSampler(clips, 1000)
    recipes = [replace(sampler(rng), gain_db=gain_db, label=label) for _ in range(3)]
    first = recipes[0].sources[0]
    to = (np.float64, np.int64) if numpy_numbers else (float, int)
    recipes += [
        Recipe("rain", sampler(rng).sources[:2], (to[0](snr_db),), (to[1](1), 2), 500),
        Recipe("alone", (first,), (), (0,), 500),
    ]
    path = manifests.write_manifest(recipes, tmp_path_factory.mktemp("manifest") / "m.csv")
    read = manifests.read_manifest(path)
    assert read == recipes
    for before, after in zip(recipes, read, strict=True):
        assert same(mixtures.render(before, clips), mixtures.render(after, clips))
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1 + len(recipes)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_second_clips_are_of_the_class_and_as_often_as_asked(clips, share):
    sampler = RecipeSampler(clips, 1000, same_class_share=share)
    recipes = [sampler(np.random.default_rng(i)) for i in range(200)]
    pairs = [
        (sampler.category[name], sampler.category[second])
        for r in recipes
        for name, second in zip(r.sources, r.same_class, strict=False)
        if second
    ]
    assert all(first == second for first, second in pairs)
    assert len(pairs) / sum(len(r.sources) for r in recipes) == pytest.approx(share, abs=0.08)
    assert all(len(r.same_class) in (0, len(r.sources)) for r in recipes)
    assert not any(RecipeSampler(clips, 1000)(np.random.default_rng(i)).same_class for i in (1, 2))


def test_a_second_clip_belongs_to_its_source(clips):
    """Mixture and levels are as for any source; only the source with a second clip changes."""
    recipe = RecipeSampler(clips, 2000, same_class_share=0.99)(np.random.default_rng(0))
    recipe = replace(recipe, same_class=(recipe.same_class[0], *("" for _ in recipe.sources[1:])))
    alone, both = (mixtures.render(r, clips) for r in (replace(recipe, same_class=()), recipe))
    assert not np.array_equal(alone.target, both.target)
    assert np.array_equal(both.mixture, both.target + both.interference)
    other = alone.interference * (both.interference @ alone.interference)
    np.testing.assert_allclose(
        both.interference, other / (alone.interference @ alone.interference), atol=1e-5
    )
    if len(recipe.snr_db) == 1:
        ratio = 10 * np.log10(np.sum(both.target**2) / np.sum(both.interference**2))
        assert ratio == pytest.approx(recipe.snr_db[0], abs=1e-3)
    second = mixtures.render(
        recipe, clips, lambda x, rng: x * rng.choice([-1.0, 1.0]).astype(np.float32)
    )
    assert same(
        second,
        mixtures.render(
            recipe, clips, lambda x, rng: x * rng.choice([-1.0, 1.0]).astype(np.float32)
        ),
    )


def test_second_clips_survive_a_manifest(tmp_path, clips):
    sampler = RecipeSampler(clips, 1000, same_class_share=0.5)
    recipes = [sampler(np.random.default_rng(i)) for i in range(20)]
    path = manifests.write_manifest(recipes, tmp_path / "m.csv")
    assert manifests.read_manifest(path) == recipes


def test_evaluation_with_numpy_levels_makes_a_readable_manifest(tmp_path, table):
    recipes = [r for snr in np.array([-5.0, 0, 5]) for r in evaluation_recipes(table, snr_db=snr)]
    assert manifests.read_manifest(manifests.write_manifest(recipes, tmp_path / "m.csv")) == recipes


def test_no_recipes_are_a_manifest_too(tmp_path):
    assert manifests.read_manifest(manifests.write_manifest([], tmp_path / "m.csv")) == []


GOOD = "label,sources,snr_db,offsets,samples,gain_db,seed\ndog,a.wav;b.wav,0.0,0;0,100,0.0,0\n"
BAD_MANIFESTS = {
    "empty": b"",
    "text": b"hello\nthis is, not\na, table, at all\n",
    "binary": bytes(range(256)) * 4,
    "column missing": GOOD.replace("offsets,", "").replace("0;0,", "").encode(),
    "column unknown": GOOD.replace("seed", "sead").encode(),
    "snr no number": GOOD.replace(",0.0,0;0", ",loud,0;0").encode(),
    "offset no number": GOOD.replace("0;0", "0;x").encode(),
    "length no number": GOOD.replace(",100,", ",long,").encode(),
    "gain no number": GOOD.replace(",0.0,0\n", ",loud,0\n").encode(),
    "seed no number": GOOD.replace(",0.0,0\n", ",0.0,x\n").encode(),
    "length missing": GOOD.replace(",100,", ",,").encode(),
    "too few offsets": GOOD.replace("0;0", "0").encode(),
    "too many snr": GOOD.replace(",0.0,0;0", ",0.0;1.0,0;0").encode(),
    "cut in a row": GOOD[:-12].encode(),
    "quote left open": GOOD.replace("dog", '"dog').encode(),
    "a clip elsewhere": GOOD.replace("a.wav", "/etc/passwd").encode(),
    "a clip above": GOOD.replace("a.wav", "../a.wav").encode(),
    "more samples than memory": GOOD.replace(",100,", f",{10**12},").encode(),
    "negative length": GOOD.replace(",100,", ",-1,").encode(),
    "gain NaN": GOOD.replace(",0.0,0\n", ",nan,0\n").encode(),
    "gain beyond floats": GOOD.replace(",0.0,0\n", ",1e999,0\n").encode(),
    "snr beyond hearing": GOOD.replace(",0.0,0;0", ",1e6,0;0").encode(),
    "negative seed": GOOD.replace(",0.0,0\n", ",0.0,-1\n").encode(),
    "endless offset": GOOD.replace("0;0", "0;1" + 5000 * "0").encode(),
    "a row too long": (GOOD + "dog,a.wav;b.wav,0.0,0;0,100,0.0,0,7,8\n").encode(),
}


def test_the_manifest_that_is_spoilt_below_is_good(tmp_path):
    (tmp_path / "m.csv").write_text(GOOD)
    recipe = Recipe("dog", ("a.wav", "b.wav"), (0.0,), (0, 0), 100)
    assert manifests.read_manifest(tmp_path / "m.csv") == [recipe]


@pytest.mark.parametrize("content", BAD_MANIFESTS.values(), ids=BAD_MANIFESTS)
def test_a_bad_manifest_is_one_sentence_that_names_it(tmp_path, content):
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        manifests.read_manifest(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"'{path}' is not a manifest of mixtures")
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_a_missing_manifest(tmp_path):
    for path in (tmp_path / "m.csv", tmp_path):
        with pytest.raises(FileNotFoundError, match=r"^There is no manifest '.*'\.$"):
            manifests.read_manifest(path)


# Augmentation


@QUICK
@given(seed=seeds, length=st.integers(1, 5000))
def test_augment_keeps_type_and_finiteness_and_is_its_seed(seed, length):
    waveform = np.random.default_rng(1).uniform(-1, 1, length).astype(np.float32)
    before = waveform.copy()
    out = augment(waveform, np.random.default_rng(seed))
    assert (out.dtype, out.ndim) == (np.float32, 1)
    assert np.isfinite(out).all()
    assert np.array_equal(out, augment(waveform, np.random.default_rng(seed)))
    assert np.array_equal(waveform, before)
    assert length * np.exp(-0.3) - 1 <= len(out) <= length * np.exp(0.3) + 1
    assert np.abs(out).max() < 20


def test_augment_changes_what_it_names_as_often_as_it_says():
    waveform = np.random.default_rng(1).uniform(-1, 1, 500).astype(np.float32)
    out = [augment(waveform, np.random.default_rng(seed)) for seed in range(400)]
    assert np.mean([len(x) != 500 for x in out]) == pytest.approx(SHARE, abs=0.08)
    same_length = [x for x in out if len(x) == 500]
    changed = [not np.array_equal(np.abs(x), np.abs(waveform)) for x in same_length]
    kept = (1 - SHARE) * (1 - ROOM_SHARE) * (1 - BAND_SHARE)
    assert np.mean(changed) == pytest.approx(1 - kept, abs=0.08)
    signs = [np.sign(np.dot(x, waveform)) for x in same_length]
    assert np.mean(signs) == pytest.approx(0, abs=0.15)


def test_augmented_silence_is_silence():
    for seed in range(8):
        assert not augment(np.zeros(500, np.float32), np.random.default_rng(seed)).any()


@QUICK
@given(speed=st.floats(0.5, 2.0), frequency=st.floats(50, 500))
def test_speed_moves_the_pitch(speed, frequency):
    time = np.arange(8000) / 16000
    out = change_speed(np.sin(2 * np.pi * frequency * time).astype(np.float32), speed)
    expected = np.sin(2 * np.pi * frequency * speed * np.arange(len(out)) / 16000)
    assert len(out) == int(8000 / speed)
    assert np.abs(out[:-2] - expected[:-2]).max() < 0.01


def test_speed_one_and_a_flat_equaliser_change_nothing():
    waveform = np.random.default_rng(1).uniform(-1, 1, 1000).astype(np.float32)
    assert np.array_equal(change_speed(waveform, 1.0), waveform)
    assert equalise(waveform, np.zeros(5)) == pytest.approx(waveform, abs=1e-6)
    assert equalise(waveform, np.full(5, 6.0)) == pytest.approx(waveform * 10 ** (6 / 20), abs=1e-5)


def test_the_equaliser_meets_its_gains():
    time = np.arange(16000) / 16000
    gains_db = np.array([0.0, -8.0, 8.0, 4.0, -4.0])
    points = 700 * (10 ** (np.linspace(0, np.log10(1 + 8000 / 700), 5)) - 1)
    for frequency, gain_db in zip(points[1:4].round(), gains_db[1:4], strict=True):
        tone = np.sin(2 * np.pi * frequency * time).astype(np.float32)
        change_db = energy_db(equalise(tone, gains_db)) - energy_db(tone)
        assert change_db == pytest.approx(gain_db, abs=0.1)


@QUICK
@given(
    seed=seeds,
    length=st.integers(1, 5000),
    t60=st.floats(0.1, 1.0),
    level_db=st.floats(-15, 0),
    low=st.sampled_from([0.0, 50.0, 300.0]),
    high=st.sampled_from([2500.0, 8000.0, np.inf]),
)
def test_room_and_band_keep_length_type_and_finiteness(seed, length, t60, level_db, low, high):
    waveform = np.random.default_rng(1).uniform(-1, 1, length).astype(np.float32)
    before = waveform.copy()
    changes = (
        lambda x: reverberate(x, t60, level_db, np.random.default_rng(seed)),
        lambda x: limit_band(x, low, high),
    )
    for change in changes:
        out = change(waveform)
        assert (out.dtype, out.shape) == (np.float32, waveform.shape)
        assert np.isfinite(out).all()
        assert np.array_equal(out, change(waveform)) and np.array_equal(waveform, before)
        assert not change(np.zeros(length, np.float32)).any()
        assert change(2 * waveform) == pytest.approx(2 * out, abs=1e-4)


@pytest.mark.parametrize("t60", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("level_db", [-15.0, 0.0])
def test_a_room_decays_by_60_db_in_its_t60_after_the_direct_sound(t60, level_db):
    click = np.zeros(24000, np.float32)
    click[100] = 1.0
    heard = reverberate(click, t60, level_db, np.random.default_rng(0))
    assert np.abs(heard[:100]).max() < 1e-5  # nothing before its cause
    assert heard[100] == pytest.approx(1.0, abs=1e-5)
    tail = heard[101:]
    assert energy_db(tail) == pytest.approx(level_db, abs=0.01)
    length = int(t60 * 16000)
    frames = np.square(tail[: length // 20 * 20], dtype=np.float64).reshape(20, -1).mean(1)
    slope = np.polyfit(np.arange(20) / 20, 10 * np.log10(frames), 1)[0]  # dB a T60
    assert slope == pytest.approx(-60, abs=4)


def test_the_direct_sound_stays_in_a_room():
    waveform = np.random.default_rng(2).standard_normal(16000).astype(np.float32)
    added = reverberate(waveform, 0.5, -6.0, np.random.default_rng(0)) - waveform
    assert abs(np.corrcoef(added, waveform)[0, 1]) < 0.05
    assert energy_db(added) - energy_db(waveform) == pytest.approx(-6, abs=1.5)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 2500), (0, 4000), (50, np.inf), (300, np.inf), (300, 3000)]
)
def test_a_limited_band_loses_what_lies_outside_and_nothing_else(low, high):
    time = np.arange(16000) / 16000

    def change_db(hertz):
        tone = np.sin(2 * np.pi * hertz * time).astype(np.float32)
        return energy_db(limit_band(tone, low, high)) - energy_db(tone)

    inside = [x for x in (400, 1000, 2000, 3000, 6000) if 1.3 * low < x < high / 1.3]
    assert max(abs(change_db(x)) for x in inside) < 0.15
    if high < 8000:
        assert change_db(high) == pytest.approx(-3, abs=0.2)
        assert change_db(1.5 * high) < -25
    if low:
        assert change_db(low) == pytest.approx(-3, abs=0.2)
        assert change_db(low / 2) < -40
