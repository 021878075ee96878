"""The interactive demo in a real browser, served as `textsep app` serves it."""

import io
import itertools
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from click.testing import CliRunner
from conftest import loopback
from test_gemini import SOUNDS, Handler, answer

from textsep_lab import cli
from textsep_lab.detection import gemini
from textsep_lab.session import recordings
from textsep_lab.teaching import chapters

pytest.importorskip("anywidget", reason="needs pip install '.[demo]'")
pytest.importorskip("voila", reason="needs pip install '.[demo]'")

from textsep_lab.cli.app import arguments
from textsep_lab.demo.file_transfer import FileTransfer
from textsep_lab.demo.worker import Worker
from textsep_lab.session.session import Cancelled

RATE, SECONDS, WAIT = 16000, 3.0, 60000
UPLOADS = itertools.count()
HEADER = Path(cli.__file__).parents[1] / "demo"
LISTEN = """
const decode = OfflineAudioContext.prototype.decodeAudioData;
window.durations = [];
OfflineAudioContext.prototype.decodeAudioData = async function (...all) {
  const buffer = await decode.apply(this, all);
  window.durations.push(buffer.duration);
  return buffer;
};
"""
#: From the click to the frame after all is there: numbers in the page, and sounds decoded.
TIMER = """() => {
  window.durations = [];
  window.taken = new Promise((done) => {
    document.querySelector("button.go").addEventListener("click", () => {
      const began = performance.now();
      const look = () => {
        const stale = document.querySelector(".results .told");
        if (window.durations.length < 3 || stale) return requestAnimationFrame(look);
        requestAnimationFrame(() => done(performance.now() - began));
      };
      look();
    }, { once: true, capture: true });
  });
}"""
APP = ("textsep_lab.cli", "app")
SHOTS = os.environ.get("TEXTSEP_SCREENSHOTS")


# ------------------------------------------------------------------ without a browser


def test_a_newer_job_cancels_an_older_one_of_its_kind():
    worker, said = Worker(), []

    def first(cancelled):
        worker.start("separate", lambda _: said.append("second"), said.append)
        if cancelled():
            raise Cancelled
        said.append("first")

    worker.start("separate", first, said.append).result()
    worker.start("detect", lambda cancelled: said.append(cancelled()), said.append).result()
    assert said == ["second", False]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("The query is empty."), "The query is empty."),
        (FileNotFoundError("There is no file 'a'."), "There is no file 'a'."),
        (ZeroDivisionError("division by zero"), "Something went wrong"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_a_job_that_fails_says_so_and_the_worker_goes_on(error, said):
    worker, sentences = Worker(), []

    def fail(_):
        raise error

    worker.start("a", fail, sentences.append).result()
    worker.start("a", lambda _: sentences.append("next"), sentences.append).result()
    assert said in sentences[0]
    assert sentences[1:] == ["next"]


def test_what_is_too_large_is_refused_here_too(monkeypatch):
    received, said = [], []
    monkeypatch.setattr(recordings, "MAX_BYTES", 10)
    file_transfer = FileTransfer(lambda *file: received.append(file), said.append)
    piece = {"kind": "piece", "id": "1", "name": "a.wav", "first": True, "last": False}
    file_transfer._on_message(file_transfer, piece, [bytes(6)])
    file_transfer._on_message(file_transfer, {**piece, "first": False, "last": True}, [bytes(5)])
    assert received == []
    assert "'a.wav' has" in said[-1]
    file_transfer._on_message(file_transfer, {**piece, "last": True}, [bytes(10)])
    assert received == [("a.wav", bytes(10))]
    assert said[-1] == ""


def test_voila_is_told_to_be_careful(tmp_path):
    given = arguments(tmp_path / "page.ipynb", "127.0.0.1", 8866, 5, False)
    assert "--Voila.ip=127.0.0.1" in given
    assert "--MappingKernelManager.cull_idle_timeout=300" in given
    assert "--strip_sources=True" in given
    assert "--no-browser" in given
    assert "--no-browser" not in arguments(tmp_path / "page.ipynb", "::1", 8866, 5, True)


def test_a_port_in_use_gets_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = CliRunner().invoke(cli.main, ["app", "--port", str(port), "--no-browser"])
    assert ran.exit_code == 2
    assert f"Nothing can be served at 127.0.0.1, port {port}" in ran.output
    assert "try another --port" in ran.output


def test_nothing_is_fetched_from_elsewhere():
    texts = [p.read_text("utf-8") for p in HEADER.rglob("*") if p.suffix in {".js", ".css", ".j2"}]
    assert len(texts) >= 4
    assert not [found for text in texts for found in re.findall(r"(?:https?:)?//[\w-]+\.\w+", text)]


# ------------------------------------------------------------------ in the browser


@contextmanager
def serving(folder, *command, **environment):
    """Run a server of its own on a free port until the end; return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"JUPYTER{name}_DIR": str(folder / name) for name in
           ("_CONFIG", "_RUNTIME", "LAB_WORKSPACES", "LAB_SETTINGS")}  # fmt: skip
    own |= {"IPYTHONDIR": str(folder / "ipython"), "OMP_NUM_THREADS": "2", **environment}
    command = [sys.executable, "-m", *command, f"--port={port}", "--no-browser"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env={**os.environ, **own}, **quiet)
    try:
        while server.poll() is None:  # it takes a while to start
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()


@pytest.fixture(scope="module")
def google():
    """Stands in for Google's server; see test_gemini.py."""
    with loopback(Handler) as server:
        server.requests, server.replies = [], [(200, answer(json.dumps(SOUNDS)))]
        server.received = server.over = threading.Event()
        yield server


@pytest.fixture(scope="module")
def address(dataset, google, tmp_path_factory):
    """Start the server on a free port; a kernel of its own for each visitor."""
    given = {"TEXTSEP_ESC50": str(dataset), "GEMINI_API_KEY": "AIzaSecret", "GOOGLE_API_KEY": "",
             "TEXTSEP_GEMINI_BASE_URL": f"http://127.0.0.1:{google.server_port}",
             "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}  # fmt: skip
    with serving(tmp_path_factory.mktemp("server"), *APP, **given) as where:
        yield where


@contextmanager
def visiting(browser, address, forgiving=False, **options):
    """Open the page; at the end, the console may hold no error and nothing left the computer."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 1500}, **options})
    context.grant_permissions(["microphone"], origin=address.rstrip("/"))
    context.set_default_timeout(WAIT)
    page, complaints = context.new_page(), []
    page.add_init_script(LISTEN)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.on("request", lambda asked: asked.url.startswith("http") and address not in asked.url
            and complaints.append(asked.url))  # fmt: skip
    page.goto(address)
    page.wait_for_selector(".textsep-timeline canvas")
    page.wait_for_function("window.durations.length > 0")
    page.wait_for_selector(".window-row input >> nth=1")
    yield page
    context.close()
    assert forgiving or complaints == []


@pytest.fixture(scope="module")
def visitor(browser, address):
    with visiting(browser, address) as page:
        yield page


@pytest.fixture(scope="module")
def mixture(tones):
    """A stereo recording of 16 bits, 3 s: two tones in noise."""
    waveform = tones(SECONDS, ("middle", 0.5, 1.5), ("low", 1.2, 2.6), channels=2)
    waveform += np.random.default_rng(0).normal(0, 0.02, waveform.shape).astype(np.float32)
    file = io.BytesIO()
    sf.write(file, waveform.T, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


@pytest.fixture
def page(visitor, mixture):
    """The page with a fresh upload and default settings."""
    visitor.get_by_role("button", name="Network").click()
    name = f"tones-{next(UPLOADS)}.wav"  # a new one, or the wait below could end with the last one
    upload(visitor, name, mixture)
    about(visitor, f"{name} · 3.00 s · 16 kHz · stereo")
    visitor.wait_for_selector(".window-row", state="detached")
    modes(visitor).get_by_role("button", name="Keep").click()
    return visitor


def upload(page, name, data):
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    page.locator("input[type=file]").set_input_files([file])


def about(page, said):
    page.wait_for_function(
        "s => document.querySelector('.about').textContent.includes(s)", arg=said
    )


def modes(page):
    return page.locator(".query-row").first


def numbers(page):
    inputs = page.locator(".window-row input")
    return inputs.evaluate_all("inputs => inputs.map(input => Number(input.value))")


def drag(page, start, end):
    """Drag over the picture from one moment to another, both in seconds."""
    page.locator(".textsep-timeline .timeline-panels").scroll_into_view_if_needed()
    area = page.locator(".textsep-timeline .timeline-panels").bounding_box()
    xs = [area["x"] + area["width"] * t / SECONDS for t in (start, end)]
    y = area["y"] + 120
    page.mouse.move(xs[0], y)
    page.mouse.down()
    page.mouse.move(sum(xs) / 2, y, steps=3)
    page.mouse.move(xs[1], y, steps=3)
    page.mouse.up()
    page.wait_for_function(
        "wanted => { const inputs = [...document.querySelectorAll('.window-row input')]; return"
        " inputs.length == 2 && inputs.every((x, i) => Math.abs(x.value - wanted[i]) < 0.03) }",
        arg=[start, end],
    )


def ask(page, text):
    modes(page).locator("input").fill(text)


def separate(page):
    """Press the button and wait for a result that is up to date."""
    runs = page.locator(".entry").count()
    page.locator("button.go").click()
    page.wait_for_function(
        "n => document.querySelectorAll('.entry').length > Math.min(n, 7)"
        " && !document.querySelector('.go-row .told')",
        arg=runs,
    )
    page.wait_for_selector(".result")


def saved(page, name):
    with page.expect_download() as waiting:
        page.locator(".results").get_by_role("button", name=name, exact=True).click()
    return Path(waiting.value.path()).read_bytes()


def saved_wav(page, name="Output"):
    samples, rate = sf.read(io.BytesIO(saved(page, name)), dtype="float32", always_2d=True)
    assert rate == RATE
    return samples.T


def inside_and_outside(start, end):
    time = np.arange(round(RATE * SECONDS)) / RATE
    return (time > start + 0.1) & (time < end - 0.1), (time < start - 0.01) | (time > end + 0.01)


def samples_of(data):
    return sf.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].T


def test_a_window_is_dragged_and_the_numbers_follow_and_lead(page):
    assert numbers(page) == []
    drag(page, 0.6, 1.8)
    page.get_by_label("to", exact=True).fill("2.4")
    page.keyboard.press("Tab")
    page.wait_for_function("document.querySelector('.textsep-timeline .status')"
                           ".textContent.includes('2.40')")  # fmt: skip
    page.get_by_label("from", exact=True).fill("2.9")
    page.keyboard.press("Tab")
    page.wait_for_selector(".panel .failed >> text=reversed")
    page.get_by_role("button", name="Whole recording", exact=True).click()
    page.wait_for_selector(".window-row", state="detached")


def test_a_suggestion_sets_the_query_and_the_windows(page):
    page.get_by_role("button", name="What's in here?").click()
    page.wait_for_selector(".suggestion")
    assert page.locator(".suggestion").count() == 6
    label = re.match(r"(.*?)\s+\d+ %", page.locator(".suggestion").first.inner_text()).group(1)
    page.locator(".suggestion").first.click()
    page.wait_for_function("s => document.querySelector('.query-row input').value === s", arg=label)
    page.wait_for_selector(".textsep-timeline .span")


def test_gemini_suggests_where_there_is_a_key(page, google):
    assert gemini.PRIVACY in page.locator(".gemini").inner_text()
    assert google.requests == []  # nothing is sent before someone asks
    page.get_by_role("button", name="Ask Gemini").click()
    page.wait_for_selector(".suggestion >> text=dog barking")
    assert page.locator(".suggestion").all_inner_texts() == ["dog barking", "rain", "wind"]
    assert len(google.requests) == 1
    page.locator(".suggestion", has_text="dog barking").click()
    page.wait_for_selector(".window-row")
    assert modes(page).locator("input").input_value() == "dog barking"
    assert numbers(page) == [0.5, 1.25]
    page.locator(".suggestion", has_text="wind").click()  # nobody knows when: the whole recording
    page.wait_for_selector(".window-row", state="detached")


def test_output_is_the_input_outside_the_window_and_something_else_inside(page, mixture):
    page.evaluate("window.durations = []")
    ask(page, "dog barking")
    drag(page, 1.0, 2.0)
    window = numbers(page)
    separate(page)
    page.wait_for_function("window.durations.length >= 3")
    assert page.evaluate("window.durations.slice(-3)") == pytest.approx([SECONDS] * 3, abs=0.01)
    names = page.locator(".textsep-timeline .tracks").inner_text().split()
    assert names == ["Input", "Output", "Residual"]
    output, residual, original = saved_wav(page), saved_wav(page, "Residual"), samples_of(mixture)
    inside, outside = inside_and_outside(*window)
    assert np.array_equal(output[:, outside], original[:, outside])
    assert not residual[:, outside].any()
    assert np.abs(output - original)[:, inside].max() > 0.01
    assert np.abs(output + residual - original).max() < 2**-14
    assert page.locator(".textsep-timeline .timeline-panels canvas").count() == 4
    said = page.locator(".result").inner_text()
    assert re.search(r"confidence \d+ %", said)
    assert re.search(r"-?\d+\.\d dB", said)
    recipe = json.loads(saved(page, "Recipe"))
    assert recipe["request"]["windows"][0] == pytest.approx(window, abs=0.001)
    assert saved(page, "Picture").startswith(b"\x89PNG")


def test_remove_takes_away_what_keep_leaves(page, mixture):
    ask(page, "siren")
    separate(page)
    kept = saved_wav(page)
    modes(page).get_by_role("button", name="Remove").click()
    page.wait_for_selector(".results >> text=Changed since")
    separate(page)
    assert page.locator(".results >> text=Changed since").count() == 0
    removed = saved_wav(page)
    assert np.abs(kept + removed - samples_of(mixture)).max() < 2**-13
    assert np.abs(kept - removed).max() > 0.01
    page.locator(".entry", has_text="Keep siren").first.click()
    page.wait_for_function("document.querySelector('.entry.current').textContent.includes('Keep')")
    assert np.array_equal(saved_wav(page), kept)


def test_several_sounds_and_nmf(page):
    ask(page, "siren")
    page.get_by_role("button", name="Add a sound").click()
    page.locator(".query-row input").nth(1).fill("rain")
    page.get_by_role("button", name="NMF").click()
    page.wait_for_selector("text=Components")
    separate(page)
    said = page.locator(".result").inner_text()
    assert "“siren”" in said
    assert "“rain”" in said
    recipe = json.loads(saved(page, "Recipe"))
    assert recipe["request"]["method"] == "nmf"
    assert recipe["request"]["queries"] == [{"text": "siren", "mode": "keep"},
                                            {"text": "rain", "mode": "remove"}]  # fmt: skip
    page.get_by_role("button", name="Leave this sound out").or_(
        page.locator(".query-row button.icon")
    ).last.click()
    page.wait_for_function("document.querySelectorAll('.query-row').length === 1")


def test_a_recipe_comes_back(page):
    ask(page, "keyboard")
    drag(page, 0.5, 1.0)
    separate(page)
    recipe, window = saved(page, "Recipe"), numbers(page)
    ask(page, "cat")
    page.get_by_role("button", name="Whole recording", exact=True).click()
    page.wait_for_selector(".window-row", state="detached")
    upload(page, "recipe.json", recipe)
    page.wait_for_selector(".window-row")
    assert modes(page).locator("input").input_value() == "keyboard"
    assert numbers(page) == pytest.approx(window, abs=0.001)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("song.wav", b"this is no audio", "'song.wav' cannot be read as audio"),
        ("notes.txt", b"hello", "'notes.txt' has no ending of a recording"),
        ("<b>x.wav", b"", "'<b>x.wav' is an empty file"),
        ("recipe.json", b"{}", "not a recipe"),
        ("large.wav", bytes(65 * 2**20 - 2**19), "the limit is 64 MB"),
    ],
)
def test_a_bad_file_gets_a_sentence_and_the_recording_stays(page, name, data, said):
    if len(data) > 50 * 2**20:  # more than Playwright sends
        page.evaluate("""size => {
          const list = new DataTransfer();
          list.items.add(new File([new Uint8Array(size)], "large.wav"));
          const input = document.querySelector("input[type=file]");
          input.files = list.files;
          input.dispatchEvent(new Event("change"));
        }""", len(data))  # fmt: skip
    else:
        upload(page, name, data)
    page.wait_for_selector(".source .failed")
    assert said in page.locator(".source .failed").inner_text()
    about(page, "tones-")


def test_an_empty_query_gets_a_sentence_where_the_button_is(page):
    ask(page, "  ")
    page.locator("button.go").click()
    page.wait_for_selector(".go-row .failed >> text=The query is empty")
    ask(page, "rain")
    separate(page)
    assert page.locator(".go-row .failed").count() == 0


def test_a_second_click_starts_anew(page):
    runs = page.locator(".entry").count()
    ask(page, "helicopter")
    page.locator("button.go").click()
    ask(page, "thunder")
    separate(page)
    assert "thunder" in page.locator(".entry.current").inner_text()
    assert page.locator(".entry").count() <= min(runs + 2, 8)


def test_the_microphone_is_recorded(page):
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_role("button", name="Stop (1 s)").click()
    about(page, "microphone.wav")


def test_examples_and_esc50_open(page):
    page.get_by_label("Example").select_option("Rooster and a train")
    about(page, "Rooster and a train · 5.00 s · 16 kHz · mono")
    page.get_by_label("Class").select_option("dog")
    page.get_by_label("Clip").locator("option").nth(1).wait_for(state="attached")
    page.get_by_label("Clip").select_option(index=1)
    about(page, "· 1.00 s")


def test_a_page_that_was_idle_for_long_says_so_and_how_to_go_on(browser, tmp_path):
    with (
        serving(tmp_path, *APP, "--idle-minutes=0.3") as where,
        visiting(browser, where, forgiving=True) as page,
    ):
        page.wait_for_selector("#over >> text=reload it to start anew")
        page.reload()
        page.wait_for_selector(".textsep-timeline canvas")
        assert page.locator("#over").inner_text() == ""


def test_a_reload_in_the_middle_starts_anew(browser, address):
    with visiting(browser, address) as page:
        ask(page, "rain")
        page.locator("button.go").click()
        page.reload()
        page.wait_for_selector(".textsep-timeline canvas")
        about(page, "Dog in the rain")
        assert modes(page).locator("input").input_value() == "dog barking"
        assert page.locator(".entry").count() == 0
        page.get_by_role("button", name="What's in here?").click()
        page.wait_for_selector(".suggestion")
        separate(page)
        shoot(page, "bundled")


def test_the_same_app_in_jupyterlab(browser, tmp_path):
    """Open the chapter, run all its cells, and work with what it shows."""
    chapter = chapters.read(chapters.choose(["06"])[0])
    for cell in chapter.cells:
        if cell["id"] == "parameters":
            cell.source += f"\noutput_dir = {str(tmp_path / 'out')!r}"
    chapters.write(chapter, tmp_path / "chapter.ipynb")
    settings = tmp_path / "LAB_SETTINGS/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')  # or cells out of sight are not in the page
    given = ["--allow-root", "--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}"]
    given += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class="
              "jupyterlab.handlers.announcements.NeverCheckForUpdate"]  # fmt: skip
    with serving(tmp_path, "jupyter", "lab", *given) as where:
        page = browser.new_context(viewport={"width": 1280, "height": 1100}).new_page()
        page.set_default_timeout(WAIT)
        page.goto(f"{where}lab/tree/chapter.ipynb")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        page.wait_for_selector("text=/\\| Idle$/")  # a kernel still connecting runs nothing
        page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
        page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()
        page.wait_for_selector(".textsep-timeline canvas", state="attached", timeout=5 * WAIT)
        page.locator(".textsep-app header").scroll_into_view_if_needed()
        about(page, "Dog in the rain")
        assert numbers(page) == [1, 3.5]
        separate(page)
        shoot(page, "jupyterlab")
        assert "dog barking" in page.locator(".result").inner_text()
        assert page.locator(".textsep-timeline .tracks label").count() == 3
        page.context.close()


def test_from_click_to_result(visitor):
    """Measure, and say with ``-s``, how long a click takes to pictures, numbers and sound."""
    visitor.get_by_label("Example").select_option("Siren, dog and sea waves")
    about(visitor, "Siren, dog and sea waves")
    ask(visitor, "rain")
    separate(visitor)  # the first one loads what it needs
    taken = []
    for text in ("siren", "dog", "sea waves", "cat", "train", "rooster", "engine", "wind"):
        ask(visitor, text)
        visitor.wait_for_selector(".results >> text=Changed since")
        visitor.evaluate(TIMER)
        visitor.locator("button.go").click()
        taken.append(visitor.evaluate("window.taken"))
        assert text in visitor.locator(".entry.current").inner_text()
    print(f"\nfrom click to result, 5 s at 16 kHz, {len(taken)} queries: "
          f"median {statistics.median(taken):.0f} ms, slowest {max(taken):.0f} ms")  # fmt: skip


def test_two_visitors_do_not_mix(page, browser, address, mixture):
    ask(page, "siren")
    drag(page, 0.5, 1.0)
    narrow = {"width": 390, "height": 2300}
    with visiting(browser, address, viewport=narrow, color_scheme="dark") as other:
        about(other, "Dog in the rain")
        assert numbers(other) == [1, 3.5]
        assert other.locator(".entry").count() == 0
        assert other.evaluate("document.querySelector('.textsep-app').scrollWidth") <= 390
        separate(other)
        shoot(other, "phone")
        modes(other).get_by_role("button", name="Remove").click()
        about(page, "tones-")
        assert modes(page).locator("input").input_value() == "siren"
        separate(page)
        shoot(page, "desktop")
        assert "siren" in page.locator(".entry.current").inner_text()
        assert "dog barking" in other.locator(".entry.current").inner_text()


def shoot(page, name):
    """Keep pictures of the page, in light and dark, where someone asked for them."""
    for scheme in ("light", "dark") if SHOTS else ():
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=Path(SHOTS) / f"app_{name}_{scheme}.png", full_page=True)
