// The linked viewer. With viewer-pixels.js and viewer-draw.js before it, the body of a gr.HTML's js_on_load: has
// `element`, `trigger`, `props`, `server`, `watch`.
const $ = (q) => element.querySelector(q);
const stage = $(".v-stage"), handle = $(".v-handle"), message = $(".v-msg"), choice = $(".v-finding");
const view = { mode: "side", preset: "auto", invert: false, x: 0.5, y: 0.5, zoom: 1, level: 0, width: 1, split: 0.5, swap: false, hand: matchMedia("(pointer: coarse)").matches };
const heat = { on: false, finding: "", opacity: 0.6, maps: null, said: "" };
window.updp = window.updp || {};
var canvas = $("canvas"), looked = null, shown = null, pair = null, raf = 0, ticket = 0, renderer = makeRenderer();

async function show(p) {
  const mine = ++ticket;
  looked = window.updp.looking = null; strip();
  window.updp.asked = p?.record || null; window.updp.shown = null; // no verdict until the images are on the screen
  if (!p || !p.record) { shown = pair = null; say(p?.message || "No pair is open."); publish(); return warm(); }
  const waiting = setTimeout(() => say("Loading images…"), 150);
  try {
    const got = await load(p).pair;
    if (mine !== ticket) return;
    const images = got.a ? got : { a: got.b, b: null, alone: true }; // a role that sees no originals
    if (!shown || shown.record !== p.record) Object.assign(view, { x: 0.5, y: 0.5, zoom: 1, swap: false });
    shown = p; pair = images; say("");
  } catch (error) {
    if (mine !== ticket) return;
    shown = pair = null; say(String(error.message || error));
  } finally { clearTimeout(waiting); }
  offer(p.findings ?? []); publish(); warm();
  for (const [i, n] of (p.next ?? window.updp.neighbours?.(p.record) ?? []).entries()) { // the very next comes first
    if (i) await new Promise((go) => setTimeout(go, 1000)); // what lies further must not delay a quick reader's next
    if (mine !== ticket) return;
    await load(n).pair.catch(() => {});
  }
}
function say(text) { message.textContent = text; message.hidden = !text; }

// What is on the screen now: every verdict names this pair, not the one that was asked for last.
function publish() {
  window.updp.shown = shown && pair && !looked ? { record: shown.record, candidate: shown.candidate ?? null, revision: shown.revision } : null;
  element.dataset.record = (pair && shown?.record) || "";
  element.dispatchEvent(new CustomEvent("updp-shown", { bubbles: true }));
}

// --- other versions beside the original: looking at one decides nothing --------------------------------------
function strip() {
  const rows = props.value?.versions ?? [], box = $(".v-strip"), now = looked ?? props.value?.candidate;
  box.hidden = rows.length < 2;
  box.replaceChildren(...rows.map((row) => {
    const b = Object.assign(document.createElement("button"), { type: "button", title: row.title });
    b.dataset.version = row.candidate; b.setAttribute("aria-pressed", row.candidate === now); b.setAttribute("aria-label", row.title);
    if (row.src) b.append(Object.assign(document.createElement("img"), { src: row.src, alt: "" }));
    b.append(row.text);
    return b;
  }));
  if (looked) box.prepend(Object.assign(document.createElement("button"), { type: "button", className: "v-use", textContent: "Use this", title: "Make this version the current one (Enter)" }));
}
async function look(candidate) {
  const mine = ++ticket, base = props.value;
  if (!base?.record) return;
  looked = candidate === base.candidate ? null : candidate; window.updp.looking = looked; window.updp.shown = null;
  strip();
  try {
    const p = { ...base, candidate }, got = await load(p).pair;
    if (mine !== ticket) return;
    shown = p; pair = got.a ? got : { a: got.b, b: null, alone: true }; say("");
  } catch (error) {
    if (mine !== ticket) return;
    shown = pair = null; say(String(error.message || error));
  }
  publish(); warm();
}
function step(by) { // to the next version of the strip
  const rows = props.value?.versions ?? [], at = rows.findIndex((r) => r.candidate === (looked ?? props.value?.candidate));
  if (rows.length > 1) look(rows[(at + by + rows.length) % rows.length].candidate);
}
const use = () => { const candidate = looked; if (candidate) trigger("choose", { candidate }); return !!candidate; };
$(".v-strip").addEventListener("click", (e) => {
  const b = e.target.closest("button");
  if (b?.className === "v-use") use(); else if (b) look(Number(b.dataset.version));
});

// --- heat maps: where the classifier looked --------------------------------------------------------------
// The findings of this pair, most telling first: that one is chosen.
function offer(findings) {
  choice.replaceChildren(...findings.map((f) => new Option(f.text, f.name)));
  heat.finding = findings[0]?.name ?? "";
  choice.disabled = !findings.length;
}

async function warm() {
  const finding = heat.finding, p = shown;
  heat.maps = null; heat.said = "";
  if (heat.on && p && pair) {
    if (!finding) heat.said = "The images of this pair were not judged, so there is no map.";
    else {
      heat.said = "Looking…"; draw();
      try {
        const maps = await mapsOf(p, finding);
        if (p !== shown || finding !== heat.finding || !heat.on) return;
        const seen = (name, one) => (one ? `${name} ${Math.round(100 * one.probability)} %` : ""), found = [seen("original", maps.original), seen("synthetic", maps.synthetic)].filter(Boolean);
        heat.maps = maps; heat.said = `Probability: ${found.join(", ")}.${maps.faint ? " Next to nothing speaks for it." : ""}`;
      } catch (error) {
        if (p !== shown || finding !== heat.finding) return;
        heat.said = String(error.message || error);
      }
    }
  }
  draw();
}

// --- drawing ----------------------------------------------------------------------------------------------
const stacked = () => view.mode === "side" && pair?.b && canvas.height > 1.2 * canvas.width; // a phone held upright
function panels() {
  const W = canvas.width, H = canvas.height, gap = Math.round(2 * devicePixelRatio), half = ((stacked() ? H : W) - gap) >> 1;
  const fit = (w, h = H) => Math.min(w, h) * view.zoom, { a, b } = pair, other = view.swap ? 1 : 0, { original, synthetic } = heat.maps ?? {};
  const common = { a, b: b ?? a, y: 0, h: H, heat: heat.maps ? heat.opacity : 0, heatA: pair.alone ? synthetic : original, heatB: synthetic };
  if (!b) return [{ ...common, x: 0, w: W, what: 0, scale: fit(W) }];
  if (stacked()) return [0, 1].map((n) => ({ ...common, x: 0, w: W, y: n * (half + gap), h: n ? H - half - gap : half, what: n ? 1 - other : other, scale: fit(W, half) }));
  if (view.mode === "side") return [{ ...common, x: 0, w: half, what: other, scale: fit(half) }, { ...common, x: half + gap, w: W - half - gap, what: 1 - other, scale: fit(half) }];
  return [{ ...common, x: 0, w: W, what: { slider: 2, flicker: other, diff: 3 }[view.mode], scale: fit(W) }];
}

// Writes to the page only what has changed: each write costs a layout.
const written = new Map();
function put(node, name, value) {
  if (written.get(node)?.[name] === value) return;
  written.set(node, { ...written.get(node), [name]: value });
  if (name === "html") node.innerHTML = value;
  else if (name === "text") node.textContent = value;
  else if (name === "hidden") node.hidden = value;
  else if (name.startsWith("aria-") || name.startsWith("data-")) node.setAttribute(name, value);
  else node.style[name] = value;
}
const [tagA, tagB, read, legend, mapped] = [".v-tag-a", ".v-tag-b", ".v-read", ".v-legend", ".v-heat"].map($);

function label(list) {
  const side = view.mode === "side" && pair?.b, difference = view.mode === "diff" && pair?.b;
  const says = (which) => (which && pair?.b) || pair?.alone ? `<b class="syn">Synthetic</b> ${looked ? `version ${looked}, not the current one` : `${(pair.b ?? pair.a).w} × ${(pair.b ?? pair.a).h}`}` : pair?.a ? `<b class="orig">Original</b> ${pair.a.w} × ${pair.a.h}, ${shown?.bits || 16} bit` : "";
  put(tagA, "hidden", !pair); put(tagB, "hidden", !pair?.b || !(side || view.mode === "slider"));
  put(handle, "hidden", !(pair?.b && view.mode === "slider")); put(legend, "hidden", !difference); put(mapped, "hidden", !heat.on);
  put(element, "data-mode", view.mode); put(element, "data-none", pair ? "" : "1"); put(element, "data-renderer", renderer.name); put(element, "data-heat", heat.maps && !difference ? heat.finding : "");
  put($(".v-heat-say"), "text", heat.on && difference ? "Not drawn over the difference." : heat.said);
  if (!pair) return put(read, "text", "");
  put(tagA, "html", difference ? "<b>Difference</b> synthetic against original" : says(list[0].what === 1 ? 1 : 0));
  put(tagB, "html", side ? says(list[1].what) : says(1));
  put(tagB, "left", stacked() ? "10px" : side ? "calc(50% + 10px)" : ""); put(tagB, "right", side ? "" : "10px"); put(tagB, "top", stacked() ? "calc(50% + 8px)" : "");
  put(handle, "left", `${view.split * 100}%`); put(handle, "aria-valuenow", String(Math.round(view.split * 100)));
  const max = 2 ** (shown?.bits || 16) - 1, [lo, w] = windowOf(pair.a);
  put(read, "text", `L ${Math.round((lo + w / 2) * max)}  W ${Math.round(w * max)}  ${Math.round((list[0].scale / pair.a.long) * 100)} %`);
}

let room = stage.getBoundingClientRect();
function draw() {
  if (raf) return;
  raf = requestAnimationFrame(() => {
    raf = 0;
    const w = Math.max(1, Math.round(room.width * devicePixelRatio)), h = Math.max(1, Math.round(room.height * devicePixelRatio));
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const list = pair ? panels() : [];
    renderer.draw(list.filter((p) => p.w > 0 && p.h > 0)); label(list); // a hidden page has no room
  });
}

// --- hands ------------------------------------------------------------------------------------------------
function check(group, value) {
  for (const b of element.querySelectorAll(`[data-${group}]`)) { b.setAttribute("aria-checked", b.dataset[group] === value); b.tabIndex = b.dataset[group] === value ? 0 : -1; }
}
const press = (name, on) => $(`[data-act=${name}]`).setAttribute("aria-pressed", on);
const act = {
  mode(m) { view.mode = m; view.swap = false; check("mode", m); },
  preset(p) { view.preset = p; view.level = 0; view.width = 1; check("preset", p); },
  invert() { view.invert = !view.invert; press("invert", view.invert); },
  hand() { view.hand = !view.hand; press("hand", view.hand); },
  queue() { window.updp.queue?.(); },
  heat() { heat.on = !heat.on; press("heat", heat.on); warm(); },
  finding(step) { // the next one of the list, from the top again after the last
    if (!choice.options.length) return;
    choice.selectedIndex = (choice.selectedIndex + step + choice.options.length) % choice.options.length;
    heat.finding = choice.value; if (heat.on) warm(); else this.heat();
  },
  fit() { view.x = view.y = 0.5; view.zoom = 1; },
  one() { if (pair) { const p = panels()[0]; view.zoom *= pair.a.long / p.scale; } },
  reset() { this.fit(); this.preset("auto"); if (view.invert) this.invert(); view.split = 0.5; },
  zoom(f, px, py) { // about a point of the stage in CSS pixels, or the middle
    if (!pair) return;
    const p = panels(), d = devicePixelRatio, q = px === undefined ? null : p.find((r) => px * d >= r.x && px * d < r.x + r.w && py * d >= r.y && py * d < r.y + r.h) || p[0];
    const before = p[0].scale, next = Math.min(64, Math.max(0.5, view.zoom * f)), after = (before / view.zoom) * next;
    if (q) { const ox = px * d - q.x - q.w / 2, oy = py * d - q.y - q.h / 2; view.x += ox / before - ox / after; view.y += oy / before - oy / after; }
    view.zoom = next;
  },
  pan(dx, dy) { if (!pair) return; const s = panels()[0].scale / devicePixelRatio; view.x = Math.min(1.2, Math.max(-0.2, view.x - dx / s)); view.y = Math.min(1.2, Math.max(-0.2, view.y - dy / s)); },
  window(dw, dl) { view.width = Math.min(8, Math.max(0.02, view.width * Math.exp(dw))); view.level = Math.min(2, Math.max(-2, view.level + dl)); },
  swap(on) { view.swap = on; },
};
$(".v-bar").addEventListener("click", (e) => {
  const b = e.target.closest("button"); if (!b) return;
  if (b.dataset.mode) act.mode(b.dataset.mode); else if (b.dataset.preset) act.preset(b.dataset.preset); else if (b.dataset.act !== "hold") act[b.dataset.act]();
  draw();
});
$(".v-bar").addEventListener("keydown", (e) => { // arrows walk a group of choices, as everywhere
  const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[e.key], group = e.target.closest(".seg");
  if (!step || !group || e.shiftKey) return;
  const all = [...group.querySelectorAll("button")], next = all[(all.indexOf(e.target) + step + all.length) % all.length];
  e.preventDefault(); e.stopPropagation(); next.focus(); next.click();
});
choice.addEventListener("change", () => { heat.finding = choice.value; warm(); });
$(".v-opacity").addEventListener("input", (e) => { heat.opacity = e.target.value / 100; draw(); });
for (const [down, on] of [["pointerdown", true], ["pointerup", false], ["pointerleave", false], ["pointercancel", false]])
  $(".v-hold").addEventListener(down, () => { act.swap(on); draw(); });

const fingers = new Map(); // pointer -> where it is on the stage, in CSS pixels
let drag = "";
const place = (e) => { const r = stage.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
stage.addEventListener("pointerdown", (e) => {
  const now = place(e);
  fingers.set(e.pointerId, now); stage.setPointerCapture(e.pointerId);
  const near = view.mode === "slider" && Math.abs(now[0] - view.split * room.width) < (e.pointerType === "touch" ? 28 : 18);
  drag = near ? "split" : view.hand !== (e.shiftKey || e.button > 0) ? "pan" : "window";
});
stage.addEventListener("pointermove", (e) => {
  const last = fingers.get(e.pointerId);
  if (!last) return;
  const now = place(e), dx = now[0] - last[0], dy = now[1] - last[1];
  if (fingers.size === 2) {
    const far = () => { const [p, q] = [...fingers.values()]; return Math.hypot(p[0] - q[0], p[1] - q[1]); }, before = far();
    fingers.set(e.pointerId, now);
    const [p, q] = [...fingers.values()];
    act.zoom(far() / (before || 1), (p[0] + q[0]) / 2, (p[1] + q[1]) / 2); act.pan(dx / 2, dy / 2);
  } else if (drag === "split") view.split = Math.min(1, Math.max(0, now[0] / room.width));
  else if (drag === "pan") act.pan(dx, dy);
  else act.window(dx / 240, -dy / 400);
  fingers.set(e.pointerId, now); draw();
});
for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (e) => { fingers.delete(e.pointerId); if (!fingers.size) drag = ""; });
stage.addEventListener("wheel", (e) => { e.preventDefault(); act.zoom(Math.exp(-e.deltaY / 400), ...place(e)); draw(); }, { passive: false });
stage.addEventListener("contextmenu", (e) => e.preventDefault());
stage.addEventListener("dblclick", () => { act.fit(); draw(); });
handle.addEventListener("keydown", (e) => {
  const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[e.key];
  if (step) { e.preventDefault(); e.stopPropagation(); view.split = Math.min(1, Math.max(0, view.split + step)); draw(); }
});

// Keys come from the page's one shortcut script (keys.js), so that they are quiet in text fields.
const KEYS = {
  b: () => act.mode("side"), s: () => act.mode("slider"), x: () => act.mode("flicker"), d: () => act.mode("diff"),
  1: () => act.preset("auto"), 2: () => act.preset("lung"), 3: () => act.preset("bone"), 4: () => act.preset("mediastinum"), 5: () => act.preset("full"),
  i: () => act.invert(), 0: () => act.fit(), 9: () => act.one(), z: () => act.reset(), "+": () => act.zoom(1.2), "=": () => act.zoom(1.2), "-": () => act.zoom(1 / 1.2),
  "[": () => act.window(-0.05, 0), "]": () => act.window(0.05, 0), ",": () => act.window(0, -0.02), ".": () => act.window(0, 0.02),
  "<": () => step(-1), ">": () => step(1),
  h: () => act.heat(), m: () => act.finding(1), l: () => act.hand(),
  "shift+arrowleft": () => act.pan(30, 0), "shift+arrowright": () => act.pan(-30, 0), "shift+arrowup": () => act.pan(0, 30), "shift+arrowdown": () => act.pan(0, -30),
};
window.updp.viewer = {
  key(name, down = true) {
    if (name === " ") { act.swap(down); draw(); return true; }
    if (!down || !KEYS[name]) return false;
    KEYS[name](); draw(); return true;
  },
  use,
  back() { if (!looked) return false; look(props.value.candidate); return true; },
  // Read by the browser tests and the benchmark.
  view, heat,
  has: (p) => memory.get(keyOf(p))?.ready === true,
  ahead: () => !!shown && (shown.next ?? window.updp.neighbours?.(shown.record) ?? []).slice(0, 1).every((p) => window.updp.viewer.has(p)),
  held: () => ({ pairs: memory.size, bytes: [...memory.values()].reduce((sum, kept) => sum + kept.bytes, 0) }),
};
for (const group of ["mode", "preset"]) check(group, view[group]);
press("hand", view.hand);
$(".v-heat-bar").style.background = `linear-gradient(90deg, ${STOPS.join(", ")})`;
new ResizeObserver(() => { room = stage.getBoundingClientRect(); draw(); }).observe(stage);
watch("value", () => show(props.value));
show(props.value);
