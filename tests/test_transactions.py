"""A result folder holds the old result or the new one, whole, whatever ends the run."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from textsep_lab.separation.result import NAMES, Separation
from textsep_lab.signal.audio import AudioFormat
from textsep_lab.utils import temporary, transactions
from textsep_lab.utils.transactions import transaction, verify, write_manifest

FOLDER_OF = Path(__file__).parent
#: No process has this number: Linux and macOS stay far below.
DEAD = 2**30


def separation(level=0.1, samples=2000, container="WAV"):
    output = np.full((2, samples), level, np.float32)
    return Separation(
        input=2 * output, output=output, residual=output, masks=(),
        gate=np.ones(samples, np.float32), sample_rate=8000, query="rain",
        mode="keep", windows=None, fade=0.0, method="unet", auto_windows=False, confidence=0.5,
        energy_share=level, format=AudioFormat(container, "VORBIS" if container == "OGG" else
        "PCM_16"),
    )  # fmt: skip


def files(folder):
    return {path.name for path in Path(folder).iterdir()}


def save_for_ever(folder):
    """What the child does until it is killed: results of two kinds take turns."""
    sizes = np.random.default_rng(0).integers(1, 4, 10**6)
    for turn, size in enumerate(sizes):
        kind = ("WAV", "FLAC")[turn % 2]
        separation(turn / 1e6, int(size) * 100, kind).save(folder, overwrite=True, figure=False)
        if turn == 0:
            print("ready", flush=True)


def child(code, *arguments, **options):
    source = f"import sys; sys.path.insert(0, {str(FOLDER_OF)!r}); import test_transactions as t; "
    command = [sys.executable, "-c", source + code, *map(str, arguments)]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    assert started.stdout.readline() == "ready\n"
    return started


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_what_kill_leaves_is_one_result_or_none_and_the_next_run_finishes_it(tmp_path):
    moments = np.random.default_rng(1).uniform(0, 0.05, 20)
    (tmp_path / "notes.txt").write_text("mine")
    for moment in moments:
        saving = child("t.save_for_ever(sys.argv[1])", tmp_path)
        time.sleep(moment)
        saving.kill()
        saving.wait()
        saving.stdout.close()
        if (tmp_path / "result.json").exists():
            assert verify(tmp_path, NAMES) is None
        transactions._recover(tmp_path, NAMES)
        assert not transactions.existing(tmp_path, NAMES) or verify(tmp_path, NAMES) is None
        assert not temporary.temporaries(tmp_path)
    assert verify(tmp_path, NAMES) is None
    assert (tmp_path / "notes.txt").read_text() == "mine"


class Killed(BaseException):
    """Stands for the end of the process: nothing runs after it."""


STEPS = range(14)


@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_at_every_step_there_is_the_old_result_or_the_new(tmp_path, monkeypatch, step, interrupted):
    """Every change of the folder, one after the other, is the last one."""
    separation(0.1, container="FLAC").save(tmp_path, figure=False)
    old = json.loads((tmp_path / "result.json").read_bytes())
    done, real = [], {name: getattr(Path, name) for name in ("replace", "unlink")}

    def dying(name):
        def change(path, *args, **kwargs):
            if len(done) == step or (done and done[-1] is Killed and not interrupted):
                done.append(Killed)
                raise Killed
            done.append(name)
            return real[name](path, *args, **kwargs)

        return change

    with monkeypatch.context() as patch:
        for name in real:
            patch.setattr(Path, name, dying(name))
        if not interrupted:  # a dead process does not clean up
            patch.setattr(transactions.shutil, "rmtree", lambda *a, **k: None)
        try:
            separation(0.2).save(tmp_path, overwrite=True, figure=False)
        except Killed:
            pass
        else:
            assert len(done) <= step
    if (tmp_path / "result.json").exists():
        assert verify(tmp_path, NAMES) is None
    transactions._recover(tmp_path, NAMES)
    assert verify(tmp_path, NAMES) is None
    new = json.loads((tmp_path / "result.json").read_bytes())
    whole = {"result.json", *new["files"]}
    assert files(tmp_path) == whole
    assert new["energy_share"] == 0.2 or new == old


def test_all_steps_are_tried(tmp_path, monkeypatch):
    separation(0.1, container="FLAC").save(tmp_path, figure=False)
    count = []
    for name in ("replace", "unlink"):
        real = getattr(Path, name)
        monkeypatch.setattr(Path, name, lambda *a, real=real, **k: count.append(1) or real(*a, **k))
    separation(0.2).save(tmp_path, overwrite=True, figure=False)
    assert len(count) < len(STEPS) + 4


def test_an_old_result_goes_as_a_whole_and_strangers_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "output.mp3").write_text("mine")
    with transaction(tmp_path, NAMES) as new:
        for name in ("output.flac", "separation.png", "extra.csv"):
            (new / name).write_text("old")
        write_manifest(new, {})
    assert files(tmp_path) == {
        "notes.txt", "output.mp3", "output.flac", "separation.png", "extra.csv", "result.json"
    }  # fmt: skip
    separation().save(tmp_path, overwrite=True, figure=False)
    assert files(tmp_path) == {
        "notes.txt", "output.mp3", "output.wav", "residual.wav", "result.json"
    }  # fmt: skip
    assert verify(tmp_path, NAMES) is None


@pytest.mark.parametrize("there", [*NAMES, "result.json", "extra.csv"])
def test_a_result_of_any_ending_is_not_replaced_unasked(tmp_path, there):
    with transaction(tmp_path, NAMES) as new:
        (new / "extra.csv").write_text("old")
        write_manifest(new, {})
    if there != "extra.csv":
        (tmp_path / "result.json").unlink()
        (tmp_path / there).write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match="is there already"):
        separation().save(tmp_path, figure=False)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_dangling_link_is_something_that_is_there(tmp_path):
    (tmp_path / "output.wav").symlink_to("nowhere")
    with pytest.raises(FileExistsError, match=r"output\.wav' is there already"):
        separation().save(tmp_path, figure=False)
    separation().save(tmp_path, overwrite=True, figure=False)
    assert not (tmp_path / "output.wav").is_symlink() and not (tmp_path / "nowhere").exists()


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "mine.wav").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "output.wav").symlink_to(tmp_path / "mine.wav")
    separation().save(tmp_path / "out", overwrite=True, figure=False)
    assert (tmp_path / "mine.wav").read_text() == "mine"
    assert verify(tmp_path / "out", NAMES) is None


@pytest.mark.parametrize("name", ["output.flac", "result.json"])
def test_a_folder_in_a_files_place_is_refused_before_anything_changes(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        separation().save(tmp_path, overwrite=True, figure=False)
    assert files(tmp_path) == {name}


def test_what_comes_in_between_is_not_overwritten_either(tmp_path):
    with pytest.raises(FileExistsError, match=r"output\.ogg"), transaction(tmp_path, NAMES) as new:
        (new / "output.wav").write_text("new")
        write_manifest(new, {})
        (tmp_path / "output.ogg").write_text("mine")
    assert files(tmp_path) == {"output.ogg"}


def test_a_failure_leaves_the_old_result_and_names_the_file_as_it_is_called(tmp_path):
    separation(0.1).save(tmp_path, figure=False)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=r"'.*/output\.ogg' cannot be written") as caught:
        replace(separation(), sample_rate=384_000).save(
            tmp_path, overwrite=True, figure=False, container="OGG"
        )
    assert ".textsep" not in str(caught.value)
    with pytest.raises(FileNotFoundError) as missing, transaction(tmp_path, NAMES, True) as new:
        (new / "a" / "b").write_text("x")
    assert missing.value.filename == str(tmp_path / "a" / "b")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_result_without_its_manifest_is_a_mistake_of_the_program(tmp_path):
    with pytest.raises(RuntimeError, match="write_manifest"), transaction(tmp_path, NAMES) as new:
        (new / "output.wav").write_text("new")
    assert files(tmp_path) == set()


@pytest.mark.skipif(os.name == "nt", reason="POSIX")
def test_two_runs_into_one_folder_are_refused_and_the_dead_are_swept(tmp_path):
    living = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        other = tmp_path / f".textsep-{temporary._machine()}-{living.pid}-00000000"
        other.mkdir()
        with pytest.raises(BlockingIOError, match=f"Another run .process {living.pid}. is writing"):
            separation().save(tmp_path, figure=False)
        assert files(tmp_path) == {other.name}
    finally:
        living.kill()
        living.communicate()
    foreign = tmp_path / f".textsep-{int(temporary._machine(), 16) ^ 1:04x}-{DEAD}-00000000"
    foreign.mkdir()
    mine = [f".textsep-{temporary._machine()}-{n}-0000000{n % 7}" for n in (DEAD, os.getpid())]
    (tmp_path / mine[0]).write_text("half")
    (tmp_path / mine[1]).mkdir()  # an earlier process had this one's number
    (tmp_path / ".textsep-notes").write_text("a stranger's")
    separation().save(tmp_path, figure=False)
    assert {x for x in files(tmp_path) if x[0] == "."} == {foreign.name, ".textsep-notes"}
    assert verify(tmp_path, NAMES) is None


def test_a_second_run_of_the_same_process_is_refused(tmp_path):
    with transaction(tmp_path, NAMES) as new:
        with pytest.raises(BlockingIOError, match="Another run"):
            separation().save(tmp_path, figure=False)
        (new / "output.wav").write_text("first")
        write_manifest(new, {})
    assert verify(tmp_path, NAMES) is None


def test_verify_says_what_does_not_fit(tmp_path):
    assert "no whole result" in verify(tmp_path / "nowhere")
    separation().save(tmp_path, figure=False)
    assert verify(tmp_path, NAMES) is None
    output = (tmp_path / "output.wav").read_bytes()
    (tmp_path / "output.wav").write_bytes(output[:-1] + b"x")
    assert "output.wav' is not the file" in verify(tmp_path)
    (tmp_path / "output.wav").unlink()
    assert "output.wav' is missing" in verify(tmp_path)
    (tmp_path / "output.wav").write_bytes(output)
    (tmp_path / "output.flac").write_text("another run's")
    assert verify(tmp_path) is None
    assert "output.flac' is not of this result" in verify(tmp_path, NAMES)
    for content in ("", "{}", "[]", '{"files": ["a"]}', '{"files": {"../a": "0"}}'):
        (tmp_path / "result.json").write_text(content)
        assert "does not say which files" in verify(tmp_path)


def test_a_manifest_cannot_name_what_lies_elsewhere(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "result.json").write_text('{"files": {"../mine.txt": "0", "a": "0"}}')
    separation().save(tmp_path / "out", overwrite=True, figure=False)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_words_that_are_not_utf_8_are_kept_as_json(tmp_path):
    with transaction(tmp_path, NAMES) as new:
        write_manifest(new, {"query": "h\udcffh 犬"})
    facts = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert facts["query"] == "h\udcffh 犬"


@pytest.mark.skipif(os.name == "nt", reason="no signals")
@pytest.mark.parametrize("name", ["SIGINT"])
def test_an_interrupted_save_cleans_up(tmp_path, name):
    saving = child(
        "t.save_for_ever(sys.argv[1])", tmp_path, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(0.05)
    saving.send_signal(getattr(signal, name))
    saving.communicate()
    assert not temporary.temporaries(tmp_path)
    assert verify(tmp_path, NAMES) is None
