"""What is tried to see whether the promises hold: hostile recordings, files, words and moments.

Everything is generated from a seed. Taught in notebook 05.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from textsep_lab.encoders.query_grammar import parse_query
from textsep_lab.models import checkpoints
from textsep_lab.separation.file import separate_file
from textsep_lab.separation.result import NAMES
from textsep_lab.separation.separator import Separator
from textsep_lab.signal import audio
from textsep_lab.signal.audio_format import CONTAINERS, AudioFormat
from textsep_lab.signal.metrics import si_sdr
from textsep_lab.signal.stretches import CONTEXT
from textsep_lab.utils.paths import demo_data_dir
from textsep_lab.utils.transactions import verify

RATE, QUERY = 16000, "dog barking"
FAR_DB = -60.0  # what lies beyond the context may change a sample by so much
LOSS_DB = 1.0  # what surrounds a window may cost so much inside


@dataclass(frozen=True)
class Case:
    """One thing that is tried.

    Args:
        kind, name: of what.
        call: does it; what it returns is True if it was right.
        refusable: a sentence is as good.
    """

    kind: str
    name: str
    call: Callable[[], Any]
    refusable: bool = False


def _surroundings(separator: Separator, rng: np.random.Generator, _: Path, kind: str) -> Case:
    """Whatever precedes and follows a window, it is separated as it is alone."""
    mixture, target = (
        audio.load(demo_data_dir() / f"{name}.wav")[0] for name in ("mixture", "target")
    )
    before, after = (_disturbance(rng, rng.uniform(0.5, 8)) for _ in range(2))
    gain = 10 ** (rng.uniform(-40, 0) / 20)
    start = before[1].shape[1] / RATE
    wave = np.concatenate([before[1], gain * mixture, after[1]], 1, dtype=np.float32)

    def call() -> bool:
        window = (start, start + mixture.shape[1] / RATE)
        out = separator.separate(wave, QUERY, windows=[window], sample_rate=RATE)
        inside = out.output[0, before[1].shape[1] :][: mixture.shape[1]]
        alone = separator.separate(gain * mixture, QUERY, sample_rate=RATE).output[0]
        found, wanted = (si_sdr(x, target[0]) for x in (inside, alone))
        return bool(found > wanted - LOSS_DB) and out.confidence > 0.9

    return Case(kind, f"{before[0]}, then {after[0]}, {20 * np.log10(gain):.0f} dB", call)


def _far(separator: Separator, rng: np.random.Generator, _: Path, kind: str) -> Case:
    """What lies further away than the context changes nothing."""
    seconds = float(rng.uniform(1, 3))
    near = 0.1 * rng.standard_normal((1, round((seconds + 2 * CONTEXT) * RATE)), dtype=np.float32)
    far = [_disturbance(rng, rng.uniform(1, 6)) for _ in range(2)]
    silence = [np.zeros_like(x) for _, x in far]
    where = far[0][1].shape[1] + round(CONTEXT * RATE)

    def call() -> bool:
        one, two = (
            separator.separate(np.concatenate([a, near, b], 1), QUERY, sample_rate=RATE).output[
                :, where : where + round(seconds * RATE)
            ]
            for a, b in ((far[0][1], far[1][1]), silence)
        )
        change = np.square(one - two).sum() / np.square(two).sum()
        return bool(change < 10 ** (FAR_DB / 10))

    return Case(kind, f"{far[0][0]} before, {far[1][0]} after", call)


def _disturbance(rng: np.random.Generator, seconds: float) -> tuple[str, np.ndarray]:
    """Return a name and a waveform ``[1, samples]`` of something loud, quiet or odd."""
    n, level = round(seconds * RATE), float(10 ** rng.uniform(-3, 1.5))
    clicks = np.zeros((1, n))
    clicks[0, rng.choice(n, 5)] = 1
    kinds = {
        "noise": rng.standard_normal((1, n)),
        "a tone": np.sin(2 * np.pi * rng.uniform(30, 7000) * np.arange(n) / RATE)[None],
        "clicks": clicks,
        "silence": np.zeros((1, n)),
        "an offset": np.ones((1, n)),
        "rumble": np.sin(2 * np.pi * rng.uniform(1, 10) * np.arange(n) / RATE)[None],
    }
    name = str(rng.choice(list(kinds)))
    return f"{name} ({20 * np.log10(level):.0f} dB)", (level * kinds[name]).astype(np.float32)


def _stored(separator: Separator, rng: np.random.Generator, folder: Path, kind: str) -> Case:
    """Outside the windows a saved file holds the samples of the one that was read, bit for bit."""
    container = str(rng.choice(list(CONTAINERS)))
    lossless = [x for x in sf.available_subtypes(container) if AudioFormat(container, x).lossless]
    subtype = str(rng.choice(lossless or ["VORBIS"]))
    rate, channels = int(rng.choice([8000, 11025, 44100, 48000])), int(rng.integers(1, 4))
    samples = rng.uniform(-0.9, 0.9, (int(rng.uniform(0.3, 0.6) * rate), channels))
    path = folder / f"{len(list(folder.iterdir()))}{CONTAINERS[container]}"
    out = path.with_suffix("")

    def call() -> bool:
        sf.write(path, samples, rate, subtype, format=container)
        result = separate_file(separator, path, out, "rain", [(0.1, 0.2)])
        before, _ = sf.read(path, dtype="float64", always_2d=True)
        after, same = sf.read(result.files[0], dtype="float64", always_2d=True)
        outside = np.r_[: round(0.1 * rate), round(0.2 * rate) : len(before)]
        return same == rate and np.array_equal(before[outside], after[outside])

    return Case(kind, f"{container} {subtype}, {rate} Hz, {channels} channels", call)


def _damaged(_: Separator, rng: np.random.Generator, folder: Path, kind: str) -> Case:
    """A cut or changed file is read whole or refused, and never silently shortened."""
    container = str(rng.choice(["WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU", "W64", "RF64"]))
    count, path = int(rng.integers(2000, 20000)), folder / "damaged"
    sf.write(path, rng.uniform(-0.5, 0.5, (count, 2)), 8000, format=container)
    data, cut = bytearray(path.read_bytes()), bool(rng.random() < 0.5)
    if cut:
        del data[int(rng.integers(1, len(data))) :]
    else:
        for place in rng.integers(0, len(data), int(rng.integers(1, 9))):
            data[place] = int(rng.integers(256))

    def call() -> bool:
        path.write_bytes(data)
        waveform, _ = audio.load(path)
        return not cut or waveform.shape[1] >= count or container == "MP3"  # of frames, no length

    return Case(kind, f"{container}, {'cut' if cut else 'changed'}", call, refusable=True)


def _asked(separator: Separator, rng: np.random.Generator, _: Path, kind: str) -> Case:
    """A request is carried out or refused in a sentence, whatever is in it."""
    odd = [None, "", "auto", -1, 0, 1e9, float("nan"), float("inf"), [], [(0, 1)], [(1, 0)],
           [("a", 2)], "keep", b"x", {}, True, np.float32(0.1), "not", "🐶", "x" * 999]  # fmt: skip
    names = ("query", "mode", "windows", "fade", "method", "components", "unwanted", "sample_rate")
    name, value = str(rng.choice(names)), odd[rng.integers(len(odd))]
    wave = 0.1 * rng.standard_normal((1, 8000), dtype=np.float32)
    given = {"query": "dog", "sample_rate": RATE} | {name: value}

    def call() -> bool:
        out = separator.separate(wave, **given)
        return bool(np.isfinite(out.output).all()) and out.output.shape == wave.shape

    return Case(kind, f"{name}={value!r:.40}", call, refusable=True)


def _said(_: Separator, rng: np.random.Generator, __: Path, kind: str) -> Case:
    """Negations and conjunctions are understood or refused."""
    a, b = rng.choice(["dog", "rain", "a siren", "the sea", "church bells"], 2, replace=False)
    frames = {
        "{a}": ((a,), False, ()), "{a} and {b}": ((a, b), False, ()),
        "{a} or {b}": ((a, b), False, ()), "not {a}": ((a,), True, ()),
        "everything but {a}": ((a,), True, ()), "all except {a} and {b}": ((a, b), True, ()),
        "{a} but not {b}": ((a,), False, (b,)), "remove {a}": ((a,), True, ()),
    }  # fmt: skip
    frame = str(rng.choice(list(frames)))

    def call() -> bool:
        found = parse_query(frame.format(a=a, b=b))
        return (found.sounds, found.complement, found.unwanted) == frames[frame]

    return Case(kind, frame, call)


def _weights(separator: Separator, rng: np.random.Generator, folder: Path, kind: str) -> Case:
    """Damaged weights and descriptions are refused."""
    path = folder / "weights.safetensors"
    checkpoints.save(path, separator.network, {**separator.info, "query_classifier": None})
    target = path if rng.random() < 0.5 else path.with_suffix(".json")
    data = bytearray(target.read_bytes())
    if rng.random() < 0.5:
        del data[int(rng.integers(0, len(data))) :]
    else:
        data[int(rng.integers(min(len(data), 2000)))] ^= int(rng.integers(1, 256))

    def call() -> bool:
        target.write_bytes(data)
        checkpoints.load(path)
        return target.suffix == ".json"  # a letter of a description may well be another

    return Case(kind, target.suffix, call, refusable=True)


SAVER = """
import sys
import numpy as np
from textsep_lab.separation.result import Separation
x = np.zeros((1, 400), np.float32)
for turn in range(10**6):
    Separation(
        x, x, x, (), x[0], sample_rate=8000, query="rain", mode="keep", windows=None, fade=0.0,
        method="unet", auto_windows=False, confidence=0.5, energy_share=turn / 1e6,
    ).save(sys.argv[1], overwrite=True, figure=False)
    if turn == 0:
        print("ready", flush=True)
"""


def _killed(_: Separator, rng: np.random.Generator, folder: Path, kind: str) -> Case:
    """A run that is killed leaves one result, whole, or none that claims to be."""
    moment = float(rng.uniform(0, 0.05))

    def call() -> bool:
        out = folder / "killed"
        child = subprocess.Popen([sys.executable, "-c", SAVER, str(out)], stdout=subprocess.PIPE)
        began = child.stdout.readline().strip() == b"ready"  # one that dies before proves nothing
        time.sleep(moment)
        child.kill()
        child.communicate()
        whole = not (out / "result.json").exists() or verify(out, NAMES) is None
        return began and whole

    return Case(kind, f"after {1000 * moment:.0f} ms", call)


#: What is tried, by the name in the report's table.
KINDS: dict[str, Callable[[Separator, np.random.Generator, Path, str], Case]] = {
    "a window among other levels": _surroundings,
    "what lies far away": _far,
    "samples outside, on disk": _stored,
    "damaged files": _damaged,
    "requests": _asked,
    "negation and conjunction": _said,
    "damaged weights": _weights,
    "runs that are killed": _killed,
}
