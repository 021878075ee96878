"""The timeline: what Python sends, and, in a real browser, what hands and keys do to it."""

import base64
import io

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.image import imsave
from traitlets import TraitError

timeline = pytest.importorskip("textsep_lab.demo.timeline", reason="needs pip install '.[demo]'")

QUICK = settings(max_examples=60, deadline=None)
DURATION, RATE = 5.0, 8000
ORIGIN = "http://timeline.test/"
WAVEFORMS = arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 300)),
    elements=st.floats(-1.5, 1.5, width=32),
)


# ------------------------------------------------------------------ Python


@QUICK
@given(WAVEFORMS, st.integers(1, 400))
def test_no_sample_lies_outside_the_envelope_and_it_fits_tightly(waveform, columns):
    pairs = np.frombuffer(timeline.envelope(waveform, columns), np.int8).reshape(-1, 2) / 127
    samples = waveform.shape[1]
    assert len(pairs) == min(columns, samples)
    clipped = np.clip(waveform.astype(np.float64), -1, 1)
    stretch = np.searchsorted(np.arange(len(pairs)) * samples // len(pairs), np.arange(samples),
                              side="right") - 1  # fmt: skip
    assert np.all(clipped >= pairs[stretch, 0])
    assert np.all(clipped <= pairs[stretch, 1])
    for k, (low, high) in enumerate(pairs):
        part = clipped[:, stretch == k]
        assert part.min() - low <= 1 / 127 + 1e-9
        assert high - part.max() <= 1 / 127 + 1e-9


@QUICK
@given(WAVEFORMS, st.sampled_from([8000, 16000, 44100]))
def test_wav_holds_the_waveform_to_half_a_step_of_16_bits(waveform, rate):
    back, rate_back = sf.read(io.BytesIO(timeline.wav(waveform, rate)), always_2d=True)
    wanted = np.clip(waveform, -1, 1 - 2**-15)
    assert rate_back == rate
    assert back.shape == waveform.T.shape
    assert np.abs(back.T - wanted).max() <= 2**-16


@QUICK
@given(arrays(np.int16, st.integers(1, 300)))
def test_a_16_bit_recording_is_played_bit_for_bit(integers):
    waveform = integers[None] / np.float32(2**15)
    back, _ = sf.read(io.BytesIO(timeline.wav(waveform, RATE)), dtype="int16")
    assert np.array_equal(back, integers)


@pytest.mark.parametrize("bad", [np.zeros((1, 0)), np.array([[0, np.nan]])])
def test_what_is_no_waveform_is_refused(bad):
    with pytest.raises(ValueError, match="samples"):
        timeline.envelope(bad)
    with pytest.raises(ValueError, match="samples"):
        timeline.wav(bad, RATE)


def test_an_envelope_needs_columns():
    with pytest.raises(ValueError, match="columns is 0"):
        timeline.envelope(np.zeros((1, 8)), 0)


def test_windows_are_pairs_and_every_trait_is_shared_with_the_browser():
    shown = timeline.Timeline(duration=3, windows=[(0.5, 1)])
    assert shown.windows == [[0.5, 1.0]]
    with pytest.raises(TraitError):
        shown.windows = [[1.0, 2.0, 3.0]]
    read = set(shown.get_state())
    assert {"duration", "panels", "tracks", "track", "windows", "spans", "fade", "mode",
            "position"} <= read  # fmt: skip


# ------------------------------------------------------------------ browser

PAGE = """<!doctype html><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><link rel="stylesheet" href="timeline.css">
<style>body { margin: 16px; color-scheme: light dark; }</style><div id="timeline"></div>
<script type="module">
import widget from "./timeline.js";
const view = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const revive = (value) =>
  Array.isArray(value) ? value.map(revive)
  : value && typeof value === "object"
    ? "base64" in value ? view(value.base64)
      : Object.fromEntries(Object.entries(value).map(([key, part]) => [key, revive(part)]))
  : value;
class Model {
  state = {}; handlers = {}; saved = [];
  get(name) { return this.state[name]; }
  set(name, value) { this.state[name] = value; for (const f of this.handlers[name] ?? []) f(); }
  save_changes() { this.saved.push(structuredClone(this.state.windows)); }
  on(event, f) { (this.handlers[event.slice(7)] ??= new Set()).add(f); }
  off(event, f) { this.handlers[event.slice(7)]?.delete(f); }
}
window.starts = [];  // of every sound, to compare what is in step
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...when) {
  window.starts.push(when); start.apply(this, when);
};
window.gains = [];
window.GainNode = class extends GainNode {
  constructor(...all) { super(...all); window.gains.push(this); }
};
window.contexts = [];
window.AudioContext = class extends AudioContext {
  constructor() { super(); window.contexts.push(this); }
};
window.model = new Model();
window.put = (state) => {
  for (const [name, value] of Object.entries(state)) model.set(name, revive(value));
};
window.reset = async () => {
  window.dispose?.();
  Object.assign(model, { state: {}, handlers: {}, saved: [] });
  for (const list of [starts, gains, contexts]) list.length = 0;
  put(await (await fetch("state.json")).json());
  window.dispose = widget.render({ model, el: document.getElementById("timeline") });
};
await reset();
</script>"""


def packed(value):
    """Return `value` fit for JSON, its bytes in base64."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {name: packed(part) for name, part in value.items()}
    return [packed(part) for part in value] if isinstance(value, list) else value


def state():
    """Return a scene of 5 s: two waveforms, a picture, two tracks, three spans."""
    rng = np.random.default_rng(0)
    time = np.arange(int(DURATION * RATE)) / RATE
    noise = (0.1 * rng.standard_normal(time.size) * (1 + np.sin(time)))[None].astype(np.float32)
    quiet = noise * (time < 2.5)
    file = io.BytesIO()
    ramp = np.add.outer(np.arange(128), np.arange(300)) + 60 * rng.random((128, 300))
    imsave(file, ramp, cmap="magma", format="png")
    panels = [
        {"name": "Recording", "kind": "waveform", "data": timeline.envelope(noise)},
        {"name": "Input", "kind": "picture", "data": file.getvalue(), "top_khz": 8.0},
        {"name": "Output", "kind": "waveform", "data": timeline.envelope(quiet)},
    ]
    tracks = [
        {"name": "Input", "audio": timeline.wav(noise, RATE)},
        {"name": "Output", "audio": timeline.wav(quiet, RATE)},
    ]
    spans = [
        {"label": "dog", "start": 1.2, "end": 2.1, "probability": 0.97},
        {"label": "dog", "start": 3.0, "end": 3.3, "probability": 0.97},
        {"label": "rain", "start": 4.2, "end": 5.0, "probability": 0.6},
    ]
    return {"duration": DURATION, "panels": panels, "tracks": tracks, "track": 0, "windows": [],
            "spans": spans, "fade": 0.07, "mode": "keep", "position": 0.0}  # fmt: skip


@pytest.fixture(scope="module")
def open_timeline(browser):
    """Open a page with the timeline; at the end, nothing may have been complained about."""
    complaints, contexts = [], []
    scene = packed(state())
    sources = {"timeline.js": timeline.Timeline._esm, "timeline.css": timeline.Timeline._css}

    def serve(route):
        name = route.request.url.removeprefix(ORIGIN)
        if name == "":
            return route.fulfill(body=PAGE, content_type="text/html")
        if name == "state.json":
            return route.fulfill(json=scene)
        kind = f"text/{'javascript' if name.endswith('js') else 'css'}"
        return route.fulfill(body=sources[name], content_type=kind)

    def open_page(width, height, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.route(f"{ORIGIN}**", serve)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type in ("error", "warning")
                and complaints.append(said.text))  # fmt: skip
        page.goto(ORIGIN)
        wait_until_drawn(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def desk(open_timeline):
    return open_timeline(1280, 800)


@pytest.fixture
def page(desk):
    """The timeline at a desk, as new."""
    desk.evaluate("reset()")
    wait_until_drawn(desk)
    return desk


def wait_until_drawn(page):
    page.wait_for_selector(".tracks input")
    page.wait_for_selector(".timeline-panel.picture canvas")


def value(page, name):
    return page.evaluate(f"model.get('{name}')")


def put(page, **state):
    page.evaluate("put", packed(state))


def near(*windows):
    """The windows as they should be, to half a pixel."""
    return [pytest.approx(window, abs=0.006) for window in windows]


def places(page, *seconds, panel=1):
    """Where on the page moments are, in the middle of a panel."""
    left, width, y = page.evaluate(f"""() => {{
      const content = document.querySelector('.content').getBoundingClientRect();
      const canvas = document.querySelectorAll('.timeline-panel canvas')[{panel}];
      const panel = canvas.getBoundingClientRect();
      return [content.left, content.width, panel.top + panel.height / 2];
    }}""")
    return [(left + width * moment / DURATION, y) for moment in seconds]


def drag(page, start, end, panel=1):
    first, middle, last = places(page, start, (start + end) / 2, end, panel=panel)
    page.mouse.move(*first)
    page.mouse.down()
    page.mouse.move(*middle)
    page.mouse.move(*last)
    page.mouse.up()


def test_dragging_makes_a_window_and_saves_it_once(page):
    drag(page, 1.0, 3.5)
    assert value(page, "windows") == near([1.0, 3.5])
    assert page.evaluate("model.saved") == [value(page, "windows")]
    assert page.locator(".status").inner_text() == "1 window: {:.2f} to {:.2f} s.".format(
        *value(page, "windows")[0]
    )
    drag(page, 4.9, 4.2, panel=0)  # backwards, on another panel
    assert value(page, "windows") == near([1.0, 3.5], [4.2, 4.9])


def test_the_shortest_window_lasts_50_ms_and_a_click_makes_none(page):
    ((x, y),) = places(page, 5.0)
    page.mouse.move(x - 2, y)
    page.mouse.down()
    page.mouse.move(x - 7, y)
    page.mouse.up()
    ((start, end),) = value(page, "windows")
    assert end - start == pytest.approx(0.05, abs=1e-9)
    assert end <= DURATION
    page.mouse.click(*places(page, 2.0)[0])
    assert len(value(page, "windows")) == 1
    assert value(page, "position") == pytest.approx(2.0, abs=0.006)


def test_edges_resize_the_inside_moves_and_the_recording_ends(page):
    put(page, windows=[[1.0, 2.0]])
    drag(page, 2.0, 3.0)
    assert value(page, "windows") == near([1.0, 3.0])
    drag(page, 1.0, 0.5)
    assert value(page, "windows") == near([0.5, 3.0])
    drag(page, 1.0, 1.5, panel=0)
    assert value(page, "windows") == near([1.0, 3.5])
    drag(page, 2.0, 4.9)
    assert value(page, "windows") == near([2.5, 5.0])
    drag(page, 2.51, 5.0)  # an edge does not pass the other
    ((start, end),) = value(page, "windows")
    assert (start, end) == pytest.approx((4.95, 5.0))


def test_windows_that_meet_merge_when_dropped(page):
    put(page, windows=[[0.5, 1.5], [3.0, 4.0]])
    drag(page, 1.0, 3.0)
    assert value(page, "windows") == near([2.5, 4.0])
    assert page.locator(".window").count() == 1


def test_what_is_being_dragged_wins_over_what_python_sets(page):
    first, last = places(page, 1.0, 2.0)
    page.mouse.move(*first)
    page.mouse.down()
    page.mouse.move(*last)
    put(page, windows=[[4.0, 4.5], [4.6, 4.8]])
    assert page.locator(".window").count() == 1
    page.mouse.up()
    assert value(page, "windows") == near([1.0, 2.0])


def test_escape_takes_a_drag_back_and_a_double_click_removes(page):
    put(page, windows=[[1.0, 2.0]])
    first, last = places(page, 1.5, 2.5)
    page.mouse.move(*first)
    page.mouse.down()
    page.mouse.move(*last)
    page.keyboard.press("Escape")
    page.mouse.up()
    assert value(page, "windows") == [[1.0, 2.0]]
    assert page.evaluate("model.saved") == []
    page.mouse.dblclick(*first)
    assert value(page, "windows") == []


def test_keys_move_resize_add_and_remove(page):
    put(page, windows=[[1.0, 2.0], [2.5, 3.0]])
    page.locator(".axis").focus()
    page.keyboard.press("Tab")
    window = page.get_by_role("slider", name="Window 1 of 2")
    assert window.evaluate("it => it === document.activeElement")
    page.keyboard.press("ArrowRight")
    assert value(page, "windows")[0] == pytest.approx([1.05, 2.05])
    page.keyboard.press("Shift+ArrowLeft")
    assert value(page, "windows")[0] == pytest.approx([1.05, 2.0])
    assert window.get_attribute("aria-valuetext") == "1.05 to 2.00 s"
    for _ in range(14):  # stops at its neighbour
        page.keyboard.press("ArrowRight")
    assert value(page, "windows") == [pytest.approx([1.54, 2.49]), [2.5, 3.0]]
    page.keyboard.press("Delete")
    assert value(page, "windows") == [[2.5, 3.0]]
    page.keyboard.press("Delete")
    assert value(page, "windows") == []
    assert page.locator(".axis").evaluate("it => it === document.activeElement")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    assert value(page, "windows") == [[0.5, 1.5]]


def test_whatever_is_dragged_and_pressed_the_windows_make_sense(page):
    rng = np.random.default_rng(0)
    keys = ["ArrowLeft", "ArrowRight", "Shift+ArrowLeft", "Shift+ArrowRight", "Enter", "Delete"]
    counts = set()
    for _ in range(40):
        start = rng.uniform(0, DURATION)
        end = np.clip(start + rng.normal(0, 0.5), 0, DURATION)
        if rng.random() < 0.5:
            drag(page, start, end, panel=0)
        page.keyboard.press(rng.choice(keys))
        windows = value(page, "windows")
        flat = [moment for window in windows for moment in window]
        assert flat == sorted(set(flat))
        assert all(0 <= moment <= DURATION for moment in flat)
        assert all(end - start > 0.05 - 1e-9 for start, end in windows)
        counts.add(len(windows))
    assert len(counts) > 2


def test_windows_set_in_python_are_drawn_with_their_fades(page):
    put(page, windows=[[0, 1.0], [2.0, 2.1]], fade=0.2, mode="remove")
    content = page.locator(".content").bounding_box()
    for k, (start, end) in enumerate([(0, 1.0), (2.0, 2.1)]):
        box = page.locator(".window").nth(k).bounding_box()
        assert (box["x"] - content["x"]) / content["width"] * 5 == pytest.approx(start, abs=0.01)
        assert box["width"] / content["width"] * 5 == pytest.approx(end - start, abs=0.01)
    fades = [page.locator(".window").nth(k).evaluate(
        "it => [it.style.getPropertyValue('--rise'), it.style.getPropertyValue('--fall')]"
    ) for k in (0, 1)]  # fmt: skip
    assert fades == [["0%", "20%"], ["50%", "50%"]]
    assert page.get_by_role("slider", name="sound removed").count() == 2
    assert page.evaluate("model.saved") == []


def test_switching_tracks_keeps_the_position_and_starts_nothing_anew(page):
    ((x, _),) = places(page, 1.25)
    page.mouse.click(x, page.locator(".axis").bounding_box()["y"] + 8)
    cursor = value(page, "position")
    assert cursor == pytest.approx(1.25, abs=0.006)
    page.keyboard.press("2")
    assert (value(page, "track"), value(page, "position")) == (1, cursor)
    assert page.get_by_role("radio", name="Output").is_checked()
    page.keyboard.press("Space")
    page.wait_for_function("model.get('position') > 1.4")
    assert page.get_by_role("button", name="Pause").is_visible()
    scores = "gains.map((it) => Math.round(it.gain.value)).join()"
    assert page.evaluate(scores) == "0,1"
    page.get_by_role("radio", name="Input").check()
    page.wait_for_function(f"{scores} === '1,0'")
    page.keyboard.press("Space")
    assert value(page, "track") == 0
    assert 1.4 < value(page, "position") < DURATION
    first, second = page.evaluate("starts")  # one for each track, and no more
    assert first == second
    assert first[1] == cursor


def test_a_window_alone_is_played_and_looped(page):
    put(page, windows=[[1.0, 1.2], [3.0, 3.5]])
    page.get_by_role("button", name="Play window").click()
    page.wait_for_function("!!document.querySelector('[data-do=play][aria-label=Play]')")
    assert page.evaluate("starts[0].slice(1)") == pytest.approx([1.0, 0.2])
    assert value(page, "position") == 1.0  # back where it began
    page.get_by_role("button", name="Loop").click()
    page.get_by_role("button", name="Play window").click()
    context = "performance.now()"
    began = page.evaluate(context)
    page.wait_for_function(f"{context} > {began} + 600")
    page.get_by_role("button", name="Pause").click()
    assert 1.0 <= value(page, "position") < 1.2


def test_the_cursor_set_in_a_playing_window_stays_in_it_and_elsewhere_leaves_it(page):
    put(page, windows=[[1.0, 4.0]])
    y = page.locator(".axis").bounding_box()["y"] + 8
    (inside, _), (outside, _) = places(page, 2.0, 0.5)
    page.get_by_role("button", name="Play window").click()
    page.mouse.click(inside, y)
    assert page.evaluate("starts.at(-1).slice(1)") == pytest.approx([2.0, 2.0], abs=0.01)
    page.mouse.click(outside, y)
    assert page.evaluate("starts.at(-1).slice(1)") == pytest.approx([0.5, 4.5], abs=0.01)


def test_zoom_keeps_the_moment_under_the_pointer(page):
    ((x, y),) = places(page, 2.0)
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    for _ in range(6):
        page.mouse.wheel(0, -50)
    page.keyboard.up("Control")
    zoom = "document.querySelector('.content').offsetWidth / " \
           "document.querySelector('.scroller').clientWidth"  # fmt: skip
    page.wait_for_function(f"{zoom} > 20 - 0.5")  # as near as it gets: a quarter of a second
    page.mouse.click(x, y)
    assert value(page, "position") == pytest.approx(2.0, abs=0.002)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 50, y)
    page.mouse.move(x + 100, y)
    page.mouse.up()
    seconds = 100 * DURATION / page.locator(".content").bounding_box()["width"]
    ((start, end),) = value(page, "windows")
    assert (start, end) == pytest.approx((2.0, 2.0 + max(seconds, 0.05)), abs=0.002)
    page.get_by_role("button", name="Show the whole").click()
    assert page.evaluate(zoom) == 1
    page.wait_for_selector("[data-do=out]:disabled")


def test_spans_are_labelled_bars(page):
    dog, late, rain = (page.locator(".span").nth(k) for k in range(3))
    assert dog.get_attribute("aria-label") == "dog 97 %, 1.20 to 2.10 s"
    content = page.locator(".content").bounding_box()
    box = dog.bounding_box()
    assert (box["x"] - content["x"]) / content["width"] * 5 == pytest.approx(1.2, abs=0.01)
    assert late.bounding_box()["y"] == box["y"] < rain.bounding_box()["y"]
    assert page.locator(".span-row .label").all_inner_texts() == ["dog 97 %", "rain 60 %"]


def test_what_cannot_be_decoded_is_said_and_the_rest_goes_on(page):
    tracks, panels = state()["tracks"], state()["panels"]
    tracks[1]["audio"] = b"no audio at all, but long enough for a header of a file"
    panels[1]["data"] = b"no picture"
    put(page, tracks=tracks, panels=panels)
    page.wait_for_function("document.querySelector('.error').textContent.includes('Input')")
    page.wait_for_function("document.querySelector('.error').textContent.includes('Output')")
    assert page.get_by_role("radio", name="Output").is_disabled()
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("model.get('position') > 0")
    put(page, tracks=state()["tracks"], panels=state()["panels"])
    page.wait_for_selector(".error", state="hidden")


def test_what_is_decoded_late_does_not_replace_what_is_newer(page):
    old = {name: state()[name] for name in ("panels", "tracks")}
    page.evaluate("(old) => { put(old); put({ panels: [], tracks: [] }); }", packed(old))
    page.wait_for_timeout(150)
    assert page.locator(".timeline-panel").count() == 0
    assert page.get_by_role("button", name="Play", exact=True).is_disabled()


def test_another_recording_stops_the_player_and_takes_its_place(page):
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("model.get('position') > 0")
    put(page, duration=2.0, windows=[[1.0, 4.0]])
    assert page.get_by_role("button", name="Play", exact=True).is_visible()
    assert page.locator(".status").inner_text() == "1 window: 1.00 to 2.00 s."
    put(page, duration=0.0, windows=[], panels=[], tracks=[], spans=[])
    page.wait_for_function("document.querySelectorAll('.panel').length === 0")
    assert page.locator(".status").inner_text() == "No recording yet."
    enabled = page.locator(".bar button:enabled")
    assert enabled.evaluate_all("all => all.map((it) => it.dataset.do)") == ["loop"]


def test_the_theme_of_jupyterlab_comes_before_that_of_the_system(page):
    shade = "getComputedStyle(document.querySelector('.textsep-timeline')).backgroundColor"
    assert page.evaluate(shade) == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(shade)
    assert dark != "rgb(255, 255, 255)"
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    assert page.evaluate(shade) == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="light")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    assert page.evaluate(shade) == dark
    page.evaluate("delete document.body.dataset.jpThemeLight")


def test_a_phone_shows_all_and_fingers_drag_and_pinch(open_timeline):
    page = open_timeline(390, 844, has_touch=True, is_mobile=True, device_scale_factor=2)
    widths = "[document.documentElement.scrollWidth, document.querySelector('.bar').scrollWidth]"
    whole, bar = page.evaluate(widths)
    assert whole <= 390
    assert bar <= 390 - 2 * 16
    session = page.context.new_cdp_session(page)

    def touch(kind, *seconds):
        points = [{"x": x, "y": y} for x, y in places(page, *seconds)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 1.0)
    touch("touchMove", 1.5)
    touch("touchMove", 3.0)
    touch("touchEnd")
    assert value(page, "windows") == [pytest.approx([1.0, 3.0], abs=0.03)]
    canvas = page.locator(".timeline-panel canvas").first
    assert canvas.evaluate("it => it.width / it.offsetWidth") == pytest.approx(2, abs=0.01)
    touch("touchStart", 4.0)
    touch("touchMove", 4.4)
    touch("touchMove", 4.8)
    page.wait_for_selector(".window >> nth=1")
    touch("touchCancel")
    page.wait_for_selector(".window >> nth=1", state="detached")
    assert len(value(page, "windows")) == 1
    touch("touchStart", 4.0)
    touch("touchMove", 3.4)
    touch("touchStart", 3.4, 4.0)
    touch("touchMove", 3.1, 4.3)
    touch("touchEnd")
    scale = "it => it.offsetWidth / it.parentElement.clientWidth"
    assert page.locator(".content").evaluate(scale) == pytest.approx(2, abs=0.1)
    assert len(value(page, "windows")) == 1
    put(page, windows=[])  # no finger holds on to one
    assert page.locator(".window").count() == 0


def test_a_closed_view_leaves_nothing_behind(page):
    page.get_by_role("button", name="Play", exact=True).click()
    page.evaluate("dispose()")
    page.wait_for_function("contexts[0].state === 'closed'")
    assert page.locator(".textsep-timeline").count() == 0
    assert page.evaluate("Object.values(model.handlers).every((all) => all.size === 0)")
    page.evaluate("window.dispose = undefined")
