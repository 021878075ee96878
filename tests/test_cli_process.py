"""What the command line does with signals, closed pipes, code pages and errors of the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile as sf
from click.testing import CliRunner
from safetensors import SafetensorError

from textsep_lab.cli import main, process
from textsep_lab.separation.result import NAMES
from textsep_lab.utils import temporary
from textsep_lab.utils.transactions import verify

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX")
COMMANDS = """
import resource, sys
import click
from textsep_lab.cli import main
from textsep_lab.utils.paths import atomic_write
from textsep_lab.utils.transactions import transaction, write_manifest

@main.command()
@click.option("--overwrite", is_flag=True)
def wait(overwrite):
    with transaction("out", ["output.wav"], overwrite) as new, atomic_write("table.csv") as table:
        (new / "output.wav").write_text("half")
        table.write_text("half")
        click.echo("ready")
        sys.stdin.read()
        write_manifest(new, {})

@main.command()
@click.argument("text", default="")
def talk(text):
    for number in range(20_000):
        click.echo(f"{number} {text}")
    open("done", "w").close()

@main.command()
def grow():
    import numpy as np
    from textsep_lab.signal import audio
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 20_000)).astype(np.float32)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    with transaction("out", ["output.wav"], True) as new:
        audio.save(new / "output.wav", noise, 8000)
        write_manifest(new, {})

main()
"""


@pytest.fixture
def start(tmp_path):
    def child(*arguments, command=COMMANDS, **environment):
        return subprocess.Popen(
            [sys.executable, "-c", command, *arguments], cwd=tmp_path, encoding="utf-8",
            errors="replace", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )  # fmt: skip

    return child


@posix
@pytest.mark.parametrize("name", (*process.ENDING, "SIGINT"))
def test_a_signal_cleans_up_and_is_said(start, tmp_path, name):
    whole = start("wait")
    whole.communicate("")
    assert whole.returncode == 0
    before = (tmp_path / "out" / "result.json").read_bytes()
    ended = start("wait", "--overwrite")
    assert ended.stdout.readline() == "ready\n"
    number = getattr(process.signal, name)
    ended.send_signal(number)
    _, said = ended.communicate(timeout=20)
    assert ended.returncode == 128 + number
    assert said == f"Error: Stopped by {'Ctrl-C' if name == 'SIGINT' else name}.\n"
    assert {p.name for p in tmp_path.iterdir()} == {"out", "table.csv"}
    assert verify(tmp_path / "out", NAMES) is None
    assert (tmp_path / "out" / "result.json").read_bytes() == before


@posix
def test_after_kill_the_next_run_sweeps(start, tmp_path):
    killed = start("wait")
    assert killed.stdout.readline() == "ready\n"
    killed.kill()
    killed.communicate()
    assert temporary.temporaries(tmp_path) and temporary.temporaries(tmp_path / "out")
    again = start("wait")
    again.communicate("")
    assert again.returncode == 0
    assert {p.name for p in tmp_path.iterdir()} == {"out", "table.csv"}
    assert verify(tmp_path / "out", NAMES) is None


@posix
@pytest.mark.parametrize("lines", [0, 1])
def test_a_reader_that_goes_away_ends_nothing(start, tmp_path, lines):
    talking = start("talk")
    for _ in range(lines):
        talking.stdout.readline()
    talking.stdout.close()
    said = talking.stderr.read()
    assert talking.wait(timeout=20) == 0 and said == ""
    assert (tmp_path / "done").exists()
    for pipe in (talking.stdin, talking.stderr):
        pipe.close()


@posix
def test_a_full_disk_behind_the_output_is_one_sentence(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", COMMANDS, "talk"], cwd=tmp_path, stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "Error: The output cannot be printed: No space left on device.\n"


@posix
def test_a_full_disk_leaves_the_old_result(start, tmp_path):
    whole = start("wait")
    whole.communicate("")
    grown = start("grow")
    _, said = grown.communicate()
    assert grown.returncode == 2 and "Traceback" not in said
    assert said.startswith("Error: ") and "output.wav' cannot be written" in said
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"output.wav", "result.json"}
    assert verify(tmp_path / "out", NAMES) is None


@pytest.mark.parametrize("encoding", ["cp437", "ascii", "latin-1", "utf-8"])
def test_a_code_page_without_the_letters_fails_nothing(start, tmp_path, encoding):
    talking = start("talk", "“犬” ü", PYTHONIOENCODING=encoding)
    said, errors = talking.communicate()
    assert talking.returncode == 0, errors
    assert (tmp_path / "done").exists() and len(said.splitlines()) == 20_000


@posix
def test_a_name_that_is_not_utf_8_is_printed(start, tmp_path):
    talking = start("talk", b"\xff.wav", PYTHONUTF8="1")
    said, errors = talking.communicate()
    assert talking.returncode == 0, errors
    assert said.splitlines()[0] == "0 \\udcff.wav"


class Full(sf.LibsndfileError):
    def __init__(self):
        super().__init__(2)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "No space left on device."),
        (OSError(28, "No space left on device", "a/b.wav"), "'a/b.wav': No space left on device."),
        (OSError("The disk is full."), "The disk is full."),
        (MemoryError(), "Not enough memory for main fail: the system gives no more."),
        (MemoryError("Unable to allocate 7 TiB"), "for main fail: Unable to allocate 7 TiB."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you\nC++"), "allocate memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "CUDA out of memory"),
        (Full(), "System error"),
        (SafetensorError("Error while deserializing header"), "deserializing header"),
        (ModuleNotFoundError("no", name="sklearn.svm"), "pip install 'textsep-lab[nmf]'"),
        (ValueError("A sentence."), "A sentence."),
        (process.Stopped(15), "Stopped by SIGTERM."),
        (KeyboardInterrupt(), "Stopped by Ctrl-C."),
        (KeyError("a mistake"), None),
        (RecursionError("a mistake"), None),
        (RuntimeError("a mistake"), None),
        (AssertionError("a mistake"), None),
    ],
)
def test_errors_of_the_machine_are_sentences_and_mistakes_are_not(monkeypatch, error, said):
    @click.command()
    def fail():
        raise error

    monkeypatch.setitem(main.commands, "fail", fail)
    done = CliRunner().invoke(main, ["fail"])
    if said is None:
        assert done.exception is error
        return
    number = {process.Stopped: 143, KeyboardInterrupt: 130}
    assert done.exit_code == number.get(type(error), 2)
    assert said in done.output and len(done.output.splitlines()) == 1


# What is found before the work


@pytest.fixture
def noise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    samples = 0.1 * np.random.default_rng(0).standard_normal(4410)
    sf.write(tmp_path / "noise.wav", samples, 44100)
    return tmp_path / "noise.wav"


@pytest.fixture
def no_models(monkeypatch):
    """Whoever loads a model has begun the work."""

    def load(*_, **__):
        raise AssertionError("the work has begun")

    for name in (  # what imports another's name comes before it
        "evaluation.detection_report.run", "evaluation.separation_report.run",
        "evaluation.speed_report.run", "session.quickstart.load_separator",
        "separation.separator.load_separator", "detection.detector.load_detector",
    ):  # fmt: skip
        monkeypatch.setattr(f"textsep_lab.{name}", load)


SEPARATE = ("separate", "noise.wav", "--query", "rain", "--out")


@pytest.mark.parametrize(
    ("make", "arguments", "said"),
    [
        ("out/output.wav", (*SEPARATE, "out"), "is there already"),
        ("out/output.flac", (*SEPARATE, "out"), "is there already"),
        ("out/result.json", (*SEPARATE, "out"), "is there already"),
        ("out", (*SEPARATE, "out"), "a file stands in its place"),
        ("out", (*SEPARATE, "out/in"), "a file stands in its place"),
        ("a.csv", ("detect", "noise.wav", "--out", "a.csv"), "is there already"),
        ("a.png", ("detect", "noise.wav", "--figure", "a.png"), "is there already"),
        ("a/b", ("detect", "noise.wav", "--out", "a", "--overwrite"), "'a' is a folder"),
        ("a", ("detect", "noise.wav", "--out", "a/b.csv"), "a file stands in its place"),
        ("a", ("detect", "noise.wav", "--out", "b", "--figure", "./b"), "written twice"),
        ("a", ("detect", "noise.wav", "--figure", "b.svg"), "PNG"),
        ("a", ("detect", "noise.wav", "--calibration", "a", "--out", "a", "--overwrite"), "is rea"),
        ("out/output.wav", ("demo", "--out", "out"), "is there already"),
        ("c.json", ("evaluate", "detection", "--calibrate", "c.json"), "is there already"),
        ("o/detection.md", ("evaluate", "detection", "--out", "o"), "is there already"),
        ("o/separation.md", ("evaluate", "separation", "--out", "o"), "is there already"),
        ("o/speed.md", ("evaluate", "speed", "--out", "o"), "is there already"),
    ],
)
def test_what_is_in_the_way_is_found_before_the_work(
    noise, no_models, tmp_path, make, arguments, said
):
    (tmp_path / make).parent.mkdir(exist_ok=True)
    (tmp_path / make).write_text("mine")
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == 2 and said in done.output, done.output
    assert len(done.output.splitlines()) == 1
    assert (tmp_path / make).read_text() == "mine"
    assert {p.name for p in tmp_path.iterdir()} == {"noise.wav", make.partition("/")[0]}


@posix
@pytest.mark.parametrize("name", ["out", "a.csv"])
def test_a_dangling_link_is_in_the_way(noise, no_models, tmp_path, name):
    (tmp_path / name).symlink_to("nowhere")
    command = SEPARATE if name == "out" else ("detect", "noise.wav", "--out")
    done = CliRunner().invoke(main, [*command, name])
    assert done.exit_code == 2 and f"'{name}'" in done.output
    assert (tmp_path / name).is_symlink() and not (tmp_path / "nowhere").exists()


@posix
@pytest.mark.parametrize("kind", ["symlink_to", "hardlink_to", None])
@pytest.mark.parametrize("option", ["--out", "--figure", "separate"])
def test_an_input_is_not_its_own_output(noise, no_models, tmp_path, kind, option):
    place = {"--out": "a.csv", "--figure": "a.png", "separate": "out/output.wav"}[option]
    (tmp_path / place).parent.mkdir(exist_ok=True)
    if kind:
        getattr(tmp_path / place, kind)(noise)
        source = str(noise)
    else:
        noise.rename(tmp_path / place)
        source = place
    before = (tmp_path / place).read_bytes()
    if option == "separate":
        command = ["separate", source, "--query", "rain", "--out", "out", "--overwrite"]
    else:
        command = ["detect", source, option, place, "--overwrite"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2 and f"'{place}' would replace" in done.output, done.output
    assert (tmp_path / place).read_bytes() == before
    assert (tmp_path / place).is_symlink() == (kind == "symlink_to")


@posix
def test_a_device_is_no_output(noise, no_models):
    done = CliRunner().invoke(main, ["detect", "noise.wav", "--out", "/dev/null", "--overwrite"])
    assert done.exit_code == 2 and "'/dev/null' is a device or a pipe" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--window=auto", "--window", "auto"), "Give --window auto once."),
        (("--window", "auto", "--window=auto"), "Give --window auto once."),
        (("--window=auto", "--window", "0", "1"), "not both"),
        (("--window", "0", "1", "--window=auto"), "not both"),
        (("--", "--window=auto"), "unexpected extra argument"),
    ],
)
def test_window_auto_is_said_once(noise, no_models, arguments, said):
    done = CliRunner().invoke(main, ["separate", "noise.wav", "--query", "rain", *arguments])
    assert done.exit_code == 2 and said in done.output, done.output


def test_window_auto_with_an_equals_sign(noise, monkeypatch, tmp_path):
    asked = []

    class Separator:
        def separate(self, recording, query, **given):
            asked.append((recording.name, query, given["windows"]))
            raise ValueError("Enough.")

    monkeypatch.setattr("textsep_lab.separation.separator.load_separator", lambda _: Separator())
    noise.rename(tmp_path / "-x.wav")
    for said in (["--window=auto"], ["--window", "auto"], ["--window=0", "1"]):
        CliRunner().invoke(main, ["separate", "--query", "rain", *said, "--", "-x.wav"])
    assert asked == [("-x.wav", "rain", x) for x in ("auto", "auto", [(0.0, 1.0)])]
    done = CliRunner().invoke(main, ["separate", "-x.wav", "--query", "rain"])
    assert done.exit_code == 2 and "-x" in done.output and len(asked) == 3


def test_a_bogus_backend_does_not_stop_a_picture(start, tmp_path):
    draw = """
from textsep_lab.cli import main
@main.command()
def draw():
    from matplotlib.figure import Figure
    from textsep_lab import plots
    plots.write(Figure(), "picture")
main()
"""
    drawn = start("draw", command=draw, MPLBACKEND="bogus")
    _, said = drawn.communicate()
    assert drawn.returncode == 0, said
    assert (tmp_path / "picture").read_bytes()[:4] == b"\x89PNG"
    assert [p.name for p in tmp_path.iterdir()] == ["picture"]


def test_a_demonstration_replaces_only_a_demonstration(noise, no_models, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "result.json").write_text(json.dumps({"query": "siren"}))
    done = CliRunner().invoke(main, ["demo", "--out", "out"])
    assert done.exit_code == 2 and "is there already" in done.output
    (tmp_path / "out" / "result.json").write_text(json.dumps({"si_sdr_mixture_db": 0}))
    assert isinstance(CliRunner().invoke(main, ["demo", "--out", "out"]).exception, AssertionError)
