// The elements of the timeline: a bar of buttons, and the board below it.

const ICONS = {
  play: "M7 4v16l13-8z",
  pause: "M6 4h4v16H6zM14 4h4v16h-4z",
  playWindow: "M3 4h2v16H3zM19 4h2v16h-2zM8.5 6.5v11l8-5.5z",
  loop: "M17 2l4 4-4 4V7H7v4H5V5h12zM7 22l-4-4 4-4v3h10v-4h2v6H7z",
  add: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
  remove: "M9 3h6l1 2h4v2H4V5h4zM6 9h12l-1 12H7z",
  out: "M5 11h14v2H5z",
  fit: "M3 5h2v14H3zM19 5h2v14h-2zM6.5 12l4-4v3h3V8l4 4-4 4v-3h-3v3z",
};

export const icon = (name) =>
  `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
const button = (action, name, text, help) =>
  `<button type="button" data-do="${action}" title="${help}" aria-label="${text || help}">` +
  `${icon(name)}${text && `<span>${text}</span>`}</button>`;

export const TEMPLATE = `
  <div class="bar">
    <div class="group" role="group" aria-label="Play">
      ${button("play", "play", "Play", "Play from the cursor (space)")}
      ${button("playWindow", "playWindow", "Play window", "Play only the selected or first window")}
      ${button("loop", "loop", "Loop", "Repeat what is played")}
    </div>
    <div class="tracks" role="radiogroup" aria-label="What you hear"></div>
    <output class="clock"></output>
    <div class="group end" role="group" aria-label="Windows">
      ${button("add", "add", "Add window", "Add a window at the cursor (enter, on the time axis)")}
      ${button("remove", "remove", "", "Remove the selected window (delete)")}
    </div>
    <div class="group" role="group" aria-label="Zoom">
      ${button("out", "out", "", "Zoom out")}
      ${button("fit", "fit", "", "Show the whole recording")}
      ${button("in", "add", "", "Zoom in")}
    </div>
  </div>
  <p class="error" role="alert" hidden></p>
  <div class="board">
    <div class="gutter" aria-hidden="true">
      <div class="unit">s</div><div class="space"></div><div class="scales"></div>
    </div>
    <div class="scroller">
      <div class="content">
        <div class="axis" role="slider" tabindex="0" aria-label="Cursor" aria-valuemin="0">
          <canvas class="pinned"></canvas>
        </div>
        <div class="area" tabindex="-1">
          <div class="hint"><span>Drag across the picture to mark a stretch of time</span></div>
          <div class="spans"></div>
          <div class="timeline-panels"></div>
          <div class="windows"></div>
        </div>
        <div class="playhead"></div>
      </div>
    </div>
  </div>
  <p class="status" aria-live="polite"></p>`;
