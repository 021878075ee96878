"""The command line as a user runs it: in a process of its own, and in-process for speed."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf
from click.testing import CliRunner

from textsep_lab import audio, esc50
from textsep_lab.cli import main
from textsep_lab.manifests import read_manifest
from textsep_lab.mixtures import Clips, render


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *args: CliRunner().invoke(main, [str(a) for a in args])


@pytest.fixture
def noise(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "noise.wav"
    sf.write(path, 0.1 * rng.standard_normal((8820, 2)), 44100, subtype="PCM_16")
    return path


def test_a_process_of_its_own(tmp_path, noise):
    command = [sys.executable, "-m", "textsep_lab.cli", "separate", str(noise)]
    command += ["--query", "rain", "--window", "0.05", "0.1", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    before, _ = sf.read(noise, dtype="int16")
    after, rate = sf.read(tmp_path / "out" / "output.wav", dtype="int16")
    assert rate == 44100
    assert sf.info(tmp_path / "out" / "output.wav").subtype == "PCM_16"
    inside = slice(round(0.05 * 44100), round(0.1 * 44100))
    assert np.array_equal(np.delete(before, inside, 0), np.delete(after, inside, 0))
    assert not np.array_equal(before[inside], after[inside])


def test_results_and_their_description(run, noise, tmp_path):
    done = run("separate", noise, "--query", "a dog", "--mode", "remove", "--out", "out")
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"output.wav", "residual.wav", "separation.png", "result.json"}
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["query"] == "a dog"
    assert result["mode"] == "remove"
    assert 0 <= result["energy_share"] <= 1.5


def test_nothing_is_overwritten_unless_asked(run, noise, tmp_path):
    arguments = ("separate", noise, "--query", "rain", "--out", "out", "--no-figure")
    assert run(*arguments).exit_code == 0
    (tmp_path / "out" / "output.wav").write_text("mine")
    again = run(*arguments)
    assert again.exit_code == 2
    assert (tmp_path / "out" / "output.wav").read_text() == "mine"
    assert run(*arguments, "--overwrite").exit_code == 0
    assert (tmp_path / "out" / "output.wav").read_bytes()[:4] == b"RIFF"


def test_silence_is_said_to_be_silent(run, tmp_path):
    sf.write(tmp_path / "silence.wav", np.zeros(16000), 16000)
    done = run("separate", "silence.wav", "--query", "rain", "--out", "out", "--no-figure")
    assert done.exit_code == 0, done.output
    assert "silent" in done.output
    assert not audio.load(tmp_path / "out" / "output.wav")[0].any()
    assert json.loads((tmp_path / "out" / "result.json").read_text())["energy_share"] is None


def a_text_file(folder):
    (folder / "text.wav").write_text("this is no sound")
    return "text.wav"


def a_cut_file(folder):
    sf.write(folder / "cut.wav", np.ones(4000) / 2, 8000)
    data = (folder / "cut.wav").read_bytes()
    (folder / "cut.wav").write_bytes(data[: len(data) // 2])
    return "cut.wav"


def an_empty_file(folder):
    (folder / "empty.wav").touch()
    return "empty.wav"


def no_samples(folder):
    sf.write(folder / "none.wav", np.zeros(0), 8000)
    return "none.wav"


def not_a_number(folder):
    sf.write(folder / "nan.wav", np.array([0.0, np.nan]), 8000, subtype="FLOAT")
    return "nan.wav"


FILES = [a_text_file, a_cut_file, an_empty_file, no_samples, not_a_number]


@pytest.mark.parametrize("make", FILES)
def test_a_bad_file_gets_one_sentence_and_status_2(run, tmp_path, make):
    name = make(tmp_path)
    refused(run("separate", name, "--query", "rain", "--out", "out"), tmp_path, name)


@pytest.mark.parametrize("name", ["nowhere.wav", "."])
def test_no_file_gets_one_sentence_and_status_2(run, tmp_path, name):
    refused(run("separate", name, "--query", "rain", "--out", "out"), tmp_path, name)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--query", ""), "query"),
        (("--query", " \t"), "query"),
        (("--query", "x" * 10_000), "10000"),
        (("--query", "rain", "--window", "0.1", "0.05"), "reversed"),
        (("--query", "rain", "--window", "3", "4"), "outside"),
        (("--query", "rain", "--window", "0.1", "0.1"), "empty"),
        (("--query", "rain", "--window", "nan", "0.1"), "finite"),
        (("--query", "rain", "--fade", "-1"), "fade"),
        (("--query", "rain", "--checkpoint", "nowhere.safetensors"), "nowhere.safetensors"),
        (("--query", "rain", "--mode", "louder"), "mode"),
        (("--query", "rain", "--window", "one", "two"), "one"),
    ],
)
def test_a_bad_argument_gets_one_sentence_and_status_2(run, tmp_path, noise, arguments, word):
    refused(run("separate", noise, "--out", "out", *arguments), tmp_path, word)


def test_an_output_folder_that_is_a_file(run, tmp_path, noise):
    (tmp_path / "taken").touch()
    done = run("separate", noise, "--query", "rain", "--out", "taken")
    assert done.exit_code == 2
    assert "taken" in done.output


def test_a_damaged_checkpoint(run, tmp_path, noise):
    (tmp_path / "bad.safetensors").write_bytes(b"\0" * 100)
    (tmp_path / "bad.json").write_text('{"format": "textsep_lab-checkpoint-1", "sha256": "0"}')
    done = run(
        "separate", noise, "--query", "rain", "--checkpoint", "bad.safetensors", "--out", "o"
    )
    refused(done, tmp_path, "bad.safetensors", out="o")


def refused(done, folder, word, out="out"):
    assert done.exit_code == 2, done.output
    assert not isinstance(done.exception, ValueError | OSError), "a traceback was on its way"
    assert word in done.output
    sentences = [line for line in done.output.splitlines() if line.startswith("Error")]
    assert len(sentences) == 1
    assert not (folder / out).exists()


@pytest.mark.parametrize("query", ["🐕", "Hundegebell", "DOG!", "x" * 200])
def test_unusual_queries_are_answered(run, noise, query):
    done = run("separate", noise, "--query", query, "--out", "out", "--no-figure")
    assert done.exit_code == 0, done.output


def test_demo(run, tmp_path):
    done = run("demo", "--out", "demo")
    assert done.exit_code == 0, done.output
    assert "SI-SDR" in done.output
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {"output.wav", "residual.wav", "separation.png", "result.json"}
    assert run("demo", "--out", "demo").exit_code == 0  # again, as a newcomer does


def test_mixtures_are_written_with_a_manifest_that_makes_them_again(run, dataset, tmp_path):
    arguments = ("data", "mixtures", "mix", "--esc50", dataset, "--count", 2, "--seconds", 0.5)
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    recipes = read_manifest(tmp_path / "mix" / "manifest.csv")
    clips = Clips(esc50.read_table(dataset))
    for number, recipe in enumerate(recipes):
        path = tmp_path / "mix" / f"{number:03d}_{recipe.label}_mixture.wav"
        assert np.array_equal(audio.load(path)[0][0], render(recipe, clips).mixture)
    assert run(*arguments).exit_code == 2  # the folder is taken


def test_bank(run, tmp_path):
    assert run("data", "bank", "bank", "--clips", 0).exit_code == 2
    assert not (tmp_path / "bank").exists()


def test_train_and_use_the_weights(run, dataset, tmp_path, noise):
    done = run(
        "train", "--esc50-path", dataset, "--output-dir", "run", "--steps", 2, "--batch-size", 2,
        "--seconds", 0.3, "--val-every", 2, "--val-mixtures", 2,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "learning_curve.png").is_file()
    done = run(
        "separate", noise, "--query", "rain", "--out", "out", "--checkpoint", "run/best.safetensors"
    )
    assert done.exit_code == 0, done.output


def test_training_without_data_says_how_to_get_it(run, tmp_path):
    done = run("train", "--esc50-path", "nowhere", "--output-dir", "run", "--steps", 1)
    refused(done, tmp_path, "textsep data esc50", out="run")


def test_benchmark(run, dataset, tmp_path):
    done = run("benchmark", "--esc50", dataset, "--limit", 3, "--out", "bench")
    assert done.exit_code == 0, done.output
    summary = (tmp_path / "bench" / "summary.md").read_text(encoding="utf-8")
    assert "mixture (floor)" in summary
    assert "3 mixtures" in summary


@pytest.mark.parametrize("command", [(), ("separate",), ("train",), ("data",), ("data", "esc50")])
def test_help_teaches(run, command):
    done = run(*command, "--help")
    assert done.exit_code == 0
    assert "Usage" in done.output


def test_help_does_not_wait_for_torch():
    code = "import sys, textsep_lab.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
