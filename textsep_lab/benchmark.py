"""Systems side by side on one list of mixtures, from the mixture itself up to oracle masks.

Taught in notebook 05.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from textsep_lab import esc50, metrics, wordings
from textsep_lab.film_unet import build, parameter_count
from textsep_lab.manifests import write_manifest
from textsep_lab.mixtures import Clips, Mixture, Recipe, evaluation_recipes, render
from textsep_lab.oracles import ideal_ratio_mask, phase_sensitive_mask, wiener_mask
from textsep_lab.paths import atomic_write, make_folder
from textsep_lab.separation import Separator, load_separator
from textsep_lab.spectral import Stft, to_bands, to_bins

SAMPLE_RATE, N_BANDS = 16000, 64
System = Callable[[Mixture, str], np.ndarray]
OURS, PHRASED, HELD_OUT = "ours, bare label", "ours, label in a phrase", "ours, other words"
PHRASES = ("a recording of {}", "{} noise in the background", "please isolate the {}",
           "I hear {} nearby")  # fmt: skip


def run(
    root: str | Path | None = None,
    folds: tuple[int, ...] = (4,),
    checkpoint: str | Path | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """Score every system on AudioSep's list of mixtures for `folds`.

    Args:
        root: data set in ESC-50's layout.
        limit: only so many mixtures, spread over the list by a fixed shuffle.

    Returns:
        One row per mixture and system: columns mixture, label, system, si_sdri_db, sdri_db
        and output_level_db (re full scale). ``attrs`` holds the recipes, and what `presence`
        and `latency` give.

    Raises:
        FileNotFoundError: no data set or no checkpoint.
        ValueError: `limit` is less than 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"The limit is {limit}: ask for at least one mixture.")
    data = esc50.read_table(root, folds)
    recipes = evaluation_recipes(data)
    if limit is not None:
        order = np.random.default_rng(0).permutation(len(recipes))[:limit]
        recipes = [recipes[i] for i in sorted(order)]
    separator, clips = load_separator(checkpoint), Clips(data, SAMPLE_RATE)
    rungs, rows, shares = systems(separator), [], []
    for number, recipe in enumerate(tqdm(recipes, "benchmark", unit="mixture")):
        truth = render(recipe, clips)
        for name, system in rungs.items():
            scores = _score(system(truth, recipe.label), truth)
            rows.append({"mixture": number, "label": recipe.label, "system": name, **scores})
        shares.append(presence(separator, truth, recipe, clips, number))
    report = pd.DataFrame(rows)
    report.attrs |= {"recipes": recipes, "presence": pd.DataFrame(shares)}
    report.attrs["latency"] = latency(separator)
    return report


def systems(separator: Separator) -> dict[str, System]:
    """Return the rungs of the ladder, floor to ceiling, each a function of mixture and label."""
    rng = np.random.default_rng(0)

    def ours(truth: Mixture, query: str) -> np.ndarray:
        return separator.separate(truth.mixture, query, sample_rate=SAMPLE_RATE).output[0]

    def held_out(truth: Mixture, label: str) -> np.ndarray:
        return ours(truth, str(rng.choice(wordings.for_label(label, "heldout"))))

    def phrased(truth: Mixture, label: str) -> np.ndarray:
        return ours(truth, str(rng.choice(PHRASES)).format(esc50.label_text(label)))

    def oracle(mask: Callable, bands: bool) -> System:
        return lambda truth, _label: _apply_oracle(truth, mask, bands)

    return {
        "mixture (floor)": lambda truth, _label: truth.mixture,
        HELD_OUT: held_out,
        PHRASED: phrased,
        OURS: lambda truth, label: ours(truth, esc50.label_text(label)),
        f"oracle IRM, {N_BANDS} bands": oracle(ideal_ratio_mask, True),
        f"oracle Wiener, {N_BANDS} bands": oracle(wiener_mask, True),
        "oracle IRM, bins": oracle(ideal_ratio_mask, False),
        "oracle Wiener, bins": oracle(wiener_mask, False),
        "oracle PSM, bins": oracle(_psm, False),
    }


def presence(
    separator: Separator, truth: Mixture, recipe: Recipe, clips: Clips, seed: int
) -> dict[str, float]:
    """Return the energy share (0 to 1) for the label that is there and for one that is not."""
    there = {clips.table.set_index("filename")["category"][name] for name in recipe.sources}
    labels = [label for label in sorted(clips.table["category"].unique()) if label not in there]
    absent = np.random.default_rng(seed).choice(labels)
    return {
        name: separator.energy_share(truth.mixture[None], SAMPLE_RATE, esc50.label_text(label))
        for name, label in (("present", recipe.label), ("absent", absent))
    }


def latency(separator: Separator, runs: int = 15) -> pd.DataFrame:
    """Time 5 s of mono at 16 kHz, array in and array out, against the reference network.

    The two take turns, so that whatever else the machine does meets both alike.

    Returns:
        Columns system, parameters, median_ms, and the quartiles low_ms and high_ms.
    """
    reference = Separator(build("reference", separator.encoder.dim), separator.encoder)
    noise = np.random.default_rng(0).standard_normal((1, 5 * SAMPLE_RATE)).astype(np.float32)
    contestants, times = {"ours": separator, "reference": reference}, []
    for _ in range(runs + 1):
        for contestant in contestants.values():
            start = time.perf_counter()
            contestant.separate(noise, "dog", sample_rate=SAMPLE_RATE)
            times.append(1000 * (time.perf_counter() - start))
    turns = np.reshape(times, (runs + 1, 2))[1:]  # the first turn warms up
    low, median, high = np.percentile(turns, [25, 50, 75], axis=0)
    sizes = [parameter_count(c.network) for c in contestants.values()]
    columns = {"system": list(contestants), "parameters": sizes, "median_ms": median}
    return pd.DataFrame(columns | {"low_ms": low, "high_ms": high}).round(1)


def _psm(target: torch.Tensor, interference: torch.Tensor) -> torch.Tensor:
    return phase_sensitive_mask(target, target + interference)


def _apply_oracle(truth: Mixture, mask: Callable, bands: bool) -> np.ndarray:
    stft = Stft.at(SAMPLE_RATE)
    target, interference = (
        stft(torch.from_numpy(x[None])) for x in (truth.target, truth.interference)
    )
    if bands:
        powers = (to_bands(x.abs(), N_BANDS, SAMPLE_RATE) for x in (target, interference))
        values = to_bins(mask(*powers), stft.n_fft, SAMPLE_RATE)
    else:
        values = mask(target, interference)
    return stft.inverse(values * (target + interference), len(truth.mixture))[0].numpy()


def _score(estimate: np.ndarray, truth: Mixture) -> dict[str, float]:
    scores = {
        f"{name}i_db": float(metric(estimate, truth.target) - metric(truth.mixture, truth.target))
        for name, metric in (("si_sdr", metrics.si_sdr), ("sdr", metrics.snr))
    }
    # Where a silent target leaves the scores undefined, this is what can be said.
    return {**scores, "output_level_db": metrics.level_db(estimate)}


def summary(report: pd.DataFrame) -> pd.DataFrame:
    """Return a row per system: means with 95 % bootstrap intervals, medians, share made worse.

    Mixtures without a score (a silent target) are counted and left out of the means.
    """
    rows = []
    for name, part in report.groupby("system", sort=False):
        row = {"system": name, "mixtures": len(part), "undefined": part["si_sdri_db"].isna().sum()}
        for column in ("si_sdri_db", "sdri_db"):
            values = part[column].dropna().to_numpy()
            low, high = metrics.mean_interval(values)
            row |= {column: values.mean(), f"{column}_low": low, f"{column}_high": high}
            row[f"{column}_median"] = np.median(values)
        row["worse_percent"] = 100 * (part["si_sdri_db"].dropna() < 0).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def table(report: pd.DataFrame) -> str:
    """Return the summary as a Markdown table."""
    lines = [
        "| system | SI-SDRi mean [95 %] | median | SDRi mean [95 %] | made worse |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in summary(report).to_dict("records"):
        cells = [row["system"]]
        for c in ("si_sdri_db", "sdri_db"):
            cells.append(f"{row[c]:.2f} [{row[c + '_low']:.2f}, {row[c + '_high']:.2f}]")
        cells.insert(2, f"{row['si_sdri_db_median']:.2f}")
        lines.append("| " + " | ".join([*cells, f"{row['worse_percent']:.0f} %"]) + " |")
    undefined = int(report.groupby("system")["si_sdri_db"].apply(lambda s: s.isna().sum()).max())
    note = f"{report['mixture'].nunique()} mixtures, dB; {undefined} undefined (silent target)."
    notes = [note, _presence_note(report.attrs["presence"]), _latency_note(report.attrs["latency"])]
    return "\n".join([*lines, "", *notes])


def _presence_note(shares: pd.DataFrame) -> str:
    """Say how far the output falls when the query names nothing, and how well that tells."""
    present, absent = shares["present"].dropna(), shares["absent"].dropna()
    truth = np.repeat([1, 0], [len(present), len(absent)])
    auroc, _, _ = metrics.auroc(np.concatenate([present, absent]), truth)
    level = [10 * np.log10(max(float(np.median(x)), 1e-12)) for x in (present, absent)]
    return (
        f"Median output level against the mixture: {level[0]:.1f} dB for a sound that is there, "
        f"{level[1]:.1f} dB for one that is not; AUROC of the energy share {auroc:.3f}."
    )


def _latency_note(times: pd.DataFrame) -> str:
    cells = [
        f"{r['system']} {r['median_ms']:.0f} ms [{r['low_ms']:.0f}, {r['high_ms']:.0f}]"
        for r in times.to_dict("records")
    ]
    ratio = times["median_ms"].iloc[1] / times["median_ms"].iloc[0]
    return (
        f"Median latency for 5 s [quartiles], {torch.get_num_threads()} threads: "
        f"{', '.join(cells)}, ratio {ratio:.1f}."
    )


def write(report: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Write scores, summary and the manifest with its hash to `folder`, replacing older ones."""
    folder = make_folder(folder)
    recipes: list[Recipe] = report.attrs["recipes"]
    manifest = write_manifest(recipes, folder / "manifest.csv")
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    files = {
        "scores.csv": report.round(4).to_csv(index=False, lineterminator="\n"),
        "latency.csv": report.attrs["latency"].to_csv(index=False, lineterminator="\n"),
        "presence.csv": report.attrs["presence"].round(4).to_csv(index=False, lineterminator="\n"),
        "summary.csv": summary(report).round(4).to_csv(index=False, lineterminator="\n"),
        "summary.md": table(report) + "\n",
        "manifest.json": json.dumps({"manifest_sha256": digest, "mixtures": len(recipes)}) + "\n",
    }
    for name, text in files.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [manifest, *(folder / name for name in files)]
