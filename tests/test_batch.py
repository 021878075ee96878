"""Notebooks run in batches: checked before, reported after, resumed in sweeps."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pandas as pd
import psutil
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_notebook

from textsep_lab.cli import main
from textsep_lab.teaching import batch, chapters, sweep

PARAMETERS = """lr: float = 1e-3  # rate
steps: int = 5
fast: bool = True
name: str = "x"
output_dir: str = "" """
WORK = """import json
from pathlib import Path

Path(output_dir or ".", "metrics.json").write_text(json.dumps({"loss": lr * steps}))
if steps == 7:
    raise ValueError("seven")
print("stray") if fast else Path("stray.txt").write_text(name)"""


def notebook(path, work=WORK, artefacts=("metrics.json",), parameters=PARAMETERS):
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}), new_code_cell(work)]
    about = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
        "textsep": {"artefacts": list(artefacts)},
    }
    nbformat.write(new_notebook(cells=cells, metadata=about), path)
    return path


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return notebook(tmp_path_factory.mktemp("toy") / "toy.ipynb")


@pytest.fixture
def no_sounds(monkeypatch, tmp_path):
    """The synthetic sounds are not what these tests are about."""
    monkeypatch.setattr("textsep_lab.teaching.helpers.data_root", lambda: tmp_path)


def test_values_are_read_by_the_type_in_the_notebook(toy):
    texts = {"lr": "3e-4", "steps": "2", "fast": "False", "name": "2"}
    assert batch.parse(toy, texts) == {"lr": 3e-4, "steps": 2, "fast": False, "name": "2"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("stps", "2", "no parameter 'stps': its parameters are lr, steps"),
        ("steps", "2.5", "steps is '2.5': toy needs a value of type int"),
        ("lr", "fast", "type float"),
        ("fast", "perhaps", "type bool"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_starts(toy, tmp_path, name, text, said):
    with pytest.raises(ValueError, match=said):
        batch.plan([toy], tmp_path / "out", {name: text})
    assert not (tmp_path / "out").exists()


def test_each_notebook_gets_the_parameters_it_knows(toy, tmp_path):
    other = notebook(tmp_path / "other.ipynb", "1", (), "seed: int = 0")
    jobs = batch.plan([toy, other], tmp_path, {"seed": "3", "steps": "9"})
    assert jobs[0].parameters == {"output_dir": str(tmp_path / "toy"), "steps": 9}
    assert jobs[1].parameters == {"seed": 3}
    with pytest.raises(ValueError, match="no parameter 'sed'"):
        batch.plan([toy, other], tmp_path, {"sed": "3"})


def test_folders_are_those_of_the_caller(tmp_path, monkeypatch):
    """A notebook runs in its own folder, where ``data/ESC-50`` would be another one."""
    path = notebook(tmp_path / "n.ipynb", "1", (), 'data_root: str = ""\noutput_dir: str = ""')
    monkeypatch.chdir(tmp_path)
    texts = {"data_root": "data/ESC-50", "output_dir": "mine"}
    (job,) = batch.plan([path], tmp_path / "out", texts)
    assert job.parameters == {k: str(tmp_path / v) for k, v in texts.items()}
    assert job.folder == tmp_path / "mine"
    (job,) = batch.plan([path], tmp_path / "out", {"data_root": ""})
    assert job.parameters == {"data_root": "", "output_dir": str(tmp_path / "out" / "n")}


def test_a_point_that_is_named_twice_is_one(toy):
    assert sweep.grid(toy, {"lr": "1e-3,0.001,2"}) == [{"lr": 1e-3}, {"lr": 2.0}]


def test_a_batch_as_a_user_runs_it(toy, tmp_path, no_sounds):
    """One succeeds, one fails in a cell, one leaves less than it says; all are reported."""
    bad = notebook(tmp_path / "bad.ipynb", WORK.replace("== 7", "== 9"))
    poor = notebook(tmp_path / "poor.ipynb", artefacts=("metrics.json", "figure.png"))
    names = [arg for path in (bad, toy, poor) for arg in ("--only", str(path))]
    command = ["notebooks", "run", *names, "--set", "steps=9", "--set", "fast=False", "--jobs", "2"]
    done = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "out")])
    assert done.exit_code == 1, done.output
    table = pd.read_csv(tmp_path / "out" / "summary.csv").set_index("notebook")
    assert table["status"].to_dict() == {"bad": "failed", "toy": "ok", "poor": "failed"}
    assert table["error"]["bad"] == "cell 3: ValueError: seven"
    assert table["error"]["poor"] == "it left no figure.png"
    assert (table["seconds"] > 0).all()
    assert json.loads((tmp_path / "out/toy/metrics.json").read_text()) == {"loss": 1e-3 * 9}
    assert (tmp_path / "out/toy/stray.txt").is_file()  # its working folder
    executed = chapters.read(tmp_path / "out/bad/bad.ipynb")
    assert any(o.output_type == "error" for c in executed.cells for o in c.get("outputs", []))


def test_a_sweep_gathers_and_goes_on_where_it_stopped(toy, tmp_path, no_sounds, monkeypatch):
    command = ["notebooks", "sweep", str(toy), "--grid", "steps=1,7", "--grid", "lr=0.1,0.2"]
    done = CliRunner().invoke(main, [*command, "--out", str(tmp_path), "--jobs", "2"])
    assert done.exit_code == 1, done.output
    table = pd.read_csv(tmp_path / "results.csv")
    assert table["status"].tolist() == ["ok", "ok", "failed", "failed"]
    assert table["loss"].tolist()[:2] == [0.1, 0.2]
    assert table["error"][2] == "cell 3: ValueError: seven"
    assert (tmp_path / "results.png").is_file()

    ran = []
    monkeypatch.setattr(batch, "run", lambda jobs, *_: ran.extend(jobs) or pd.DataFrame(
        [{"notebook": "toy", "status": "failed", "seconds": 0.0, "error": "again"}] * len(jobs)
    ))  # fmt: skip
    points = sweep.grid(toy, {"steps": "1,7", "lr": "0.1,0.2"})
    again = sweep.run(toy, points, tmp_path)
    assert [job.parameters["steps"] for job in ran] == [7, 7]
    assert again["loss"].tolist()[:2] == [0.1, 0.2]


def test_a_point_is_named_by_the_code_the_values_and_the_version(toy, tmp_path, monkeypatch):
    same = notebook(tmp_path / "same.ipynb")
    assert sweep.key(toy, {"lr": 0.1, "steps": 1}) == sweep.key(same, {"steps": 1, "lr": 0.1})
    assert sweep.key(toy, {"lr": 0.1}) != sweep.key(toy, {"lr": 0.2})
    changed = notebook(tmp_path / "changed.ipynb", WORK + "\n")
    assert sweep.key(toy, {"lr": 0.1}) != sweep.key(changed, {"lr": 0.1})
    before = sweep.key(toy, {"lr": 0.1})
    monkeypatch.setattr(sweep, "version", lambda _: "9.9")
    assert sweep.key(toy, {"lr": 0.1}) != before  # other code may give other numbers


def test_a_notebook_without_results_cannot_be_swept(tmp_path):
    plain = notebook(tmp_path / "plain.ipynb", artefacts=())
    with pytest.raises(ValueError, match=r"leaves no metrics\.json"):
        sweep.run(plain, [{}], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_saving_keeps_outputs_and_leaves_a_failed_notebook_alone(tmp_path):
    good = notebook(tmp_path / "00_good.ipynb")
    bad = notebook(tmp_path / "01_bad.ipynb", "raise ValueError")
    before = bad.read_bytes()
    table = batch.save([good, bad], processes=2, progress=False)
    assert table["status"].tolist() == ["ok", "failed"]
    assert bad.read_bytes() == before
    cells = chapters.read(good).cells
    assert cells[1].outputs[0].text == "stray\n"
    assert [cell.execution_count for cell in cells] == [1, 2]
    assert len(cells) == 2  # no injected parameters


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--only", "99"], "There is no chapter '99'"),
        (["run", "--only", "00", "--set", "steps"], "says no value"),
        (["sweep", "nowhere.ipynb", "--grid", "a=1"], "There is no notebook"),
    ],
)
def test_bad_requests_get_a_sentence(arguments, said):
    done = CliRunner().invoke(main, ["notebooks", *arguments])
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


# What ends a run ends its kernels

SLEEP = """import os
from pathlib import Path

import time

Path("pid").write_text(str(os.getpid()))
time.sleep(600)"""
RUN = """import sys
from textsep_lab.cli import main
import textsep_lab.teaching.helpers

if __name__ == "__main__":
    textsep_lab.teaching.helpers.data_root = lambda: None  # no sounds are needed
    main(sys.argv[1:])
"""


@pytest.fixture
def running(tmp_path):
    """Start `textsep notebooks …` on a sleeping chapter; return it with all its processes."""
    started = []

    def start(*command):
        (tmp_path / "run.py").write_text(RUN)
        notebook(tmp_path / "a.ipynb", SLEEP)
        process = subprocess.Popen(
            [sys.executable, "run.py", "notebooks", *command, "--out", "out"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        started.append(process)
        until(lambda: [*tmp_path.rglob("pid")] or process.poll(), 120)
        family = psutil.Process(process.pid).children(recursive=True)
        (kernel,) = [int(path.read_text()) for path in tmp_path.rglob("pid")]
        assert kernel in {each.pid for each in family}
        return process, family, kernel

    yield start
    for each in started:
        if each.poll() is None:
            each.kill()
        each.communicate()


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def lives(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


COMMANDS = {"run": ("run", "--only", "a.ipynb"), "sweep": ("sweep", "a.ipynb", "--grid", "steps=1")}


@pytest.mark.skipif(os.name == "nt", reason="no signals")
@pytest.mark.parametrize(
    ("command", "name"), [("run", "SIGINT"), ("run", "SIGKILL"), ("sweep", "SIGTERM")]
)
def test_what_ends_a_run_ends_its_kernels(running, command, name):
    process, family, _ = running(*COMMANDS[command])
    os.killpg(process.pid, getattr(signal, name))  # as a terminal sends it
    _, said = process.communicate(timeout=30)
    until(lambda: not any(lives(each) for each in family))
    if name != "SIGKILL":
        assert process.returncode == 128 + getattr(signal, name)
        assert "Traceback" not in said
        assert said.endswith(f"Error: Stopped by {'Ctrl-C' if name == 'SIGINT' else name}.\n")


@pytest.mark.skipif(os.name == "nt", reason="no signals")
def test_a_process_that_is_killed_is_said(running):
    process, family, kernel = running(*COMMANDS["run"])
    psutil.Process(kernel).parent().kill()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 2 and "Traceback" not in said
    assert "Error: A process that ran a notebook was killed" in said
    until(lambda: not any(lives(each) for each in family))
