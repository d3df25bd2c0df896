// Two deep-zoom views, one over the other behind a slider, that move as one.

import { partUrl } from "/page/api.js";

const TILE = 512; // px; the server has no level smaller than that, either

/** Where the tiles of a picture are, from the whole at a glance down to its pixels. */
function source(id, layer, width, height) {
  const maxLevel = Math.ceil(Math.log2(Math.max(width, height)));
  let smallest = 0;
  for (let side = Math.max(width, height); side > TILE; side = Math.ceil(side / 2)) smallest += 1;
  return {
    ...{ width, height, tileSize: TILE, tileOverlap: 0, maxLevel, minLevel: maxLevel - smallest },
    getTileUrl(level, x, y) {
      const shrink = 2 ** (maxLevel - level);
      const step = TILE * shrink;
      return partUrl(id, layer, x * step, y * step, step, step, shrink);
    },
  };
}

function view(element) {
  return window.OpenSeadragon({
    element,
    drawer: "canvas",
    showNavigationControl: false,
    imageSmoothingEnabled: true,
    visibilityRatio: 0.5,
    maxZoomPixelRatio: 8,
    animationTime: 0.35,
    springStiffness: 9,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    gestureSettingsTouch: { clickToZoom: false, dblClickToZoom: true },
    crossOriginPolicy: false,
    ajaxWithCredentials: false,
  });
}

export class Compare {
  /** `zoomed` is told the zoom as a number: 1 for a pixel of the picture on a pixel of the screen. */
  constructor(before, after, zoomed) {
    this.views = { before: view(before), after: view(after) };
    this.size = [1, 1];
    this.zoomed = zoomed;
    const labels = { before: "Picture before", after: "Picture after" };
    this.leader = this.views.after;
    for (const [name, one] of Object.entries(this.views)) {
      one.canvas.setAttribute("role", "img");
      one.canvas.setAttribute("aria-label", `${labels[name]}; arrow keys move it, plus and minus zoom`);
      one.world.addHandler("remove-item", ({ item }) => URL.revokeObjectURL(item.source.url)); // of other addresses, nothing comes of it
      const other = name === "before" ? this.views.after : this.views.before;
      for (const touch of ["press", "scroll", "pinch", "key", "double-click"]) {
        one.addHandler(`canvas-${touch}`, () => (this.leader = one));
      }
      one.addHandler("viewport-change", () => {
        if (this.leader === one) this.#copy(one, other); // the one that is touched leads, or they would pull at each other
        this.zoomed(this.zoom());
      });
    }
  }

  #copy(from, to) {
    if (!to.world.getItemCount()) return;
    to.viewport.zoomTo(from.viewport.getZoom(true), undefined, true);
    to.viewport.panTo(from.viewport.getCenter(true), true);
    to.forceRedraw();
  }

  /** Show a picture on one side; the place that is looked at stays, if the size does. */
  show(side, id, layer, size, shift = [0, 0]) {
    const one = this.views[side];
    const key = `${id} ${layer} ${shift}`;
    if (one.shown !== key) one.turn = Promise.resolve(one.turn).then(() => this.#change(side, id, layer, size, shift));
    one.shown = key;
    return one.turn;
  }

  /** One after the other, so that each knows what it takes the place of. */
  async #change(side, id, layer, size, shift) {
    const one = this.views[side];
    const [width, height] = size;
    const kept = one.world.getItemCount() && String(this.size) === String(size);
    const old = kept ? [...Array(one.world.getItemCount()).keys()].map((i) => one.world.getItemAt(i)) : [];
    if (!kept) one.world.removeAll();
    this.size = size;
    await new Promise((done) =>
      one.addTiledImage({
        tileSource: source(id, layer, width, height),
        ...{ x: -shift[0] / width, y: -shift[1] / width, width: 1 },
        success: done,
        error: done,
      }),
    );
    for (const item of old) setTimeout(() => one.world.removeItem(item), 400); // no flash while the first tiles come
    if (!kept) {
      one.viewport.goHome(true);
      const other = side === "before" ? this.views.after : this.views.before;
      if (other.world.getItemCount()) this.#copy(other, one);
    }
  }

  /** Show nothing any more. */
  clear() {
    for (const one of Object.values(this.views)) {
      one.world.removeAll();
      one.shown = null;
    }
  }

  /** Lay a small picture over a part of one side; its object URL is revoked when it goes. */
  overlay(side, url, box) {
    const width = this.size[0];
    this.views[side].addSimpleImage({ url, x: box.x / width, y: box.y / width, width: box.w / width });
  }

  /** The part that is looked at, at most `most` px a side around its middle. */
  visible(most) {
    const { viewport, world } = this.views.after;
    const item = world.getItemAt(0);
    const seen = item.viewportToImageRectangle(viewport.getBounds(true));
    const [width, height] = this.size;
    const span = (start, length, whole) => {
      const from = Math.max(0, start);
      const to = Math.min(whole, start + length);
      const side = Math.max(Math.min(to - from, most), Math.min(64, whole));
      const at = Math.round(Math.min(Math.max((from + to - side) / 2, 0), whole - side));
      return [at, Math.round(Math.min(side, whole - at))];
    };
    const [x, w] = span(seen.x, seen.width, width);
    const [y, h] = span(seen.y, seen.height, height);
    return { x, y, w, h };
  }

  zoom() {
    const { viewport } = this.views.after;
    const width = viewport.getContainerSize().x;
    return (viewport.getZoom(true) * width * window.devicePixelRatio) / this.size[0];
  }

  /** Zoom to `times` px of the screen for one of the picture; 0 shows the whole. */
  zoomTo(times) {
    const { viewport } = this.views.after;
    this.leader = this.views.after;
    if (!times) {
      viewport.goHome();
      return;
    }
    viewport.zoomTo((times * this.size[0]) / (viewport.getContainerSize().x * window.devicePixelRatio));
    viewport.applyConstraints();
  }

  filter(side, text) {
    this.views[side].drawer.canvas.style.filter = text;
  }
}
