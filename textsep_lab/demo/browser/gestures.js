// What fingers and the mouse do on the pictures.

import { clamp } from "./basics.js";

const CLICK_PX = 4; // a pointer that moves less has clicked

/** One pointer drags or clicks, two pinch and pan. */
export class Gestures {
  constructor(area, axis, windows, onClick) {
    Object.assign(this, { area, axis, windows, onClick, pointers: new Map() });
    area.addEventListener("pointerdown", (event) => this.#down(event));
    area.addEventListener("pointermove", (event) => this.#move(event));
    area.addEventListener("pointerup", (event) => this.#up(event));
    area.addEventListener("pointercancel", (event) => this.#up(event, true));
    area.addEventListener("dblclick", ({ target }) => windows.remove(windows.indexOf(target)));
  }

  #down(event) {
    if (event.button !== 0 || this.axis.duration <= 0) return;
    this.pointers.set(event.pointerId, event.clientX);
    if (this.pointers.size === 2) {
      this.windows.cancel();
      this.pinch = { ...this.#span(), zoom: this.axis.zoom };
      return;
    }
    this.from = event.clientX;
    this.moved = false;
    this.onWindow = this.windows.grab(event.target, this.axis.timeAt(event.clientX));
  }

  #move(event) {
    if (!this.pointers.has(event.pointerId)) return;
    this.pointers.set(event.pointerId, event.clientX);
    if (this.pinch) return this.#zoom();
    if (!this.windows.drag) return;
    if (!this.moved && Math.abs(event.clientX - this.from) < CLICK_PX) return;
    // Not before it moves: a captured pointer would take the double click from the window.
    if (!this.moved) this.area.setPointerCapture(event.pointerId);
    this.moved = true;
    this.#scrollAlong(event.clientX);
    this.windows.pull(this.axis.timeAt(event.clientX));
  }

  #up(event, cancelled = false) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.pinch) {
      if (this.pointers.size === 0) this.pinch = null;
    } else if (cancelled || !this.moved) {
      this.windows.cancel();
      if (!cancelled && !this.onWindow) this.onClick(this.axis.timeAt(event.clientX));
    } else if (this.windows.drag) this.windows.drop();
  }

  #span() {
    const [a, b] = [...this.pointers.values()];
    return { distance: Math.max(Math.abs(a - b), 20), middle: (a + b) / 2 };
  }

  #zoom() {
    if (this.pointers.size < 2) return;
    const { distance, middle } = this.#span();
    this.axis.scroller.scrollLeft -= middle - this.pinch.middle;
    this.pinch.middle = middle;
    this.axis.zoomTo((this.pinch.zoom * distance) / this.pinch.distance, middle);
  }

  #scrollAlong(clientX) {
    const box = this.axis.scroller.getBoundingClientRect();
    this.axis.scroller.scrollLeft += (clientX - clamp(clientX, box.left, box.right)) / 4;
  }
}
