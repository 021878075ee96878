"""The command line as a user runs it: in a process of its own, and in-process for speed."""

import json
import subprocess
import sys

import click
import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from click.testing import CliRunner

from textsep_lab.cli import main
from textsep_lab.data import esc50
from textsep_lab.data.manifests import read_manifest
from textsep_lab.data.mixtures import Clips, render
from textsep_lab.encoders import registry
from textsep_lab.encoders.hub import EncoderStatus
from textsep_lab.evaluation import detection_report
from textsep_lab.signal import audio


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


def test_what_is_unwanted_may_be_named(run, noise, tmp_path):
    ask = ("separate", noise, "--query", "rain", "--no-figure", "--out")
    for folder, more in (("a", ()), ("b", ("--unwanted", "a dog barking"))):
        done = run(*ask, folder, *more)
        assert done.exit_code == 0, done.output
    a, b = (sf.read(tmp_path / folder / "output.wav")[0] for folder in "ab")
    assert np.abs(a - b).max() > 1e-3
    refused(run(*ask, "c", "--unwanted", "dog", "--method", "nmf"), tmp_path, "unwanted", "c")
    refused(run(*ask, "c", "--unwanted", " "), tmp_path, "empty", "c")


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
    assert "only silence in the recording" in done.output
    assert not audio.load(tmp_path / "out" / "output.wav")[0].any()
    assert json.loads((tmp_path / "out" / "result.json").read_text())["energy_share"] is None


def test_a_silent_window_in_a_sounding_file_is_said_to_be_silent(run, tmp_path):
    half = np.r_[np.zeros(8000), 0.1 * np.random.default_rng(0).standard_normal(8000)]
    sf.write(tmp_path / "half.wav", half, 16000)
    asked = ("--query", "rain", "--window", "0", "0.4", "--out", "out", "--no-figure")
    done = run("separate", "half.wav", *asked)
    assert done.exit_code == 0, done.output
    assert "only silence in the windows" in done.output and "nan" not in done.output


def test_without_matplotlib_there_is_no_picture_and_who_asks_for_one_is_told_how(
    run, noise, tmp_path, monkeypatch
):
    monkeypatch.setattr(sys.modules["textsep_lab.cli.separate"], "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for name in [x for x in sys.modules if x.startswith("textsep_lab.plots")]:
        monkeypatch.delitem(sys.modules, name)
    done = run("separate", noise, "--query", "rain", "--out", "out")
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "out" / "separation.png").exists()
    done = run("separate", noise, "--query", "rain", "--out", "other", "--figure")
    assert done.exit_code == 2
    assert (
        "This needs matplotlib, which is not here: pip install 'textsep-lab[plots]'." in done.output
    )


def test_no_global_state_of_click_is_changed(run, noise):
    run("separate", noise, "--query", "")
    assert click.ClickException.exit_code == 1


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
        (("--query", "rain", "--window", "auto", "--window", "0", "0.1"), "not both"),
        (("--query", "rain", "--window", "0", "0.1", "--window", "auto"), "not both"),
        (("--query", "rain", "--window", "Auto"), "--window"),
        (("--query", "rain", "--method", "ica"), "method"),
        (("--query", "rain", "--method", "nmf", "--components", "0"), "components"),
        (("--query", "rain", "--method", "nmf", "--components", "500"), "at most"),
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
    (tmp_path / "bad.json").write_text('{"format": "textsep_lab-checkpoint-2"}')
    done = run(
        "separate", noise, "--query", "rain", "--checkpoint", "bad.safetensors", "--out", "o"
    )
    refused(done, tmp_path, "'bad.json' does not describe a checkpoint", out="o")


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


def test_synthetic(run, tmp_path):
    done = run("data", "synthetic", "sounds", "--clips", 0)
    assert done.exit_code == 2 and "at least 1" in done.output
    assert not (tmp_path / "sounds").exists()


def test_train_and_use_the_weights(run, dataset, tmp_path, noise):
    done = run(
        "train", "separator", "--esc50-path", dataset, "--output-dir", "run", "--steps", 2,
        "--batch-size", 2, "--seconds", 0.3, "--val-every", 2, "--val-mixtures", 2,
        "--without-label", "cat", "--without-label", "held-out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "learning_curve.png").is_file()
    sidecar = json.loads((tmp_path / "run" / "best.json").read_text())
    assert sidecar["settings"]["without_labels"] == ["cat", "held-out"]
    assert sidecar["data"]["protocol"].endswith("without cat, held-out")
    done = run(
        "separate", noise, "--query", "rain", "--out", "out", "--checkpoint", "run/best.safetensors"
    )
    assert done.exit_code == 0, done.output


def test_training_without_data_says_how_to_get_it(run, tmp_path):
    done = run("train", "separator", "--esc50-path", "nowhere", "--output-dir", "run", "--steps", 1)
    refused(done, tmp_path, "textsep data esc50", out="run")


def test_a_labelled_folder_that_is_not_there_is_refused(run, dataset, tmp_path):
    done = run(
        "train", "separator", "--esc50-path", dataset, "--output-dir", "run", "--steps", 1,
        "--extra-path", "nowhere",
    )  # fmt: skip
    refused(done, tmp_path, "clips.csv", out="run")
    for option in ("--unseen", "--recordings"):
        asked = ("evaluate", "separation", "--esc50", dataset, option, "nowhere", "--out", "out")
        refused(run(*asked), tmp_path, "clips.csv")


def test_evaluate_separation(run, dataset, tmp_path):
    done = run(
        "evaluate",
        "separation",
        "--esc50",
        dataset,
        "--limit",
        2,
        "--systems",
        "mixture, irm",
        "--out",
        "bench",
    )
    assert done.exit_code == 0, done.output
    folder = tmp_path / "bench"
    assert all((tmp_path / line).is_file() for line in done.stdout.splitlines())
    assert pd.read_csv(folder / "summary.csv")["mixtures"].tolist() == [2, 2]
    assert "mixture (floor)" in (folder / "separation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        (), ("separate",), ("train",), ("train", "separator"), ("train", "clap"), ("data",),
        ("data", "esc50"), ("data", "synthetic"), ("detect",), ("describe",), ("encoders",),
        ("checkpoints",), ("evaluate",), ("evaluate", "separation"), ("evaluate", "detection"),
        ("evaluate", "speed"), ("evaluate", "peers"), ("evaluate", "captions"),
    ],
)  # fmt: skip
def test_help_teaches(run, command):
    done = run(*command, "--help")
    assert done.exit_code == 0
    assert "Usage" in done.output


# What is in it, and when


@pytest.fixture
def tone_detector(monkeypatch, detector):
    """Let the commands use the detector of tones; return the arguments it was asked for."""
    asked = []

    def load(*arguments):
        asked.append(arguments)
        return detector

    monkeypatch.setattr("textsep_lab.detection.detector.load_detector", load)
    monkeypatch.setattr("textsep_lab.separation.separator.load_detector", load)
    return asked


@pytest.fixture
def street(tmp_path, tones):
    """3 s of stereo: a high tone all the while, a low one from 0.5 to 1 s and from 2 to 3 s."""
    wave = 0.2 * tones(3, ("high", 0, 3), channels=2)
    wave += tones(3, ("low", 0.5, 1.0), ("low", 2.0, 3.0), channels=2)
    return audio.save(tmp_path / "street.wav", wave, 16000)


LABELS = ("--label", "low", "--label", "middle")


def test_detect_says_what_how_probably_and_when(run, tone_detector, street):
    done = run("detect", street, *LABELS)
    assert done.exit_code == 0, done.output
    first, second = done.output.splitlines()
    assert first.endswith(" %  low: 0.5 to 1.0 s, 2.0 to 3.0 s") and float(first[:5]) > 90
    assert second.endswith(" %  middle: 0.0 to 3.0 s") and float(second[:5]) < 10
    assert tone_detector == [("mini-clap", None)]


def test_detect_lists_as_many_labels_as_asked(run, tone_detector, street):
    assert len(run("detect", street).output.splitlines()) == 5
    assert len(run("detect", street, "--top", 9).output.splitlines()) == 9
    assert len(run("detect", street, *LABELS, "--top", 1).output.splitlines()) == 1


def test_detect_writes_a_table_and_a_figure(run, tone_detector, street, tmp_path):
    files = ("--out", "new/found.csv", "--figure", "new/found.png")
    done = run("detect", street, *LABELS, *files)
    assert done.exit_code == 0, done.output
    found = pd.read_csv(tmp_path / "new" / "found.csv")
    assert list(found.columns) == ["label", "probability", "start", "end"]
    assert found["label"].tolist() == ["low", "low", "middle"]
    assert found[["start", "end"]].to_numpy().tolist() == [[0.5, 1], [2, 3], [0, 3]]
    assert (tmp_path / "new" / "found.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(("option", "name"), [("--out", "mine.csv"), ("--figure", "mine.png")])
def test_detect_overwrites_nothing_unless_asked(run, tone_detector, street, tmp_path, option, name):
    (tmp_path / name).write_text("mine")
    other = {"--out": ("--figure", "other"), "--figure": ("--out", "other")}[option]
    done = run("detect", street, *LABELS, option, name, *other)
    refused(done, tmp_path, f"'{name}' is there already", out="other")
    assert (tmp_path / name).read_text() == "mine" and tone_detector == []
    assert run("detect", street, *LABELS, option, name, "--overwrite").exit_code == 0
    assert (tmp_path / name).read_bytes() != b"mine"


def test_detect_finds_nothing_in_silence(run, tone_detector, tmp_path):
    sf.write(tmp_path / "silence.wav", np.zeros(8000), 16000)
    done = run("detect", "silence.wav", "--out", "found.csv", "--figure", "found.png")
    assert done.exit_code == 0, done.output
    assert done.output == "100.0 %  silence: 0.0 to 0.5 s\n"
    rows = pd.read_csv(tmp_path / "found.csv").to_numpy().tolist()
    assert rows == [["silence", 1.0, 0.0, 0.5]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--label", "low", "--label", " low"), "'low' is in the list twice"),
        (("--label", ""), "query is empty"),
        (("--top", "0"), "top is 0"),
        (("--top", "many"), "--top"),
    ],
)
def test_detect_refuses_bad_arguments_in_one_sentence(
    run, tone_detector, street, tmp_path, arguments, words
):
    refused(run("detect", street, "--out", "out", *arguments), tmp_path, words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--encoder", "nobody"), "no joint encoder 'nobody'"),
        (("--encoder", "minilm-l6-int8"), "no joint encoder 'minilm-l6-int8'"),
        (("--calibration", "none.json"), "textsep evaluate detection --calibrate"),
        (("--calibration", "street.wav"), "is not a calibration"),
    ],
)
def test_detect_refuses_encoders_it_cannot_use(run, street, tmp_path, arguments, words):
    refused(run("detect", street, "--out", "out", *arguments), tmp_path, words)


@pytest.mark.parametrize("make", [*FILES, None])
def test_detect_refuses_bad_files_in_one_sentence(run, tone_detector, tmp_path, make):
    name = make(tmp_path) if make else "nowhere.wav"
    refused(run("detect", name, "--out", "out"), tmp_path, name)


@pytest.mark.parametrize("method", ["unet", "nmf"])
def test_window_auto_is_where_the_sound_is_detected(run, tone_detector, street, tmp_path, method):
    ask = ("--query", "low", "--window", "auto", "--method", method, "--components", 3)
    done = run("separate", street, *ask, "--out", "out", "--no-figure")
    assert done.exit_code == 0, done.output
    assert "“low” is detected from 0.5 to 1.0 s, 2.0 to 3.0 s." in done.output
    assert "Confidence that it is there: " in done.output
    facts = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert facts["auto_windows"] and facts["windows_s"] == [[0.5, 1.0], [2.0, 3.0]]
    assert facts["method"] == method and 0.9 < facts["confidence"] <= 1
    before, after = (audio.load(x)[0] for x in (street, tmp_path / "out" / "output.wav"))
    outside = np.r_[0:8000, 16000:32000]
    assert np.array_equal(before[:, outside], after[:, outside])
    assert not np.array_equal(before, after)


def test_window_auto_refuses_what_is_detected_nowhere(run, tone_detector, street, tmp_path):
    done = run("separate", street, "--query", "middle", "--window", "auto", "--out", "out")
    refused(done, tmp_path, "detected nowhere")


def test_separate_without_arguments_names_what_is_missing(run, tmp_path):
    refused(run("separate"), tmp_path, "Missing")


def test_nmf_is_a_method(run, tone_detector, street, tmp_path):
    done = run("separate", street, "--query", "low", "--method", "nmf", "--components", 2,
               "--out", "out")  # fmt: skip
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"output.wav", "residual.wav", "separation.png", "result.json"}
    facts = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert (facts["method"], facts["auto_windows"], facts["windows_s"]) == ("nmf", False, None)


class Absent:
    @staticmethod
    def status():
        said = "A model (9 MB, licence MIT) from https://example.org"
        return EncoderStatus("absent", 7, False, False, None, said, extra="absent")


class Lost(Absent):
    @staticmethod
    def status():
        return EncoderStatus("lost", 7, True, True, None, "")


def test_encoders_are_listed_with_what_they_need(run, monkeypatch, tmp_path):
    monkeypatch.setitem(registry.JOINT_ENCODERS, "absent", f"{__name__}:Absent")
    monkeypatch.setitem(registry.JOINT_ENCODERS, "lost", f"{__name__}:Lost")
    done = run("encoders")
    assert done.exit_code == 0, done.output
    heads = [line.split(":")[0] for line in done.output.splitlines() if line[0] != " "]
    assert heads == list(registry.encoders())
    assert "minilm-l6-int8: embeds text, 384 dimensions" in done.output
    assert "mini-clap: embeds text and audio, 256 dimensions" in done.output
    absent = done.output.split("absent: embeds text, 7 dimensions")[1].split("lost:")[0]
    assert "not installed: pip install 'textsep-lab[absent]'" in absent
    assert "would download A model (9 MB" in absent
    assert "not where its environment variable says" in done.output.split("lost:")[1]


def test_describe_without_a_key_sends_nothing_and_says_so(run, noise, tmp_path, monkeypatch):
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    refused(run("describe", noise), tmp_path, "GEMINI_API_KEY")


def test_describe_prints_a_line_a_sound(run, noise, monkeypatch):
    from textsep_lab.detection import gemini

    found = [gemini.Suggestion("rain"), gemini.Suggestion("dog", 0.5, 1.25)]
    monkeypatch.setattr(gemini, "describe", lambda recording, model, say: found)
    assert run("describe", noise).output == "rain\ndog: 0.5 to 1.2 s\n"


def test_evaluate_detection_judges_and_calibrates(run, dataset, tmp_path):
    """With the shipped encoder and separator; the shipped calibration is not needed."""
    done = run(
        "evaluate",
        "detection",
        "--esc50",
        dataset,
        "--fold",
        2,
        "--calibrate",
        "c.json",
        "--out",
        "reports",
    )
    assert done.exit_code == 0, done.output
    files = [tmp_path / line for line in done.stdout.splitlines()]
    assert files[0].name == "c.json" and files[1].name == "detection.md"
    assert all(path.is_file() for path in files) and len(files) == 11
    assert "fold 2" in json.loads(files[0].read_text(encoding="utf-8"))["protocol"]
    found = run("detect", dataset / "audio" / files_of(dataset)[0], "--calibration", "c.json")
    assert found.exit_code == 0 and len(found.output.splitlines()) == 5


def files_of(dataset):
    return esc50.read_table(dataset)["filename"].tolist()


def test_evaluate_detection_passes_on_what_was_asked_and_refuses_the_rest(
    run, tmp_path, monkeypatch
):
    refused(run("evaluate", "detection", "--esc50", "nowhere", "--out", "out"), tmp_path, "nowhere")
    refused(run("evaluate", "detection", "--encoder", "nobody", "--out", "out"), tmp_path, "nobody")
    refused(run("evaluate", "detection", "--fold", 6, "--out", "out"), tmp_path, "fold")
    asked = []

    class Written:
        def write(self, folder):
            return [folder / "detection.md"]

    monkeypatch.setattr(
        detection_report, "run", lambda *args: asked.append(args) or (Written(), None)
    )
    asked_for = ("--esc50", "x", "--fold", 3, "--encoder", "msclap-2023", "--out", "out")
    done = run("evaluate", "detection", *asked_for)
    assert done.exit_code == 0 and done.output.strip().endswith("detection.md")
    assert [str(x) for x in asked[0]] == ["x", "3", "msclap-2023", "None"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("benchmark", "--esc50", "x"), "textsep evaluate separation"),
        (("hearing",), "textsep evaluate detection"),
        (("train-listener", "--minutes", "1"), "textsep train clap"),
        (("data", "bank", "x"), "textsep data synthetic"),
    ],
)
def test_an_old_name_gets_the_new_one_in_its_sentence(run, old, new):
    done = run(*old)
    assert done.exit_code == 2 and f"is now `{new}`." in done.output


def test_help_does_not_wait_for_torch():
    code = "import sys, textsep_lab.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
