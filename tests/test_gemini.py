"""Describing a recording: the real google-genai client against a loopback server."""

import base64
import contextlib
import io
import json
import socket
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest
import soundfile as sf
from conftest import loopback
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textsep_lab.detection import gemini
from textsep_lab.detection.gemini import Suggestion, describe, parse_answer
from textsep_lab.encoders.queries import clean_query

KEY = "AIzaSecretSecretSecret"
NOISE = np.random.default_rng(0).standard_normal((2, 88200)).astype(np.float32) / 10
SOUNDS = {
    "sounds": [
        {"label": "dog barking", "start": 0.5, "end": 1.25},
        {"label": "rain", "start": 0, "end": 99},
        {"label": "wind", "start": None, "end": None},
    ]
}


def answer(text, **changed):
    content = {"role": "model", "parts": [{"text": text}]}
    return {"candidates": [{"content": content, "finishReason": "STOP", **changed}]}


def refusal(code, message, status="STATUS"):
    return {"error": {"code": code, "message": message, "status": status}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.requests.append((self.path, dict(self.headers.items()), body))
        server.received.set()
        code, reply = server.replies[min(len(server.requests), len(server.replies)) - 1]
        if code == "never":
            server.over.wait(10)
            code = "cut"
        self.close_connection = True
        if code == "cut":
            return
        payload = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        with contextlib.suppress(ConnectionError):
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.send_header("Connection", "close")  # or the next try may meet a closing one
            self.end_headers()
            self.wfile.write(payload)

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("GOOGLE_API_KEY", "TEXTSEP_GEMINI_MODEL", "TEXTSEP_GEMINI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(gemini, "FIRST_DELAY", 0.0)


@pytest.fixture
def server(monkeypatch):
    """Answers with `replies` in turn, pairs (status or "cut" or "never", body); the last stays."""
    with loopback(Handler) as server:
        server.requests, server.replies = [], [(200, answer(json.dumps(SOUNDS)))]
        server.received, server.over = threading.Event(), threading.Event()
        monkeypatch.setenv("TEXTSEP_GEMINI_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.over.set()


def failure(kind, words, *args, **options):
    """Check that `describe` fails with one clean sentence and return it."""
    options = {"sample_rate": 44100, **options}
    with pytest.raises(kind, match=words) as caught:
        describe(*(args or (NOISE,)), **options)
    assert type(caught.value) is kind
    sentence = str(caught.value)
    assert "\n" not in sentence
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown and "google.genai" not in shown and "httpx" not in shown
    return sentence


def test_success_and_what_was_sent(server, capsys):
    assert describe(NOISE, 44100) == [
        Suggestion("dog barking", 0.5, 1.25),
        Suggestion("rain", 0.0, 2.0),
        Suggestion("wind", None, None),
    ]
    ((path, headers, body),) = server.requests
    assert path.endswith(f"/models/{gemini.DEFAULT_MODEL}:generateContent")
    assert headers["x-goog-api-key"] == KEY
    assert KEY not in path and KEY.encode() not in body
    body = json.loads(body)
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    assert body["generationConfig"]["responseSchema"]["required"] == ["sounds"]
    sent, prompt = body["contents"][0]["parts"]
    assert "2.0 seconds" in prompt["text"]
    data, mime_type = (value for _, value in sorted(sent["inlineData"].items()))
    assert mime_type == "audio/wav"
    wav = base64.b64decode(data, altchars=b"-_", validate=True)
    samples, rate = sf.read(io.BytesIO(wav))
    assert (samples.shape, rate, sf.info(io.BytesIO(wav)).subtype) == ((32000,), 16000, "PCM_16")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(gemini.PRIVACY) and said.err.count("\n") == 1
    assert "mono, 16 kHz" in said.err and KEY not in said.err


def test_arguments_win_over_the_environment(server, monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTSEP_GEMINI_MODEL", "from-environment")
    sf.write(tmp_path / "a.wav", 3 * NOISE.T, 44100, subtype="FLOAT")  # beyond full scale
    lines = []
    describe(tmp_path / "a.wav", say=lines.append)
    base_url = f"http://127.0.0.1:{server.server_port}/v9/"
    describe(str(tmp_path / "a.wav"), model="own", api_key="own-key", base_url=base_url, say=print)
    (first, _, _), (second, headers, _) = server.requests
    assert "/from-environment:" in first and "from-environment" in lines[0]
    assert second.startswith("/v9/") and "/own:" in second
    assert headers["x-goog-api-key"] == "own-key"


def test_second_key_variable_and_vertex_settings(server, monkeypatch, caplog):
    monkeypatch.setenv("GOOGLE_API_KEY", "other")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "project")
    describe(NOISE, 44100)
    assert server.requests[0][1]["x-goog-api-key"] == KEY
    assert not caplog.records
    monkeypatch.delenv("GEMINI_API_KEY")
    describe(NOISE, 44100)
    assert server.requests[1][1]["x-goog-api-key"] == "other"


@pytest.mark.parametrize("trouble", [(429, refusal(429, "slow")), (503, b"<html>"), ("cut", None)])
def test_passing_trouble_is_tried_again(server, trouble):
    server.replies = [trouble, trouble, *server.replies]
    assert len(describe(NOISE, 44100)) == 3
    assert len(server.requests) == 3


def test_waits_grow_twofold(server, monkeypatch):
    waits = []
    monkeypatch.setattr(gemini, "FIRST_DELAY", 1.0)
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    server.replies = [(500, refusal(500, "An internal error"))]
    failure(ConnectionError, r"fails \(500, \"An internal error\"\): try later")
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_trouble_that_stays(server):
    server.replies = [(429, refusal(429, "You exceeded\nyour quota", "RESOURCE_EXHAUSTED"))]
    failure(ConnectionError, r"no quota left .*429, \"You exceeded your quota\"")
    assert len(server.requests) == gemini.ATTEMPTS
    server.replies = [("cut", None)]
    failure(ConnectionError, r"cannot be reached \(RemoteProtocolError\)")
    assert len(server.requests) == 2 * gemini.ATTEMPTS


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (400, "API key not valid. Please pass a valid API key.", "refused the key .*GEMINI_API_K"),
        (401, "no", "refused the key"),
        (403, f"Consumer 'api_key:{KEY}' has been suspended.", "refused the key .*api_key:…'"),
        (403, "x" * 290 + KEY, "refused the key"),
        (400, "User location is not supported", "refused the request .*User location"),
        (404, "models/x is not found", "has no model 'gemini-flash-latest'.*TEXTSEP_GEMINI_MODEL"),
    ],
)
def test_refusals_are_not_tried_again(server, code, message, words):
    server.replies = [(code, refusal(code, message))]
    sentence = failure(ValueError, words)
    assert KEY[:8] not in sentence
    assert len(server.requests) == 1


def test_refused_connection_and_bad_addresses():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    failure(ConnectionError, r"cannot be reached \(ConnectError\)", base_url=address)
    failure(ConnectionError, "cannot be reached", base_url="no address")
    failure(ValueError, "check the address", base_url="http://[")


def test_time_limit(server):
    server.replies = [("never", None)]
    failure(ConnectionError, r"gave no answer in 0\.3 s", timeout=0.3)
    assert server.received.wait(60)  # a busy machine may read what was sent only now
    ((_, headers, _),) = server.requests
    assert headers["X-Server-Timeout"] == "10"
    for timeout in (0, -1, float("nan"), float("inf"), "1"):
        failure(ValueError, "time limit must be", timeout=timeout)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer("I hear a dog."), "is not JSON"),
        (answer('{"sounds": [{"label": "do'), "is not JSON"),
        (answer('["dog"]'), "is no list of sounds"),
        (answer('{"sounds": ["dog"]}'), "is no list of sounds"),
        (answer('{"sounds": [{"label": 3}]}'), "is no list of sounds"),
        ({"candidates": []}, "withheld its answer .no reason given"),
        ({}, "withheld its answer"),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "withheld its answer .SAFETY"),
        ({"candidates": [{"finishReason": "SAFETY"}]}, "withheld its answer .SAFETY"),
        (answer("", finishReason="RECITATION"), "withheld its answer .RECITATION"),
        ({"candidates": "none"}, "no readable answer|withheld"),
        ({"candidates": [{"content": {"parts": [{"text": 3}]}}]}, "no readable .*Validation"),
        (b"<html>Sign in to this network</html>", "no readable answer"),
        (b"[1, 2]", "no readable answer|withheld"),
    ],
)
def test_unusable_answers(server, reply, words):
    server.replies = [(200, reply)]
    failure(ValueError, words)
    assert len(server.requests) == 1


def test_nothing_is_sent_without_reason_or_key(server, monkeypatch, tmp_path, capsys):
    long = np.ones((1, 8000 * gemini.MAX_SECONDS + 4000), np.float32)
    failure(ValueError, r"lasts 420\.5 s, .* 420 s at most", long, sample_rate=8000)
    failure(ValueError, "is silent", np.stack([NOISE[0], -NOISE[0]]))
    failure(ValueError, "is silent", np.full((1, 16000), 1e-6, np.float32))
    failure(ValueError, "needs its sample_rate", sample_rate=None)
    failure(ValueError, "NaN", np.full((1, 16000), np.nan, np.float32))
    failure(FileNotFoundError, r"no file .*a\.wav", tmp_path / "a.wav")
    failure(ValueError, "no usable Gemini key", api_key="schlüssel")
    monkeypatch.delenv("GEMINI_API_KEY")
    failure(ValueError, "set GEMINI_API_KEY to one from https")
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    for module in [name for name in sys.modules if name.split(".")[:2] == ["google", "genai"]]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "google.genai", None)
    monkeypatch.delattr("google.genai", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'textsep-lab\[gemini\]'"):
        describe(NOISE, 44100)
    assert server.requests == []
    assert capsys.readouterr().err == ""


def test_longest_recording_fits_the_limit(server):
    long = np.ones((1, 8000 * gemini.MAX_SECONDS), np.float32)
    describe(long, 8000)
    assert 17e6 < len(server.requests[0][2]) < 19e6


def test_entries_of_one_label_become_one():
    sounds = [
        {"label": " dog\n barking", "start": 3, "end": 4.5},
        {"label": "Dog barking", "start": 1, "end": 2},
        {"label": "…", "start": 0, "end": 1},
        {"label": "rain", "start": 0, "end": 1},
        {"label": "rain"},
        {"label": "siren", "start": 2, "end": 1},
        {"label": "horn", "start": float("nan"), "end": float("inf")},
        {"label": "cat", "start": True, "end": 10**400},
        {"label": "bird", "start": -(10**400), "end": 10**400},
    ]
    assert parse_answer(json.dumps({"sounds": sounds}), 5.0) == [
        Suggestion("dog barking", 1.0, 4.5),
        Suggestion("rain"),
        Suggestion("siren"),
        Suggestion("horn"),
        Suggestion("cat"),
        Suggestion("bird", 0.0, 5.0),
    ]
    assert parse_answer('{"sounds": []}', 5.0) == []


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)
entries = st.fixed_dictionaries({}, optional={"label": values, "start": scalars, "end": scalars})
likely = st.fixed_dictionaries({"sounds": st.lists(entries | values)})
named = st.fixed_dictionaries({"label": st.text(), "start": scalars, "end": scalars})
sound = st.fixed_dictionaries({"sounds": st.lists(named)})


@settings(deadline=None)
@given((values | likely | sound).map(json.dumps) | st.text())
@example("[" * 100_000)
def test_any_answer_gives_suggestions_or_a_value_error(text):
    try:
        found = parse_answer(text, 2.5)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert len({suggestion.label.casefold() for suggestion in found}) == len(found)
    for suggestion in found:
        assert clean_query(suggestion.label) == suggestion.label
        if suggestion.start is None:
            assert suggestion.end is None
        else:
            assert 0 <= suggestion.start < suggestion.end <= 2.5
