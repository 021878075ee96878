"""What every notebook leans on."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile as sf

from textsep_lab.teaching import helpers


def sounds(page):
    """Return the recordings in a row of players."""
    packed = re.findall(r"data:audio/mpeg;base64,([\w+/=]+)", page)
    return [sf.read(io.BytesIO(base64.b64decode(x)), always_2d=True) for x in packed]


@pytest.mark.parametrize(("rate", "expected_rate"), [(8000, 8000), (44100, 44100), (96000, 44100)])
@pytest.mark.parametrize(("channels", "expected_channels"), [(None, 1), (1, 1), (2, 2), (5, 1)])
def test_any_recording_can_be_played(rate, expected_rate, channels, expected_channels):
    shape = (rate,) if channels is None else (channels, rate)
    noise = 0.1 * np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    ((samples, played_at),) = sounds(helpers.play(rate, it=noise)._repr_html_())
    assert played_at == expected_rate
    assert samples.shape[1] == expected_channels
    assert len(samples) / played_at == pytest.approx(1.0, abs=0.15)  # MP3 comes in frames


def test_players_share_one_gain():
    tone = np.sin(np.arange(16000) / 5).astype(np.float32)
    loud, soft = (x for x, _ in sounds(helpers.play(loud=2 * tone, soft=tone)._repr_html_()))
    assert np.abs(loud).max() < 1
    assert np.std(loud) / np.std(soft) == pytest.approx(2, rel=0.05)


def test_silence_and_names_are_shown_as_they_are():
    page = helpers.play(a_b=np.zeros(800), **{"<x>": np.zeros(800)})._repr_html_()
    assert "a b" in page and "&lt;x&gt;" in page and "<x>" not in page
    assert len(repr(helpers.play(x=np.zeros(800)))) < 200  # the sound is not in it twice


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: True, "✓ Right."),
        (lambda: None, "✗ Not yet. Think."),
        (lambda: 1 / 0, "✗ Not yet. Think. (ZeroDivisionError: division by zero)"),
    ],
)
def test_a_check_says_what_it_finds(answer, said, capsys):
    helpers.check(answer, "Think.")
    assert capsys.readouterr().out.strip() == said


def test_a_chapter_begins_in_its_own_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(helpers, "runs_dir", lambda: tmp_path / "runs")
    assert helpers.begin("03_x") == tmp_path / "runs" / "notebooks" / "03_x"
    assert helpers.begin("03_x", str(tmp_path / "own")) == tmp_path / "own"
    assert (tmp_path / "own").is_dir()
    assert "torch" in capsys.readouterr().out


def test_the_synthetic_sounds_are_made_once(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(helpers, "runs_dir", lambda: tmp_path)
    monkeypatch.setattr(
        helpers, "write_dataset", lambda folder, *a, **k: made.append(folder) or folder.mkdir(
            parents=True) or folder
    )  # fmt: skip
    assert helpers.data_root() == helpers.data_root() == made[0]
    assert len(made) == 1
    assert helpers.data_root(str(tmp_path / "mine")) == tmp_path / "mine"


def test_a_report_that_is_not_there_is_said_to_be_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(helpers, "reports_dir", lambda: tmp_path)
    (tmp_path / "known.csv").write_text("system,ratio\nours,2\n")
    assert helpers.reported("known").set_index("system")["ratio"]["ours"] == 2
    assert capsys.readouterr().out == ""
    assert helpers.reported("separation/other") is None
    assert "reports/separation/other.csv" in capsys.readouterr().out
