// The time axis: zoom and scrolling.

import { clamp, percent } from "./basics.js";

const CLOSEST_VIEW = 0.25; // seconds across the screen at the highest zoom

/** Turns pixels into seconds. The content is as wide as the zoom says, and scrolls. */
export class Axis {
  constructor(scroller, content, onView) {
    Object.assign(this, { scroller, content, onView, duration: 0, zoom: 1 });
    scroller.addEventListener("scroll", onView, { passive: true });
    scroller.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  get highest() {
    return Math.max(1, this.duration / CLOSEST_VIEW);
  }

  /** First and last visible second. */
  get visible() {
    const whole = this.content.offsetWidth;
    const left = this.scroller.scrollLeft;
    return [left, left + this.scroller.clientWidth].map((x) => (x / whole) * this.duration);
  }

  timeAt(clientX) {
    const box = this.content.getBoundingClientRect();
    return clamp((clientX - box.left) / box.width, 0, 1) * this.duration;
  }

  /** Zoom so that the moment under `clientX` stays there. */
  zoomTo(zoom, clientX = this.#middle()) {
    const time = this.timeAt(clientX);
    this.zoom = clamp(zoom, 1, this.highest);
    this.content.style.width = percent(this.zoom);
    this.scrollTo(time, clientX);
    this.onView();
  }

  scrollTo(time, clientX = this.#middle()) {
    const x = (time / this.duration) * this.content.offsetWidth;
    this.scroller.scrollLeft = x - (clientX - this.scroller.getBoundingClientRect().left);
  }

  /** Turn the page when the playhead leaves it. */
  follow(time) {
    const [from, to] = this.visible;
    if (time < from || time > to) {
      this.scrollTo(time, this.scroller.getBoundingClientRect().left + 24);
    }
  }

  #middle() {
    const box = this.scroller.getBoundingClientRect();
    return box.left + box.width / 2;
  }

  #wheel(event) {
    if (!event.ctrlKey) return; // scrolls; a pinch on a touchpad comes with ctrlKey
    event.preventDefault();
    this.zoomTo(this.zoom * Math.exp(-clamp(event.deltaY, -50, 50) / 100), event.clientX);
  }
}
