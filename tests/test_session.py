"""The session: what it opens, detects, separates, remembers and saves; no widget, tiny networks."""

import io
import json
import sys

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textsep_lab.detection import gemini
from textsep_lab.models.masking import apply_to_channels
from textsep_lab.separation import nmf
from textsep_lab.separation.separator import Separator
from textsep_lab.session import exports, recordings
from textsep_lab.session import session as session_module
from textsep_lab.session.recordings import Recording
from textsep_lab.session.request import Query, Request
from textsep_lab.session.session import Cancelled, Session, available_detectors
from textsep_lab.signal import audio
from textsep_lab.signal.timegate import gate

PROMISES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
RATE = 16000
WORDS = ["dog barking", "rain", "siren", "a low tone"]


def noise(channels=1, seconds=0.4, seed=0, rate=RATE):
    rng = np.random.default_rng(seed)
    waveform = 0.1 * rng.standard_normal((channels, round(seconds * rate)))
    return Recording(f"noise {seed}", waveform.astype(np.float32), rate)


def query(text="rain", mode="keep", **changes):
    return Request((Query(text, mode),), **changes)


def packed(waveform, rate=RATE, **kind):
    file = io.BytesIO()
    sf.write(file, waveform.T, rate, **kind)
    return file.getvalue()


@pytest.fixture(scope="module")
def separator(network, fake_encoder, detector):
    return Separator(network, fake_encoder, detector=detector)


@pytest.fixture
def session(separator):
    made = Session(separator)
    made.open(noise())
    return made


requests = st.builds(
    Request,
    st.lists(
        st.builds(Query, st.sampled_from(WORDS), st.sampled_from(["keep", "remove"])),
        min_size=1, max_size=3, unique_by=lambda q: q.text,
    ).map(tuple),
    st.sampled_from([None, ((0.1, 0.3),), ((0.0, 0.1), (0.25, 0.4))]),
    st.sampled_from([0.0, 0.03, 1.0]),
    st.sampled_from([0.0, 0.3, 1.0]),
)  # fmt: skip


# ------------------------------------------------------------------ promises


@PROMISES
@given(request=requests, channels=st.sampled_from([1, 2]), rate=st.sampled_from([8000, 44100]))
def test_outside_the_windows_nothing_changes_and_nothing_is_lost(
    separator, request, channels, rate
):
    session = Session(separator)
    session.open(noise(channels, rate=rate))
    result = session.separate(request).result
    assert result.output.shape == result.input.shape
    assert result.output.dtype == np.float32
    closed = gate(request.windows, result.input.shape[1], rate, request.fade) == 0
    outside = result.output[:, closed].tobytes(), result.input[:, closed].tobytes()
    assert outside[0] == outside[1]
    lost = np.abs(result.output + result.residual - result.input)
    size = np.abs([result.input, result.output, result.residual]).max(axis=0)
    assert (lost <= np.spacing(size)).all()  # one unit in the last place
    assert 0 <= result.mask.min() <= result.mask.max() <= 1
    if request.strength == 0:
        assert np.array_equal(result.output, result.input)


@PROMISES
@given(
    mode=st.sampled_from(["keep", "remove"]),
    windows=st.sampled_from([None, ((0.1, 0.3),)]),
    method=st.sampled_from(["unet", "nmf"]),
)
def test_one_query_is_exactly_what_the_separator_gives(session, separator, mode, windows, method):
    request = query("siren", mode, windows=windows, method=method, components=6)
    run, recording = session.separate(request), session.recording
    wanted = separator.separate(
        recording.waveform, "siren", mode, None if windows is None else list(windows),
        sample_rate=RATE, method=method, components=6,
    )  # fmt: skip
    for name in ("output", "residual", "mask", "gate"):
        assert np.array_equal(getattr(run.result, name), getattr(wanted, name)), name
    assert run.result.confidence == run.scores[0].confidence == wanted.confidence
    assert run.result.energy_share == wanted.energy_share


def masks_of(separator, recording, *words):
    return [separator.mask(recording.waveform, RATE, word).values for word in words]


def test_kept_sounds_are_added_and_removed_ones_taken_from_them(session, separator):
    recording = session.recording
    rain, siren, dog = masks_of(separator, recording, "rain", "siren", "dog barking")
    both = Request((Query("rain"), Query("siren")))
    most = (rain + siren).clamp(max=1)
    np.testing.assert_array_equal(session.separate(both).result.mask, most[0].numpy())
    less = Request((*both.queries, Query("dog barking", "remove")))
    run = session.separate(less)
    wanted = (most - dog).clamp(min=0)
    np.testing.assert_array_equal(run.result.mask, wanted[0].numpy())
    assert 0 < float(wanted.sum()) < float(most.sum())
    target = apply_to_channels(wanted, recording.waveform, RATE, separator.network.config)
    np.testing.assert_allclose(run.result.output, target, atol=1e-6)
    assert run.request.mode == "keep"


def test_several_removed_sounds_are_taken_away_together(session, separator):
    run = session.separate(Request((Query("rain", "remove"), Query("siren", "remove"))))
    mask = sum(masks_of(separator, session.recording, "rain", "siren")).clamp(max=1)
    taken = apply_to_channels(mask, session.recording.waveform, RATE, separator.network.config)
    np.testing.assert_allclose(run.result.residual, taken, atol=1e-6)
    assert run.request.mode == "remove"


def test_names_that_are_too_long_for_one_query_together_are_no_matter(session):
    """Each is asked for alone; their joint title is for people and asked of nobody."""
    queries = tuple(Query(f"{word} " * 19) for word in ("rain", "siren", "dogs"))
    asked = []
    detector = session.separator.detector
    whole = detector.encoder.embed_text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector.encoder, "embed_text", lambda x: asked.extend(x) or whole(x))
        run = session.separate(Request(queries))
    assert len(run.result.query) > 200 and run.result.query == run.request.title
    assert set(asked) <= {query.text.strip() for query in queries}


def test_several_sounds_keep_every_promise(session):
    request = Request((Query("rain"), Query("siren", "remove")), windows=((0.1, 0.3),))
    result = session.separate(request).result
    outside = result.gate == 0
    assert np.array_equal(result.output[:, outside], result.input[:, outside])
    np.testing.assert_allclose(result.output + result.residual, result.input, atol=1e-6)


def test_the_order_of_the_queries_does_not_matter(session):
    queries = Query("rain"), Query("siren"), Query("dog barking", "remove")
    one, other = (session.separate(Request(q)).result for q in (queries, queries[::-1]))
    np.testing.assert_allclose(one.output, other.output, atol=1e-6)


def test_each_query_is_judged_alone_and_the_least_sure_counts(session):
    request = Request((Query("low"), Query("high", "remove")))
    run = session.separate(request)
    alone = [session.separate(query(q.text, q.mode)).result for q in request.queries]
    assert [each.confidence for each in run.scores] == [x.confidence for x in alone]
    assert run.result.confidence == min(x.confidence for x in alone)


@pytest.mark.parametrize("strength", [0.25, 0.6])
def test_strength_scales_what_is_taken_away(session, strength):
    whole = session.separate(query(windows=((0.1, 0.3),))).result
    part = session.separate(query(windows=((0.1, 0.3),), strength=strength)).result
    np.testing.assert_array_equal(part.residual, np.float32(strength) * whole.residual)
    np.testing.assert_array_equal(part.output, part.input - part.residual)


def test_a_moved_window_does_not_ask_the_network_again(session, monkeypatch):
    session.separate(query(windows=((0.1, 0.2),)))
    monkeypatch.setattr(Separator, "mask", lambda *_: pytest.fail("asked again"))
    moved = session.separate(query("rain", "remove", windows=((0.2, 0.4),)))
    monkeypatch.undo()
    fresh = Session(session.separator)
    fresh.open(session.recording)
    wanted = fresh.separate(moved.request).result
    assert np.array_equal(moved.result.output, wanted.output)


def test_another_recording_gets_another_mask(session):
    one = session.separate(query()).result.mask
    session.open(noise(seed=1))
    assert not np.array_equal(session.separate(query()).result.mask, one)


def test_energy_change_is_that_of_the_levels_in_the_windows(session):
    run = session.separate(query("rain", "remove", windows=((0.1, 0.3),)))
    power = [np.square(x[:, run.result.gate > 0], dtype=float).mean()
             for x in (run.result.output, run.result.input)]  # fmt: skip
    assert run.energy_change_db == pytest.approx(10 * np.log10(power[0] / power[1]))
    assert run.energy_change_db < 0


def test_silence_has_no_energy_change(session):
    session.open(Recording("silence", np.zeros((1, 8000), np.float32), RATE))
    run = session.separate(query())
    assert np.isnan(run.energy_change_db)
    assert json.loads(exports.recipe(run))["result"]["energy_change_db"] is None


# ------------------------------------------------------------------ what a person can do wrong


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request(()), "1 to 6 sounds"),
        (Request(tuple(Query(str(k)) for k in range(7))), "1 to 6 sounds, not 7"),
        (query("   "), "query is empty"),
        (Request((Query("rain"), Query("Rain", "remove"))), "asked for twice"),
        (query("rain", "louder"), "no mode 'louder'"),
        (query(method="magic"), "no method 'magic'"),
        (query(strength=1.5), "from 0 to 1"),
        (query(strength=float("nan")), "from 0 to 1"),
        (query(fade=-1.0), "0 or more"),
        (query(fade=float("inf")), "0 or more"),
        (query(components=13), "6 to 12"),
        (query(components=5), "6 to 12"),
        (query(windows=((0.3, 0.1),)), "reversed"),
        (query(windows=((0.1, 9.0),)), "outside the recording"),
        (query(windows=()), "empty"),
    ],
)
def test_bad_requests_get_one_sentence_and_leave_no_run(session, request_, said):
    with pytest.raises(ValueError, match=said):
        session.separate(request_)
    assert session.runs == []


def test_cancelling_leaves_no_run(session):
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) == 2

    with pytest.raises(Cancelled):
        session.separate(Request((Query("rain"), Query("siren"))), cancelled=cancelled)
    assert session.runs == []


def test_a_long_recording_is_left_between_two_chunks(session, monkeypatch):
    network, asked = session.separator.network, []
    monkeypatch.setattr(type(network), "forward", lambda *_: pytest.fail("went on"))
    with pytest.raises(Cancelled):
        session.separate(query(), cancelled=lambda: asked.append(1) or True)
    assert asked
    assert not network._forward_pre_hooks


def test_progress_goes_up_and_names_each_sound(session):
    told = []
    session.separate(Request((Query("rain"), Query("siren"))), lambda *said: told.append(said))
    shares, words = zip(*told, strict=True)
    assert list(shares) == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] < 1
    assert "rain" in words[0]
    assert "siren" in words[1]


def test_only_the_last_runs_are_kept(session, monkeypatch):
    for k in range(10):
        session.separate(query(windows=((0.0, 0.1 + 0.01 * k),)))
    assert len(session.runs) == session_module.MAX_RUNS
    assert session.runs[-1].request.windows == ((0.0, pytest.approx(0.19)),)
    monkeypatch.setattr(session_module, "MAX_RUN_BYTES", 6 * session.recording.waveform.nbytes)
    session.separate(query())
    assert len(session.runs) == 2


# ------------------------------------------------------------------ detection


def test_suggestions_say_what_is_detected_and_when(session, tones):
    waveform = tones(3, ("low", 0.0, 1.0), ("high", 2.0, 3.0))
    session.open(Recording("tones", waveform, RATE))
    suggestions = {
        suggestion.label: suggestion for suggestion in session.detect(["low", "middle", "high"])
    }
    assert suggestions["low"].probability > suggestions["middle"].probability
    (start, end), *_ = suggestions["high"].spans
    assert abs(start - 2) < 0.3
    assert abs(end - 3) < 0.3
    assert [suggestion.label for suggestion in session.detect(["low", "middle", "high"])][
        -1
    ] == "middle"


def test_silence_says_so(session):
    session.open(Recording("silence", np.zeros((1, 8000), np.float32), RATE))
    with pytest.raises(ValueError, match="silent"):
        session.detect()


def test_gemini_suggests_and_the_notice_comes_first(session, monkeypatch):
    def describe(waveform, sample_rate, say):
        say(gemini.PRIVACY)
        return [gemini.Suggestion("rain", 0.1, 0.3), gemini.Suggestion("a car")]

    said = []
    monkeypatch.setattr(gemini, "describe", describe)
    rain, car = session.suggest(said.append)
    assert said == [gemini.PRIVACY]
    assert (rain.label, rain.probability, rain.spans) == ("rain", None, ((0.1, 0.3),))
    assert car.spans == ()


def test_without_a_key_gemini_is_not_asked(session, monkeypatch):
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="no usable Gemini key"):
        session.suggest(lambda said: pytest.fail(said))


def test_detectors_are_those_that_can_detect_here():
    assert available_detectors()[0] == "mini-clap"
    assert "minilm-l6-int8" not in available_detectors()


def test_another_detector_is_used_from_then_on(session, separator, make_detector, monkeypatch):
    other = make_detector(frames=False)
    monkeypatch.setattr(session_module, "load_detector", lambda name: {"other": other}[name])
    session.use_detector("other")
    assert session.separator.detector is other
    assert separator.detector is not other  # the caller's is left as it was


# ------------------------------------------------------------------ sources


def test_all_examples_open_and_are_reproducible():
    names = recordings.examples()
    assert names[0] == recordings.BUNDLED
    for name in names:
        one, two = recordings.open_example(name), recordings.open_example(name)
        assert one.sha256 == two.sha256
        assert one.duration == 5
        assert 0.05 < np.abs(one.waveform).max() <= 1


def test_an_unknown_example_is_refused():
    with pytest.raises(ValueError, match="no example"):
        recordings.open_example("Whale")


def test_esc50_is_offered_where_it_is(dataset, monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTSEP_ESC50", str(dataset))
    clips = recordings.esc50_clips()
    assert set(clips) == {"car horn", "cat", "clock tick", "dog", "rain", "siren"}
    recording = recordings.open_esc50(clips["dog"][0])
    assert recording.duration == 1
    with pytest.raises(ValueError, match="no clip"):
        recordings.open_esc50("nothing.wav")
    monkeypatch.setenv("TEXTSEP_ESC50", str(tmp_path))
    assert recordings.esc50_clips() == {}


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        ("wav", {"format": "WAV", "subtype": "PCM_16"}),
        ("FLAC", {"format": "FLAC"}),
        ("ogg", {"format": "OGG"}),
        ("mp3", {"format": "MP3"}),
        ("aiff", {"format": "AIFF"}),
    ],
)
def test_uploads_of_libsndfiles_kinds_open(ending, kind):
    waveform = noise(2, rate=44100).waveform
    opened = recordings.open_bytes(f"a.{ending}", packed(waveform, 44100, **kind))
    assert (len(opened.waveform), opened.sample_rate) == (2, 44100)
    assert abs(opened.duration - 0.4) < 0.1
    assert opened.format.container == kind["format"]


@pytest.mark.parametrize(("ending", "codec"), [("m4a", "aac"), ("mp4", "aac"), ("webm", "libopus")])
def test_uploads_of_phones_and_browsers_open(ending, codec, tones):
    av = pytest.importorskip("av", reason="needs pip install '.[av]'")
    rate = 48000
    waveform = tones(1.0, ("middle", 0.0, 1.0), rate=rate)
    file = io.BytesIO()
    with av.open(file, "w", format="ipod" if ending == "m4a" else ending) as container:
        track = container.add_stream(codec, rate=rate)
        track.layout = "mono"
        frame = av.AudioFrame.from_ndarray(waveform, format="fltp", layout="mono")
        frame.sample_rate = rate
        fifo = av.AudioFifo()
        fifo.write(frame)
        while (part := fifo.read(960 if codec == "libopus" else 1024, partial=True)) is not None:
            container.mux(track.encode(part))
        container.mux(track.encode(None))
    opened = recordings.open_bytes(f"phone.{ending}", file.getvalue())
    assert opened.sample_rate == rate
    assert abs(opened.duration - 1) < 0.1
    spectrum = np.abs(np.fft.rfft(opened.waveform[0]))
    assert np.argmax(spectrum) * rate / opened.waveform.shape[1] == pytest.approx(1000, abs=5)


def test_without_pyav_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"M4A files need PyAV: pip install 'textsep-lab\[av\]'"):
        recordings.open_bytes("a.m4a", b"anything")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("notes.txt", b"hello", "no ending of a recording"),
        ("noending", b"hello", "no ending of a recording"),
        ("song.wav", b"this is no audio at all", "^'song.wav' cannot be read"),
        ("song.flac", b"", "^'song.flac' is an empty file"),
        ("../../etc/song.mp3", b"x" * 500, "^'song.mp3' cannot be read"),
        ("C:\\songs\\song.ogg", b"x" * 500, "^'song.ogg'"),
        ("cut.wav", packed(noise().waveform, format="WAV")[:-3000], "^'cut.wav' is cut off"),
    ],
)
def test_bad_uploads_get_one_sentence_with_their_own_name(name, data, said):
    with pytest.raises(ValueError, match=said) as caught:
        recordings.open_bytes(name, data)
    assert "/" not in str(caught.value)


@pytest.mark.parametrize("data", [b"no film at all", b""])
def test_damaged_films_are_refused(data):
    pytest.importorskip("av", reason="needs pip install '.[av]'")
    with pytest.raises(ValueError, match=r"'a.mp4' (cannot be read|has no sound)"):
        recordings.open_bytes("a.mp4", data)


def test_large_and_long_uploads_are_refused(monkeypatch):
    data = packed(noise().waveform, format="WAV")
    monkeypatch.setattr(recordings, "MAX_SECONDS", 0.3)
    with pytest.raises(ValueError, match=r"^'a.wav' is too long"):
        recordings.open_bytes("a.wav", data)
    monkeypatch.setattr(recordings, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="the limit is"):
        recordings.open_bytes("a.wav", data)


# ------------------------------------------------------------------ what leaves it


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_saved_wav_keeps_the_files_samples_outside_the_windows(session, subtype):
    data = packed(noise().waveform, format="WAV", subtype=subtype)
    session.open(recordings.open_bytes("a.wav", data))
    run = session.separate(query(windows=((0.1, 0.3),)))
    saved, rate = sf.read(io.BytesIO(exports.wav(run)), dtype="float32", always_2d=True)
    assert rate == RATE
    assert sf.info(io.BytesIO(exports.wav(run))).subtype == subtype
    closed = run.result.gate == 0
    assert np.array_equal(saved.T[:, closed], session.recording.waveform[:, closed])
    assert not np.array_equal(saved.T, session.recording.waveform)


def test_a_saved_wav_does_not_clip(session):
    loud = Recording("loud", 30 * noise().waveform, RATE, format=audio.AudioFormat("WAV", "PCM_16"))
    session.open(loud)
    run = session.separate(query(windows=((0.1, 0.3),)))
    saved, _ = sf.read(io.BytesIO(exports.wav(run)), dtype="float32", always_2d=True)
    assert np.array_equal(saved.T, run.result.output)


def test_tracks_have_names(session):
    run = session.separate(query())
    with pytest.raises(ValueError, match="no track"):
        exports.wav(run, "mask")


def test_the_picture_is_a_png(session):
    assert exports.picture(session.separate(query("a $ sign"))).startswith(b"\x89PNG")


@PROMISES
@given(request=requests)
def test_a_recipe_repeats_the_run(session, request):
    run = session.separate(request)
    asked = exports.open_recipe(session, exports.recipe(run))
    assert asked == run.request
    assert np.array_equal(session.separate(asked).result.output, run.result.output)


def test_a_recipe_opens_its_example_but_not_another_persons_file(session):
    session.open(recordings.open_example("Flute in the wind"))
    of_example = exports.recipe(session.separate(query()))
    session.open(noise(seed=7))
    of_file = exports.recipe(session.separate(query()))
    exports.open_recipe(session, of_example)
    assert session.recording.name == "Flute in the wind"
    with pytest.raises(ValueError, match="made with 'noise 7': open that recording first"):
        exports.open_recipe(session, of_file)


@pytest.mark.parametrize("change", ["not json", "{}", "[]", "1", '{"format": "textsep recipe 1"}'])
def test_what_is_no_recipe_is_refused(session, change):
    with pytest.raises(ValueError, match="not a recipe"):
        exports.open_recipe(session, change.encode())


def test_a_recipe_with_bad_values_is_refused(session):
    facts = exports.facts(session.separate(query()))
    facts["request"]["strength"] = 7
    with pytest.raises(ValueError, match="from 0 to 1"):
        exports.open_recipe(session, json.dumps(facts).encode())
    facts["request"]["queries"] = [{"text": 5, "mode": "keep"}]
    with pytest.raises(
        ValueError, match=r"^'recipe\.json' is not .*: queries\[0\]\.text is 5, expected str\.$"
    ):
        exports.open_recipe(session, json.dumps(facts).encode())


@pytest.mark.parametrize(
    "request_",
    [
        query("rain", windows=((0.1, 0.3),)),
        query("rain", "remove", method="nmf", components=6, fade=0.0),
        Request((Query("rain"), Query('a dog\'s "bark"', "remove")), strength=0.5),
    ],
)
def test_the_lines_of_python_repeat_the_run(session, separator, request_, tmp_path, monkeypatch):
    data = packed(noise().waveform, format="WAV", subtype="PCM_16")
    (tmp_path / "my song.wav").write_bytes(data)
    session.open(recordings.open_bytes("my song.wav", data))
    run = session.separate(request_)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("textsep_lab.load_separator", lambda: separator, raising=False)
    monkeypatch.setattr(session_module, "load_separator", lambda: separator)
    names = {}
    exec(exports.code(run), names)
    assert np.array_equal(names["result"].output, run.result.output)


def test_the_lines_of_python_find_the_examples(session, separator, monkeypatch):
    monkeypatch.setattr("textsep_lab.load_separator", lambda: separator, raising=False)
    monkeypatch.setattr(session_module, "load_separator", lambda: separator)
    for name in recordings.examples()[:2]:
        session.open(recordings.open_example(name))
        run, names = session.separate(query(windows=((1.0, 2.0),))), {}
        exec(exports.code(run), names)
        assert np.array_equal(names["result"].output, run.result.output)


def test_several_nmf_masks_are_combined_on_its_own_rows(session):
    run = session.separate(Request((Query("low"), Query("high")), method="nmf", components=6))
    assert len(run.result.mask) == nmf.CONFIG.n_fft // 2 + 1
    assert run.result.mask.max() <= 1
