"""The demonstration: the bundled files are what the code makes, and the shipped weights help."""

import numpy as np
import pytest

from textsep_lab.separation.separator import load_separator
from textsep_lab.session import quickstart
from textsep_lab.signal import audio
from textsep_lab.utils.paths import demo_data_dir


@pytest.fixture(scope="module")
def result():
    path = demo_data_dir() / "mixture.wav"
    return load_separator().separate(path, quickstart.QUERY, windows=[quickstart.WINDOW])


def test_the_bundled_files_are_what_the_code_makes(tmp_path):
    for path in quickstart.write_bundle(tmp_path):
        made, bundled = audio.load(path)[0], audio.load(demo_data_dir() / path.name)[0]
        # Within a few steps of 16 bits: numpy versions may round differently.
        np.testing.assert_allclose(made, bundled, atol=1e-3)


def test_the_shipped_weights_bring_the_dog_out(result):
    target, _ = audio.load(demo_data_dir() / "target.wav")
    scores = quickstart.score(result, target)
    assert scores["si_sdr_output_db"] > scores["si_sdr_mixture_db"] + 4
    assert scores["largest_change_outside"] == 0
    assert f"{scores['si_sdr_output_db']:.1f}" in quickstart.table(scores)


def test_outside_the_window_nothing_changed(result):
    outside = result.gate == 0
    assert 2.4 < outside.sum() / result.sample_rate < 2.6
    assert np.array_equal(result.output[:, outside], result.input[:, outside])


def test_another_query_takes_something_else(result):
    rain = load_separator().separate(demo_data_dir() / "mixture.wav", "rain falling")
    dog = load_separator().separate(demo_data_dir() / "mixture.wav", "dog barking")
    interference = audio.load(demo_data_dir() / "interference.wav")[0][0]
    similarity = [float(np.corrcoef(x.output[0], interference)[0, 1]) for x in (rain, dog)]
    assert similarity[0] > similarity[1] + 0.2
