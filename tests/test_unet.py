"""The networks: shapes, FiLM, the one that takes no query, and how far a mask depends."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.models.config import CONFIGS, UNetConfig
from textsep_lab.models.film import FiLM
from textsep_lab.models.masking import (
    apply_mask,
    apply_to_channels,
    band_power,
    estimate_mask,
    features,
    in_chunks,
    network_stft,
)
from textsep_lab.models.registry import build, parameter_count
from textsep_lab.signal import audio

QUICK = settings(max_examples=15, deadline=None)
SMALL_REFERENCE = {
    "name": "reference",
    "channels": (4, 8, 8, 8),
    "n_bands": None,
    "n_fft": 64,
    "hop_length": 16,
}
GUIDED = {"name": "guided"}
ARCHITECTURES = [{}, SMALL_REFERENCE, GUIDED]
NAMES = ["compact", "reference", "guided"]


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def sound(*shape, seed=0):
    """Magnitudes as the network sees them, ``[batch, n_freq, time]``."""
    return random(*shape, seed=seed).abs()


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=NAMES)
def net(request, make_network):
    return make_network(**request.param)


@QUICK
@given(batch=st.integers(1, 3), frames=st.integers(1, 70), seed=st.integers(0, 99))
@torch.inference_mode()
def test_mask_has_the_shape_of_the_input_and_lies_in_0_1(net, batch, frames, seed):
    x = sound(batch, net.config.n_freq, frames, seed=seed)
    mask = net(x, random(batch, 8, seed=seed))
    assert mask.shape == x.shape
    assert ((mask >= 0) & (mask <= 1)).all()
    # Weights that saturate or die would let every other test here pass.
    assert mask.min() < mask.max()
    assert 0.02 < mask.mean() < 0.98


@torch.inference_mode()
def test_silence_and_thunder_give_finite_masks(net):
    for level in (0.0, 1e-12, 1e6):
        mask = net(level * sound(1, net.config.n_freq, 20), random(1, 8))
        assert torch.isfinite(mask).all()


@torch.inference_mode()
def test_the_query_matters_and_the_same_query_gives_the_same_mask(net):
    x = sound(1, net.config.n_freq, 30).expand(3, -1, -1)
    query = random(2, 8)[[0, 1, 0]]
    a, b, a_again = net(x, query)
    assert (a - b).abs().max() > 1e-3
    assert torch.allclose(a, a_again, atol=1e-6)


@torch.inference_mode()
def test_in_evaluation_a_clip_does_not_depend_on_the_rest_of_the_batch(net):
    x, query = sound(4, net.config.n_freq, 37), random(4, 8)
    together = net(x, query)
    alone = torch.cat([net(x[i : i + 1], query[i : i + 1]) for i in range(4)])
    assert torch.allclose(together, alone, atol=1e-5)
    reordered = net(x.flip(0), query.flip(0)).flip(0)
    assert torch.allclose(together, reordered, atol=1e-5)


def test_in_training_every_parameter_learns(net, make_network):
    network = make_network(**{k: v for k, v in vars(net.config).items() if k != "text_dim"})
    x = sound(2, network.config.n_freq, 32)
    network.train()(x, random(2, 2, 8)).square().mean().backward()
    learning = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
    dead = [n for n, p in learning if p.grad is None or not p.grad.any()]
    assert dead == []


def test_a_network_that_takes_a_query_does_not_go_without(net):
    with pytest.raises(TypeError):
        net(sound(1, net.config.n_freq, 24))


# What is unwanted


@torch.inference_mode()
def test_an_unwanted_sound_of_length_zero_changes_nothing(net):
    x, wanted = sound(3, net.config.n_freq, 30), random(3, 8)
    nothing = torch.stack([wanted, torch.zeros_like(wanted)], 1)
    assert torch.equal(net(x, nothing), net(x, wanted))


@torch.inference_mode()
def test_a_new_network_has_yet_to_learn_what_unwanted_means(make_network):
    network = build(make_network().config).eval()
    assert not network.unwanted.weight.any()
    for film in (m for m in network.modules() if isinstance(m, FiLM)):
        film.linear.weight.add_(0.1 * random(*film.linear.weight.shape))
    x, wanted = sound(1, network.config.n_freq, 30), random(1, 8)
    told = network(x, torch.stack([wanted, random(1, 8, seed=1)], 1))
    assert torch.equal(told, network(x, wanted))
    assert not torch.allclose(told, network(x, random(1, 8, seed=1)), atol=1e-4)


@torch.inference_mode()
def test_the_reference_cannot_be_told_what_is_unwanted(net):
    x, wanted, other = sound(1, net.config.n_freq, 30), random(1, 8), random(1, 8, seed=1)
    alone, told = net(x, wanted), net(x, torch.stack([wanted, other], 1))
    assert (net.config.name != "reference") == net.TAKES_UNWANTED
    if not net.TAKES_UNWANTED:
        assert torch.equal(told, alone)
        return
    assert (told - alone).abs().max() > 1e-3
    surer = net(x, torch.stack([wanted, 2 * other], 1))
    assert (surer - told).abs().max() > 1e-3
    swapped = net(x, torch.stack([other, wanted], 1))
    assert (swapped - told).abs().max() > 1e-3


# FiLM


@pytest.mark.parametrize("shape", [(2, 6, 5, 7), (2, 6, 9)])
def test_film_is_its_formula_and_starts_as_the_identity(shape):
    film, x, query = FiLM(3, 6), random(*shape), random(2, 3, seed=1)
    assert torch.equal(film(x, query), x)
    with torch.no_grad():
        film.linear.weight.copy_(random(12, 3, seed=2))
        film.linear.bias.copy_(random(12, seed=3))
    out = film(x, query)
    for b in range(2):
        gamma, beta = (film.linear.weight @ query[b] + film.linear.bias).split(6)
        for c in range(6):
            assert torch.allclose(out[b, c], (1 + gamma[c]) * x[b, c] + beta[c], atol=1e-5)


def test_film_without_a_query_has_no_weights_and_does_nothing():
    film, x = FiLM(None, 6), random(2, 6, 4)
    assert parameter_count(film) == 0
    assert film(x, None) is x


@pytest.mark.parametrize("changes", ARCHITECTURES, ids=NAMES)
@torch.inference_mode()
def test_an_untrained_network_does_not_depend_on_the_query_yet(changes):
    network = build(UNetConfig(**{"channels": (4, 8), "n_bands": 16, "text_dim": 8, **changes}))
    x = sound(1, network.config.n_freq, 24)
    a, b = (network.eval()(x, random(1, 8, seed=seed)) for seed in (1, 2))
    assert torch.equal(a, b)


# The text-agnostic network


@pytest.mark.parametrize("changes", [{}, SMALL_REFERENCE], ids=["compact", "reference"])
@torch.inference_mode()
def test_the_text_agnostic_network_ignores_the_query(make_network, changes):
    text_agnostic, network = make_network(**changes, text_dim=None), make_network(**changes)
    x = sound(2, text_agnostic.config.n_freq, 24)
    assert torch.equal(text_agnostic(x, random(2, 8)), text_agnostic(x))
    assert torch.equal(text_agnostic(x, random(2, 3)), text_agnostic(x, None))
    assert torch.equal(text_agnostic(x, random(2, 2, 8)), text_agnostic(x, None))
    names = [name for name, _ in text_agnostic.named_parameters()]
    assert not any("film" in name or "wanted" in name for name in names)
    # Otherwise it is the same network.
    shapes = {n: p.shape for n, p in network.named_parameters() if n in names}
    assert shapes == {n: p.shape for n, p in text_agnostic.named_parameters()}
    assert len(names) < len(list(network.parameters()))


@pytest.mark.parametrize("name", CONFIGS)
def test_named_configurations_build_with_any_query_size(name):
    with torch.device("meta"):
        sizes = [parameter_count(build(name, text_dim)) for text_dim in (None, 8, 384)]
        assert sizes == sorted(set(sizes))
        as_configured = build(name)
    assert as_configured.config == CONFIGS[name]


# The network that a text-agnostic one guides


def test_the_guide_inside_stays_as_it_is(make_network):
    network = make_network(**GUIDED).train()
    before = {k: v.clone() for k, v in network.text_agnostic.state_dict().items()}
    assert not network.text_agnostic.training
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    network(sound(2, 16, 32), random(2, 8)).square().mean().backward()
    optimizer.step()
    assert all(torch.equal(before[k], v) for k, v in network.text_agnostic.state_dict().items())


@torch.inference_mode()
def test_a_guided_network_starts_as_the_one_it_starts_from(make_network):
    channels = (6, 8)
    guided, plain = make_network(**GUIDED, channels=channels), make_network(1, channels=channels)
    x, query = sound(2, 16, 40), random(2, 8)
    assert not torch.allclose(guided(x, query), plain(x, query), atol=1e-2)
    guided.start_from(plain)
    assert torch.allclose(guided(x, query), plain(x, query), atol=1e-6)


@torch.inference_mode()
def test_what_the_guide_says_matters(make_network):
    guided, x, query = make_network(**GUIDED), sound(2, 16, 40), random(2, 8)
    mask = guided(x, query)
    guided.text_agnostic = make_network(text_dim=None, seed=5)
    assert (guided(x, query) - mask).abs().max() > 1e-3


@torch.inference_mode()
def test_one_recording_with_many_queries_is_divided_once(make_network):
    guided, x, query = make_network(**GUIDED), sound(1, 16, 40), random(3, 8)
    apart = guided(x.repeat(3, 1, 1), query)
    asked = []
    guided.text_agnostic.register_forward_hook(lambda _, inputs, __: asked.append(len(inputs[0])))
    assert torch.allclose(guided(x.expand(3, -1, -1), query), apart, atol=1e-6)
    assert asked == [1]


# Configurations


def test_reference_has_16_755_777_parameters():
    with torch.device("meta"):
        assert parameter_count(build("reference")) == 16_755_777


@torch.inference_mode()
def test_reference_keeps_all_bins_of_a_scaled_down_copy():
    config = replace(CONFIGS["reference"], channels=(2, 4, 4, 8), text_dim=6)
    mask = build(config).eval()(sound(2, 513, 33), random(2, 6))
    assert mask.shape == (2, 513, 33)
    assert ((mask >= 0) & (mask <= 1)).all()


@pytest.mark.parametrize("name", ["huge", "", "Compact"])
def test_an_unknown_name_is_one_sentence(name):
    with pytest.raises(
        ValueError, match=r"^There is no network '.*': use compact, guided or refer"
    ):
        build(name)


# How far a mask depends


@pytest.mark.parametrize("changes", [*ARCHITECTURES, {"channels": (4, 4, 8)}])
@torch.inference_mode()
def test_the_mask_depends_on_no_frame_beyond_its_context(make_network, changes):
    network = make_network(**changes).double()  # the deepest path adds little to the mask
    context = network.context_frames
    x, query = sound(1, network.config.n_freq, 3 * context).double(), random(1, 8).double()
    mask, reach = network(x, query), 0
    for at in range(context, context + network.stride):  # every position in the pooling grid
        changed = x.clone()
        changed[..., at] *= 30
        difference = (network(changed, query) - mask).abs().amax((0, 1))
        assert difference[at] > 1e-3
        reach = max(reach, int((difference > 1e-12).nonzero().sub(at).abs().max()))
    assert context / 2 < reach <= context  # no more overlap than it takes


@torch.inference_mode()
def test_a_chunk_with_its_context_gives_the_same_mask(net):
    stride, context = net.stride, net.context_frames + -net.context_frames % net.stride
    frames = 4 * context + 3
    x, query = sound(1, net.config.n_freq, frames), random(1, 8)
    whole = net(x, query)
    for first, last in ((0, 2 * context), (stride, 3 * context), (2 * context, frames)):
        part = net(x[..., first:last], query)
        inner = slice(0 if first == 0 else context, None if last == frames else -context)
        difference = (part - whole[..., first:last])[..., inner]
        assert difference.numel() > 0
        assert difference.abs().max() < 1e-5
    # An unaligned chunk would not do: the pooling grid moves with it.
    moved = net(x[..., 1 : 3 * context], query) - whole[..., 1 : 3 * context]
    assert moved[..., context:-context].abs().max() > 1e-5


@QUICK
@given(frames=st.integers(1, 400), chunk=st.integers(1, 12))
@torch.inference_mode()
def test_in_chunks_is_one_pass(net, frames, chunk):
    x, query = sound(1, net.config.n_freq, frames), random(1, 8)
    chunked = in_chunks(net, x, query, chunk * net.stride)
    assert chunked.shape == x.shape
    assert (chunked - net(x, query)).abs().max() < 1e-5


# From waveform to mask to waveform


@pytest.mark.parametrize("name", ["compact", "reference"])
def test_white_noise_of_any_level_has_magnitude_1_in_every_band(name):
    config, noise = CONFIGS[name], 0.03 * random(1, 20 * 16000)
    level = noise.square().mean(-1).sqrt()
    seen = features(network_stft(config).magnitude(noise), level, config)
    assert seen.shape[1] == config.n_freq
    rms = seen.square().mean((0, 2)).sqrt()
    torch.testing.assert_close(rms, torch.ones(config.n_freq), atol=0.15, rtol=0)


@pytest.mark.parametrize("name", ["compact", "reference"])
def test_bands_share_the_power_of_all_channels(name):
    config, waveform = CONFIGS[name], random(1, 5000).numpy()
    power = band_power(waveform, config)
    whole = network_stft(config).magnitude(random(1, 5000))[0].square()
    assert power.shape == (config.n_freq, whole.shape[-1])
    close = partial(torch.testing.assert_close, rtol=1e-3, atol=1e-2)
    close(power.sum(0), whole.sum(0))
    close(band_power(3 * waveform, config), 9 * power)
    beside_silence = band_power(np.concatenate([waveform, 0 * waveform]), config)
    close(beside_silence, power / 2)


@pytest.mark.parametrize("rate", [32000, 44100])
@torch.inference_mode()
def test_a_mask_does_the_same_to_a_recording_at_another_rate(rate):
    """As the window is as long in seconds; with as many samples, the bands would be blurred."""
    config, waveform = CONFIGS["compact"], random(1, 16000)
    bands = (torch.arange(64) % 16 < 8).float()
    mask = bands[None, :, None].expand(1, 64, network_stft(config).frames(16000))
    own = apply_mask(mask, waveform, 16000, config)
    resampled = torch.from_numpy(audio.resample(waveform.numpy(), 16000, rate))
    other = apply_mask(mask, resampled, rate, config).numpy()
    inner = slice(1000, -1000)  # the resampler's own edges are of no interest
    back = torch.from_numpy(audio.resample(other, rate, 16000))[:, :16000]
    error = (back - own)[:, inner].square().sum() / own[:, inner].square().sum()
    assert 10 * error.log10() < -33


@torch.inference_mode()
def test_channels_are_masked_alike_and_one_by_one():
    config, waveform = CONFIGS["compact"], random(3, 8000)
    mask = random(1, 64, 16).sigmoid()
    out = apply_to_channels(mask, waveform.numpy(), 16000, config)
    assert (out.shape, out.dtype) == ((3, 8000), waveform.numpy().dtype)
    expected = apply_mask(mask, waveform, 16000, config)
    assert torch.allclose(torch.from_numpy(out), expected, atol=1e-5)


@torch.inference_mode()
def test_a_mask_does_not_depend_on_the_level_of_the_recording(net):
    waveform, query = random(1, 4000), random(1, 8)
    mask = estimate_mask(net, waveform, query)
    for gain in (0.01, 10.0):
        assert torch.allclose(estimate_mask(net, gain * waveform, query), mask, atol=1e-4)
    rms = waveform.square().mean(-1).sqrt()
    assert torch.allclose(estimate_mask(net, waveform, query, rms), mask, atol=1e-5)
    assert not torch.allclose(estimate_mask(net, waveform, query, 4 * rms), mask, atol=1e-4)
    both = torch.stack([waveform, -waveform], 1)  # the level of channels is that of their samples
    assert torch.allclose(estimate_mask(net, both, query), mask, atol=1e-4)


@torch.inference_mode()
def test_many_queries_of_one_waveform_are_answered_as_one_by_one(net):
    waveform, queries = random(1, 2, 5000), random(4, 2, 8)
    together = estimate_mask(net, waveform, queries)
    alone = torch.cat([estimate_mask(net, waveform, query[None]) for query in queries])
    assert together.shape == alone.shape and len(together) == 4
    assert torch.allclose(together, alone, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3


@pytest.mark.parametrize("config", [CONFIGS["compact"], CONFIGS["reference"]])
@QUICK
@given(rate=st.sampled_from([8000, 16000, 22050, 48000]), value=st.floats(0, 1))
@torch.inference_mode()
def test_a_constant_mask_scales(config, rate, value):
    waveform = random(2, rate // 5 + 1)
    mask = torch.full((1, config.n_freq, 5), value)
    out = apply_mask(mask, waveform, rate, config)
    assert out.shape == waveform.shape
    assert torch.allclose(out, value * waveform, atol=1e-4)
