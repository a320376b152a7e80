// Keyboard, theme, dialogs and tooltips of the whole page. Quiet while a text field has the focus.
(() => {
  const updp = (window.updp = window.updp || {});
  const by = (id) => document.getElementById(id), root = document.documentElement;
  // Gradio may add this script once the page stands already.
  const ready = (then) => (document.readyState === "loading" ? addEventListener("DOMContentLoaded", then) : then());

  // --- theme: a taste, not data; with "the tour was seen" all that this page keeps in the browser ---
  let theme = "dark";
  try { theme = localStorage.getItem("updp-theme") || "dark"; } catch { /* storage is barred: dark it is */ }
  const paint = () => { root.dataset.theme = theme; document.body?.classList.toggle("dark", theme === "dark"); };
  paint();
  ready(() => { paint(); new MutationObserver(() => document.body.classList.contains("dark") !== (theme === "dark") && paint()).observe(document.body, { attributes: true, attributeFilter: ["class"] }); });
  updp.theme = () => { theme = theme === "dark" ? "light" : "dark"; try { localStorage.setItem("updp-theme", theme); } catch { /* as above */ } paint(); };

  // --- what the reader sees, for the verbs ---
  const parts = () => Object.fromEntries([...document.querySelectorAll("[data-key]")].map((k) => [k.dataset.part, k.dataset.key]));
  updp.ask = () => ({ shown: updp.shown ?? null, asked: updp.wanted ?? updp.asked ?? null, looking: updp.looking ?? null, parts: parts() });
  updp.role = () => (document.querySelector("#role input")?.value ?? "").toLowerCase().replace(" ", "-");
  const rows = () => [...document.querySelectorAll("#queue [data-record]")];
  updp.neighbours = (record) => { // the rows after this one, for preloading
    const list = rows(), at = list.findIndex((r) => r.dataset.record === record);
    return list.slice(at + 1, at + 3).map((r) => ({ record: r.dataset.record, candidate: Number(r.dataset.candidate) || null }));
  };
  updp.mark = () => requestAnimationFrame(() => {
    for (const row of rows()) {
      const here = row.dataset.record === updp.asked;
      row.setAttribute("aria-selected", here);
      if (here) row.scrollIntoView({ block: "nearest" });
    }
  });
  addEventListener("updp-shown", () => { if (updp.wanted === updp.shown?.record) delete updp.wanted; updp.mark(); folded(); });

  updp.versions = () => { // as a tab, and large where there are several to pick from
    tab("#below", "Versions")?.click();
    requestAnimationFrame(() => document.querySelector("#contact .card") && updp.open("contact"));
  };
  updp.queue = () => { // a drawer on a narrow screen
    if (!matchMedia("(max-width: 1100px)").matches) return document.querySelector("#queue .q")?.focus();
    (root.classList.toggle("with-queue") ? document.querySelector("#queue .q") : document.querySelector(".v-queue"))?.focus();
  };

  // --- panels fold singly; the folds last as long as the page ---
  const folded = () => { for (const b of document.querySelectorAll("[data-fold]")) b.setAttribute("aria-expanded", !root.classList.contains(`fold-${b.dataset.fold}`)); };
  updp.fold = (name) => { root.classList.toggle(`fold-${name}`); folded(); };

  // --- a link to a pair: the address keeps nothing of it once the pair is open ---
  const hide = () => by("say")?.classList.add("gone");
  updp.copy = async (record) => {
    const link = `${location.origin}${location.pathname}#${record}`;
    try { await navigator.clipboard.writeText(link); } catch { prompt("A link that opens this pair:", link); return; }
    const mark = document.querySelector(`[data-link="${CSS.escape(record)}"] span`); if (mark) { mark.textContent = "copied"; setTimeout(() => { mark.textContent = "link"; }, 2000); }
  };
  const linked = () => {
    const record = /^#(R[A-Z0-9]{10})$/.exec(location.hash)?.[1]; if (!record) return;
    history.replaceState(null, "", location.pathname + location.search);
    const wait = setInterval(() => { if (updp.pick && document.querySelector("#head .head, #head .empty")) { clearInterval(wait); updp.page("Review"); updp.pick(record); } }, 100);
  };
  ready(linked); addEventListener("hashchange", linked);

  // --- sheets (dialogs): opened and closed here, so that they appear at once ---
  const SHEET = ".sheet.open, #contact.open";
  let opener = null;
  updp.open = (id) => {
    updp.close(); hide(); const sheet = by(id); if (!sheet) return;
    opener = document.activeElement; sheet.classList.add("open"); sheet.setAttribute("role", "dialog"); sheet.setAttribute("aria-modal", "true");
    root.classList.add("with-sheet"); (sheet.querySelector(".first textarea, .first input, button.first") || sheet.querySelector("h2") || sheet).focus();
  };
  updp.close = () => {
    const open = document.querySelector(SHEET); if (!open) return false;
    open.classList.remove("open"); if (open.id === "contact") open.removeAttribute("role"); root.classList.remove("with-sheet");
    if (open.contains(document.activeElement)) document.activeElement.blur(); // at once: the next key must not fall into a field that is gone
    opener?.focus?.(); return true;
  };
  updp.closeIfDone = () => setTimeout(() => document.querySelector("#say .say-stop") || updp.close(), 80); // a refusal leaves the sheet as it is
  // Where the evidence has nothing to say, approving asks for a reason first; a comment is one.
  addEventListener("click", (e) => {
    if (!e.target.closest?.("#approve") || !document.querySelector("#head [data-beyond]") || !updp.shown || by("comment")?.querySelector("textarea")?.value.trim()) return;
    e.preventDefault(); e.stopImmediatePropagation(); updp.open("approve-box");
  }, true);
  addEventListener("click", (e) => {
    if (e.target.closest?.(".sheet-close")) updp.close();
    if (!e.target.closest?.("#queue-col, .v-queue") || e.target.closest("#queue [data-record]")) root.classList.remove("with-queue");
    const on = (what) => e.target.closest?.(`[data-${what}]`)?.dataset[what.replace(/-(.)/g, (_, c) => c.toUpperCase())];
    if (e.target.closest?.("#say, #pages > .tab-wrapper")) hide();
    if (on("link")) { e.preventDefault(); updp.copy(on("link")); }
    if (on("fold")) updp.fold(on("fold"));
    if (on("open")) updp.open(on("open"));
    if (on("to-page")) updp.page(on("to-page"));
    if (on("to-way")) document.querySelector(`[data-way="${on("to-way")}"]`)?.click();
    if (on("to-record")) {
      if (on("role")) updp.wanted = on("to-record"); // the role changes on the way, and must not lead to another pair
      updp.page("Review"); updp.pick?.(on("to-record"));
    }
    if (on("skip")) { e.preventDefault(); const to = document.querySelector(on("skip")); to?.scrollIntoView?.({ block: "nearest" }); to?.focus(); }
  });

  // --- the message line: good news fades, trouble stays ---
  ready(() => {
    let timer = 0;
    new MutationObserver(() => {
      for (const [id, name] of Object.entries({ theme: "Dark or light (T)", help: "Keys (?)" })) {
        const b = by(id); if (b && !b.title) { b.title = name; b.setAttribute("aria-label", name); }
      }
      const say = by("say"), text = say?.querySelector(".say")?.dataset.n ?? "";
      if (!say || say.dataset.text === text) return;
      say.dataset.text = text; say.setAttribute("role", "status"); say.classList.remove("gone"); clearTimeout(timer);
      if (say.querySelector(".say-ok")) timer = setTimeout(() => say.classList.add("gone"), 4000);
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });

  // --- tooltips for pointer and keyboard ---
  let tip = null;
  const hideTip = () => { tip?.remove(); tip = null; };
  const showTip = (target) => {
    hideTip(); tip = Object.assign(document.createElement("div"), { className: "tip", textContent: target.dataset.tip }); tip.setAttribute("role", "tooltip");
    document.body.append(tip); const r = target.getBoundingClientRect(), t = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(6, Math.min(innerWidth - t.width - 6, r.left))}px`;
    tip.style.top = `${r.bottom + t.height + 8 < innerHeight ? r.bottom + 5 : r.top - t.height - 5}px`;
  };
  for (const [on, off] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
    addEventListener(on, (e) => { const t = e.target.closest?.("[data-tip]"); if (t) showTip(t); });
    addEventListener(off, (e) => { if (e.target.closest?.("[data-tip]")) hideTip(); });
  }
  addEventListener("scroll", hideTip, true);
  addEventListener("keydown", hideTip, true);

  // --- keys ---
  const click = (id) => () => { const b = by(id); (b?.matches("button") ? b : b?.querySelector("button"))?.click(); };
  const focus = (id) => () => { const f = by(id)?.querySelector("textarea, input"); f?.focus(); f?.select?.(); };
  // From word to word in a report: the arrow keys move, Enter puts the word on a list as a click does.
  const word = (key, at) => {
    const report = at.closest?.("#reports .rep"), step = { arrowright: 1, arrowleft: -1 }[key];
    if (!report || !(step || key === "enter")) return false;
    const words = [...report.querySelectorAll(".w")], now = words.indexOf(at);
    if (!step) return now < 0 ? false : (at.click(), true);
    const next = words[now < 0 ? (step > 0 ? 0 : words.length - 1) : now + step];
    if (next) { next.tabIndex = -1; next.setAttribute("role", "button"); next.focus(); }
    return true;
  };
  // The prompt is one stop of the tab order: the arrow keys go from token to token.
  const token = (key, at) => {
    const here = at.closest?.("#prompt .tok[data-word]"), step = { arrowright: 1, arrowleft: -1 }[key];
    if (!here || !step) return false;
    const all = [...document.querySelectorAll("#prompt .tok[data-word]")], next = all[all.indexOf(here) + step];
    if (next) { here.tabIndex = -1; next.tabIndex = 0; next.focus(); }
    return true;
  };
  const scroll = (by_) => () => document.querySelectorAll("#reports .rep").forEach((r) => r.scrollBy({ top: by_, behavior: "smooth" }));
  const review = {
    j: click("next"), n: click("next"), arrowdown: click("next"), k: click("previous"), p: click("previous"), arrowup: click("previous"),
    a: click("approve"), r: () => updp.open("reject-box"), g: () => updp.open("regen-box"), u: click("undo"), w: () => { click("word-open")(); updp.open("word-box"); },
    v: () => updp.versions(), q: () => updp.queue(),
    e: () => updp.reading(), c: focus("comment"), "/": focus("f-text"), pagedown: scroll(160), pageup: scroll(-160), f: () => updp.open("flag-box"), "shift+f": () => updp.open("clear-box"),
  };
  const pages = { r: "Review", l: "Lexicons", i: "Import & run", e: "Release", a: "Audit", p: "Insight" };
  const ways = { q: "review", f: "flagged", s: "second" }; // into the queue
  const tabs = { r: "Reports", f: "Findings", v: "Versions", h: "History" }; // below the images
  const tab = (where, name) => [...document.querySelectorAll(`${where} > .tab-wrapper [role=tab]`)].find((t) => t.textContent.trim() === name);
  const page = (name) => { const t = tab("#pages", name); root.classList.remove("reading", "with-below"); t?.click(); t?.focus(); }; // the next Tab goes into the page
  updp.page = page;
  const folds = { q: "queue", p: "prompt", b: "below", e: "evidence" };
  // A first key stays until the second one, Esc or a click, and is shown; a second key that means nothing does nothing.
  const chains = {
    o: { says: "<kbd>O</kbd> then <kbd>R</kbd> <kbd>L</kbd> <kbd>I</kbd> <kbd>E</kbd> <kbd>A</kbd> <kbd>P</kbd> a page, <kbd>Q</kbd> <kbd>F</kbd> <kbd>S</kbd> the queue", then: (name) => { if (pages[name]) page(pages[name]); else if (ways[name] && reviewing()) document.querySelector(`[data-way="${ways[name]}"]`)?.click(); } },
    y: { says: "<kbd>Y</kbd> then <kbd>R</kbd> reports, <kbd>F</kbd> findings, <kbd>V</kbd> versions, <kbd>H</kbd> history; fold <kbd>Q</kbd> queue, <kbd>P</kbd> prompt, <kbd>B</kbd> reports, <kbd>E</kbd> evidence", then: (name) => { if (!reviewing()) return; if (tabs[name]) { root.classList.remove("fold-below"); updp.below(tabs[name]); folded(); } else if (folds[name]) updp.fold(folds[name]); } },
  };
  let begun = "";
  const begin = (name) => {
    begun = name; by("keys-begun")?.remove();
    if (!name) return;
    const shown = Object.assign(document.createElement("div"), { id: "keys-begun", innerHTML: `${chains[name].says} · <kbd>Esc</kbd>` });
    shown.setAttribute("role", "status"); document.body.append(shown);
  };
  addEventListener("pointerdown", () => begun && begin(""), true);
  updp.reading = () => { root.classList.toggle("reading"); root.classList.remove("with-below"); };
  updp.below = (name) => { // the same key again folds the panel in reading mode
    const t = tab("#below", name), open = t?.getAttribute("aria-selected") === "true" && root.classList.contains("with-below");
    root.classList.toggle("with-below", !open); t?.click();
  };
  const reviewing = () => by("desk")?.offsetParent !== null && !!by("desk");
  const typing = (t) => t?.closest?.("textarea, select, [contenteditable=true], input:not([type=checkbox]):not([type=radio]):not([type=range]), [role=listbox]:not(.q)");
  const named = (e) => (e.shiftKey && /^(Arrow|F$)/.test(e.key) ? "shift+" : "") + e.key.toLowerCase();

  addEventListener("keydown", (e) => {
    if (e.key === "Escape") { if (begun) return begin(""); if (root.classList.contains("with-queue")) updp.queue(); else if (!updp.close()) { if (typing(document.activeElement)) document.activeElement.blur(); else if (updp.viewer?.back()) hide(); else if (root.classList.contains("reading")) updp.reading(); else document.activeElement?.blur?.(); } return; }
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (typing(e.target)) return;
    if (begun && !["Shift", "CapsLock"].includes(e.key)) { const chain = chains[begun]; e.preventDefault(); begin(""); return e.repeat ? undefined : chain.then(named(e)); }
    const sheet = document.querySelector(SHEET), name = named(e);
    const card = e.target.closest?.("#contact .card"), beside = { ArrowRight: "next", ArrowLeft: "previous" }[e.key];
    if (card && beside) { e.preventDefault(); return card[`${beside}ElementSibling`]?.focus(); }
    if (sheet) { sheet.querySelector(`[data-digit="${CSS.escape(e.key)}"]`)?.click(); return; }
    if (e.key === "?") { e.preventDefault(); return updp.open("help-box"); }
    if (name === "t" && !reviewing()) return updp.theme();
    if (chains[name] && !e.repeat) { e.preventDefault(); return begin(name); }
    if (name === "t") return updp.theme();
    if (!reviewing()) return;
    const onButton = e.target.closest?.("button, summary, input, [role=radio]");
    if (onButton && !onButton.matches(".v-hold") && (e.key === " " || e.key === "Enter")) return;
    if (e.target.closest?.(".v-handle, .seg, [type=range]") && e.key.startsWith("Arrow") && !e.shiftKey) return;
    if (e.key === "Enter" && updp.looking && updp.viewer?.use()) return e.preventDefault();
    if (e.repeat && "aurgwf".includes(name)) return; // a verdict is one press
    if (word(name, e.target) || token(name, e.target)) return e.preventDefault();
    if (review[name]) { e.preventDefault(); return review[name](); }
    if (updp.viewer?.key(name === "shift+" ? name : name)) e.preventDefault();
  });
  addEventListener("keyup", (e) => { if (e.key === " ") updp.viewer?.key(" ", false); });
  addEventListener("blur", () => updp.viewer?.key(" ", false));
  // Tab stays inside an open sheet.
  addEventListener("keydown", (e) => {
    const sheet = e.key === "Tab" && document.querySelector(SHEET); if (!sheet) return;
    const all = [...sheet.querySelectorAll("button, input, textarea, select, [tabindex='0']")].filter((x) => x.offsetParent), edge = e.shiftKey ? all[0] : all.at(-1);
    if (document.activeElement === edge || !sheet.contains(document.activeElement)) { e.preventDefault(); (e.shiftKey ? all.at(-1) : all[0])?.focus(); }
  });

  // --- a desk that is left alone: the page's own clock keeps the sign-in busy, so the reader's absence ends it here ---
  const IDLE = 30 * 60 * 1000;
  let touched = Date.now();
  for (const kind of ["pointermove", "pointerdown", "keydown", "wheel"]) addEventListener(kind, () => { touched = Date.now(); }, { capture: true, passive: true });
  setInterval(() => { if (Date.now() - touched > IDLE && by("signout")?.offsetParent) updp.leave(); }, 15000);

  // --- signing out, and a sign-in that has ended elsewhere: nothing stays on the screen ---
  updp.leave = async () => {
    const { to, said } = await fetch("logout", { method: "POST" }).then((r) => r.json()).catch(() => ({ to: "./", said: "" }));
    if (to) location.replace(to); else alert(said);
  };
  const ask = window.fetch;
  window.fetch = async (...asked) => {
    const answer = await ask(...asked);
    if (answer.status === 401 && by("signout")?.offsetParent) location.reload();
    return answer;
  };
  addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
})();
