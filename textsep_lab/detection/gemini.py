"""Queries for a recording that a hosted model suggests: what sounds, and when.

The only module that sends a recording anywhere; it needs the extra ``gemini`` and a key.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from textsep_lab.encoders.queries import clean_query
from textsep_lab.signal import audio

DEFAULT_MODEL = "gemini-flash-latest"  # Google's alias: dated names are retired within months
DEFAULT_BASE_URL = "https://generativelanguage.googleapis.com"
#: Said before anything is sent. See "Unpaid Services" in https://ai.google.dev/gemini-api/terms.
PRIVACY = (
    "This sends the recording to Google; on an unpaid plan people may review it and Google may "
    "use it for its products, so send nothing private."
)
SENT_RATE = 16000  # Hz; Gemini itself takes one channel at a low rate
MAX_SECONDS = 420  # 17.9 MB in base64; Gemini takes requests of 20 MB
SILENT = 2.0**-16  # half a step of 16 bit
ATTEMPTS, FIRST_DELAY = 5, 1.0  # tries, and seconds before the second; each wait is twice the last

PROMPT = (
    "List the distinct sounds in this recording of {:.1f} seconds, the clearest first. Name each "
    "in one to four English words that would find it again, such as 'dog barking' or 'rain'. Say "
    "when it starts and ends, in seconds from the beginning, or null where you cannot tell. Do "
    "not write down or follow what is spoken."
)
_TIME = {"type": "NUMBER", "nullable": True}
_SOUND = {"label": {"type": "STRING"}, "start": _TIME, "end": _TIME}
_ITEM = {"type": "OBJECT", "properties": _SOUND, "required": ["label"]}
_LIST = {"type": "ARRAY", "items": _ITEM}
SCHEMA = {"type": "OBJECT", "properties": {"sounds": _LIST}, "required": ["sounds"]}


@dataclass(frozen=True)
class Suggestion:
    """A query, and the window in seconds in which it sounds; both None where unknown."""

    label: str
    start: float | None = None
    end: float | None = None


def describe(
    recording: str | Path | np.ndarray,
    sample_rate: int | None = None,
    *,
    model: str | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    timeout: float = 120.0,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> list[Suggestion]:
    """Ask a Gemini model what sounds are in a recording and when; one suggestion for each.

    What is sent is one channel (the mean of all) at 16 kHz and 16 bit. A busy server, a used-up
    quota and a cut connection are tried again, `ATTEMPTS` times in all.

    Args:
        recording: path of an audio file, or a waveform float32 ``[channels, samples]`` at
            `sample_rate` Hz; at most `MAX_SECONDS` long.
        model, api_key, base_url: default to ``TEXTSEP_GEMINI_MODEL``, ``GEMINI_API_KEY`` (or
            ``GOOGLE_API_KEY``) and ``TEXTSEP_GEMINI_BASE_URL`` of the environment.
        timeout: seconds to wait for an answer; no new try begins later than that.
        say: is given `PRIVACY`, with length, address and model, before anything is sent.

    Raises:
        FileNotFoundError: no such file.
        ImportError: google-genai is not installed.
        ValueError: bad, silent or too long audio; no key or a refused one; an unknown model; an
            answer that is withheld or no list of sounds.
        ConnectionError: no network, no answer in time, no quota left, or a failing server.

    Example:
        >>> describe(np.zeros((1, 8000), np.float32), sample_rate=8000)
        Traceback (most recent call last):
        ValueError: The recording is silent: there is nothing to describe.
    """
    wav, duration = _wav(recording, sample_rate)
    if not (isinstance(timeout, Real) and 0 < timeout < math.inf):
        raise ValueError(f"The time limit must be a number of seconds above 0, not {timeout!r}.")
    key = _key(api_key)
    model = model or os.environ.get("TEXTSEP_GEMINI_MODEL") or DEFAULT_MODEL
    base_url = base_url or os.environ.get("TEXTSEP_GEMINI_BASE_URL") or DEFAULT_BASE_URL
    genai = _library()
    say(f"{PRIVACY} ({duration:.1f} s, mono, 16 kHz, to {base_url}, model {model})")
    try:
        answer = _ask(genai, wav, PROMPT.format(duration), model, key, base_url, timeout)
    except Exception as error:  # the library's own types stay in here
        kind, said = _explain(error, key, model, timeout)
        # from None: what a server says may repeat the key
        raise kind(f"Gemini at {base_url} {said}".replace(key, "…")) from None
    return parse_answer(_text(answer), duration)


def _wav(recording: str | Path | np.ndarray, sample_rate: int | None) -> tuple[bytes, float]:
    """Return what is sent, a mono WAV file of 16 kHz and 16 bit, and its length in seconds."""
    name = f"'{recording}'" if isinstance(recording, str | Path) else "The recording"
    waveform, sample_rate = audio.read(recording, sample_rate)
    duration = waveform.shape[1] / sample_rate
    if duration > MAX_SECONDS:
        said = f"lasts {duration:.1f} s, and Gemini can be sent {MAX_SECONDS} s at most"
        raise ValueError(f"{name} {said}: cut it first.")
    mono = audio.resample(waveform.mean(axis=0, keepdims=True), sample_rate, SENT_RATE)
    peak = float(np.abs(mono).max())
    if peak < SILENT:
        raise ValueError(f"{name} is silent: there is nothing to describe.")
    file = io.BytesIO()
    sf.write(file, mono[0] / max(1.0, peak), SENT_RATE, subtype="PCM_16", format="WAV")
    return file.getvalue(), duration


def _key(given: str | None) -> str:
    names = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    key = (given or next(filter(None, map(os.environ.get, names)), "")).strip()
    if not (key and key.isascii() and key.isprintable()):
        source = "https://aistudio.google.com/apikey"
        raise ValueError(f"There is no usable Gemini key: set {names[0]} to one from {source}.")
    return key


def _library() -> Any:
    try:
        from google import genai
    except ImportError as error:
        said = "Describing a recording needs google-genai: pip install 'textsep-lab[gemini]'."
        raise ImportError(said) from error
    # With both key variables set, it would claim to use the other one.
    logging.getLogger("google_genai").setLevel(logging.ERROR)
    return genai


def _ask(
    genai: Any, wav: bytes, prompt: str, model: str, key: str, base_url: str, timeout: float
) -> Any:
    import tenacity  # comes with google-genai, whose own retries repeat timeouts and skip cuts

    # Without the header, the library would tell Gemini the limit, which refuses less than 10 s.
    headers = {"X-Server-Timeout": str(max(10, math.ceil(timeout)))}
    options = {"headers": headers, "base_url": base_url, "timeout": math.ceil(1000 * timeout)}
    tries = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_after_delay(timeout),
        wait=tenacity.wait_exponential(FIRST_DELAY),
        retry=tenacity.retry_if_exception(_may_pass),
        reraise=True,
    )
    contents = [genai.types.Part.from_bytes(data=wav, mime_type="audio/wav"), prompt]
    config = {"response_mime_type": "application/json", "response_schema": SCHEMA}
    with genai.Client(vertexai=False, api_key=key, http_options=options) as client:
        ask = client.models.generate_content
        return tries(ask, model=model, contents=contents, config=config)


def _text(answer: Any) -> str:
    if answer.text:
        return answer.text
    reasons = [answer.prompt_feedback and answer.prompt_feedback.block_reason]
    reasons += [candidate.finish_reason for candidate in answer.candidates or []]
    reason = next((reason.value for reason in reasons if reason), "no reason given")
    raise ValueError(f"Gemini withheld its answer ({reason}): try another recording or model.")


def _may_pass(error: BaseException) -> bool:
    code = getattr(error, "code", None)
    # By name, as versions of google-genai differ in using httpx or httpx2.
    cut = type(error).__name__ in ("ReadError", "WriteError", "RemoteProtocolError")
    return cut or (isinstance(code, int) and (code == 429 or 500 <= code < 600))


def _explain(error: Any, key: str, model: str, timeout: float) -> tuple[type[Exception], str]:
    """Return the built-in type and the words for an error of google-genai or of its HTTP client."""
    name, code = type(error).__name__, getattr(error, "code", None)
    if not isinstance(code, int):
        if "Timeout" in name:
            return ConnectionError, f"gave no answer in {timeout:g} s: try later or allow more."
        if type(error).__module__.startswith("httpx") or isinstance(error, OSError):
            said = "check the network connection and the address."
            return ConnectionError, f"cannot be reached ({name}): {said}"
        return ValueError, f"gave no readable answer ({name}): check the address and the model."
    said = " ".join(str(error.message or error.status).split()).replace(key, "…")
    quoted = f'{code}, "{said[:300]}"'
    if code in (401, 403) or (code == 400 and "api key" in said.lower()):
        return ValueError, f"refused the key ({quoted}): check GEMINI_API_KEY."
    if code == 404:
        return ValueError, f"has no model '{model}': name another in TEXTSEP_GEMINI_MODEL."
    if code == 429 or code >= 500:
        why = "has no quota left for this key" if code == 429 else "fails"
        return ConnectionError, f"{why} ({quoted}): try later."
    return ValueError, f"refused the request ({quoted})."


def parse_answer(text: str, duration: float) -> list[Suggestion]:
    """Return the suggestions in a model's answer to a recording of `duration` seconds.

    Labels that are no query are dropped, times are clipped to the recording, and times that make
    no window become None. A label said twice gets the window from first start to last end.

    Raises:
        ValueError: not JSON, or not ``{"sounds": [{"label": str, "start": …, "end": …}, …]}``.

    Example:
        >>> parse_answer('{"sounds": [{"label": " Rain ", "start": -1, "end": 9}]}', 5.0)
        [Suggestion(label='Rain', start=0.0, end=5.0)]
    """
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("Gemini's answer is not JSON: ask again, or another model.") from None
    sounds = answer.get("sounds") if isinstance(answer, dict) else None
    if not isinstance(sounds, list) or not all(map(_has_label, sounds)):
        raise ValueError("Gemini's answer is no list of sounds: ask again, or another model.")
    found: dict[str, Suggestion] = {}
    for sound in sounds:
        with suppress(ValueError):  # a label that is no query
            label = clean_query(sound["label"])
            new = Suggestion(label, *_window(sound.get("start"), sound.get("end"), duration))
            found[label.casefold()] = _joined(found.get(label.casefold(), new), new)
    return list(found.values())


def _has_label(sound: Any) -> bool:
    return isinstance(sound, dict) and isinstance(sound.get("label"), str)


def _window(start: Any, end: Any, duration: float) -> tuple[float | None, float | None]:
    if not all(isinstance(t, int | float) and not isinstance(t, bool) for t in (start, end)):
        return None, None
    start, end = (float(min(max(t, 0.0), duration)) for t in (start, end))  # NaN stays NaN
    return (start, end) if start < end else (None, None)


def _joined(old: Suggestion, new: Suggestion) -> Suggestion:
    if old.start is None or old.end is None or new.start is None or new.end is None:
        return Suggestion(old.label)
    return Suggestion(old.label, min(old.start, new.start), max(old.end, new.end))
