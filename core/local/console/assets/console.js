// The console's page. Everything that an RR carries is written by others: it becomes text nodes, never markup.
const SILENT_AFTER = 30_000; // ms; the server says something every ten seconds
const EXTRA = 8; // rows drawn above and below what is seen

const $ = (id) => document.getElementById(id);
const rows = new Map(); // uid → RR
const state = { shown: [], at: "", phases: new Set(), text: "", open: "", timeline: null, heard: 0, dirty: true, why: "", seen: new Set() };

function element(tag, text = "", classes = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (classes) made.className = classes;
  return made;
}

// --- what comes from the server

let source;
function connect() {
  source = new EventSource("events");
  source.addEventListener("snapshot", (event) => {
    const data = hear(event);
    const first = rows.size === 0 && state.seen.size === 0;
    rows.clear();
    for (const row of data.rows) {
      rows.set(row.uid, row);
      if (first) state.seen.add(row.uid);
    }
    const { context, server, namespace } = data.place;
    $("place").textContent = `${context || server}, ${namespace}`;
    $("place").title = server;
    applied(data);
  });
  source.addEventListener("change", (event) => {
    const data = hear(event);
    for (const row of data.rows) rows.set(row.uid, row);
    for (const uid of data.gone) rows.delete(uid);
    applied(data);
    if (state.open && data.rows.some((row) => row.uid === state.open)) fill(state.open);
  });
  source.addEventListener("beat", hear);
  source.onerror = () => {
    tell("the console does not answer; is its command still running?");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000); // else the browser tries again itself
  };
}

function hear(event) {
  state.heard = Date.now();
  if (event.type === "beat") tell(state.why);
  return JSON.parse(event.data);
}

function applied(data) {
  state.timeline = data.timeline;
  state.why = data.stale;
  tell(data.stale);
  state.dirty = true;
  draw();
}

function tell(why) {
  const text = why ? `Out of date: ${why}. Trying again.` : "";
  if ($("stale").textContent !== text) $("stale").textContent = text;
  $("stale").hidden = !why;
  $("state").className = why ? "lost" : "live";
  const word = why ? "out of date" : "live";
  if ($("state").textContent !== word) $("state").textContent = word;
}

setInterval(() => {
  if (state.heard && Date.now() - state.heard > SILENT_AFTER) {
    tell("nothing was heard for half a minute");
    source.close();
    state.heard = Date.now();
    connect();
  }
  draw(); // ages
}, 5000);

// --- what is seen

let asked = false;
function draw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    if (state.dirty) {
      state.dirty = false;
      choose();
      sums();
      phases();
      timeline();
    }
    list();
  });
}

function choose() {
  const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  state.shown = [...rows.values()]
    .filter((row) => !state.phases.size || state.phases.has(row.phase))
    .filter((row) => {
      if (!words.length) return true;
      const text = `${row.name} ${row.target} ${row.owner} ${row.alert} ${row.severity} ${row.phase} ${row.fingerprint}`.toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort((one, other) => (one.last < other.last ? 1 : one.last > other.last ? -1 : one.name < other.name ? -1 : 1));
}

function sums() {
  if (!state.timeline) return;
  let alerts = 0, active = 0;
  for (const row of rows.values()) {
    alerts += row.count;
    active += row.active ? 1 : 0;
  }
  $("alerts").textContent = alerts.toLocaleString("en");
  $("rrs").textContent = rows.size.toLocaleString("en");
  const most = Math.max(0, ...[...rows.values()].map((row) => row.count));
  $("per").textContent = rows.size
    ? `${(alerts / rows.size).toFixed(1)} alerts per RR, ${most.toLocaleString("en")} at most; ${active.toLocaleString("en")} active`
    : "no RR yet";
  document.title = `${rows.size} RRs, ${active} active – Sluice console`;
}

function phases() {
  const counts = new Map();
  for (const row of rows.values()) counts.set(row.phase, (counts.get(row.phase) ?? 0) + 1);
  for (const phase of state.phases) if (!counts.has(phase)) counts.set(phase, 0);
  const box = $("phases");
  const known = new Map([...box.children].map((button) => [button.dataset.phase, button]));
  for (const [phase, number] of [...counts].sort()) {
    const button = known.get(phase) ?? element("button");
    known.delete(phase);
    button.type = "button";
    button.dataset.phase = phase;
    button.textContent = `${phase} ${number.toLocaleString("en")}`;
    button.setAttribute("aria-pressed", String(state.phases.has(phase)));
    box.append(button);
  }
  for (const gone of known.values()) gone.remove();
}

const SVG = "http://www.w3.org/2000/svg";
function timeline() {
  if (!state.timeline) return; // nothing was heard yet
  const { step, steps } = state.timeline;
  const now = Math.floor(Date.now() / 1000 / step) * step;
  const number = 90, first = now - (number - 1) * step;
  const seen = steps.filter(([start]) => start >= first);
  const most = Math.max(1, ...seen.map(([, alerts]) => alerts));
  const svg = $("timeline");
  svg.setAttribute("viewBox", `0 0 ${number * 4} 64`);
  const bars = [];
  for (const [start, alerts, opened] of seen) {
    for (const [kind, value] of [["a", alerts], ["r", opened]]) {
      if (!value) continue;
      const height = Math.max(1, (value / most) * 62);
      const bar = document.createElementNS(SVG, "rect");
      bar.setAttribute("class", kind);
      bar.setAttribute("x", String(((start - first) / step) * 4));
      bar.setAttribute("y", String(64 - height));
      bar.setAttribute("width", "3.4");
      bar.setAttribute("height", String(height));
      bars.push(bar);
    }
  }
  svg.replaceChildren(...bars);
  const alerts = seen.reduce((sum, each) => sum + each[1], 0), opened = seen.reduce((sum, each) => sum + each[2], 0);
  const text = `in the last 15 minutes: ${alerts.toLocaleString("en")} alerts, ${opened.toLocaleString("en")} RRs opened`;
  $("span").textContent = `· ${text}`;
  svg.setAttribute("aria-label", text);
}

function age(moment) {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(moment)) / 1000));
  if (Number.isNaN(seconds)) return "?";
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60]]) if (seconds >= 2 * size) return `${Math.floor(seconds / size)}${unit} ago`;
  return `${seconds}s ago`;
}

function height() {
  return parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) + 0;
}

// Only what is seen is in the page: some thousand RRs would cost a second for each change.
function list() {
  const box = $("list"), row = height(), total = state.shown.length;
  const from = Math.max(0, Math.floor(box.scrollTop / row) - EXTRA);
  const to = Math.min(total, Math.ceil((box.scrollTop + box.clientHeight) / row) + EXTRA);
  const drawn = state.shown.slice(from, to).map(line);
  $("rows").replaceChildren(pad(from * row), ...drawn, pad((total - to) * row));
  $("rows").parentElement.setAttribute("aria-rowcount", String(total));
  $("empty").hidden = total > 0;
  $("empty").textContent = rows.size ? "No RR matches." : "No RR yet. Send an alert: it appears here at once.";
}

function pad(pixels) {
  const made = element("tr", "", "pad");
  made.setAttribute("aria-hidden", "true");
  const cell = element("td");
  cell.colSpan = 8;
  cell.style.height = made.style.height = `${Math.max(0, pixels)}px`;
  made.append(cell);
  return made;
}

function line(row) {
  const made = element("tr", "", `${row.active ? "" : "ended"} ${row.uid === state.at ? "at" : ""} ${state.seen.has(row.uid) ? "" : "new"}`);
  made.dataset.uid = row.uid;
  if (row.uid === state.at) made.setAttribute("aria-current", "true");
  const target = element("td", row.target);
  target.title = row.owner ? `${row.target}, of ${row.owner}` : row.target;
  const phase = element("td");
  phase.append(element("span", row.phase, `phase ${/^[A-Za-z]+$/.test(row.phase) ? row.phase : ""}`));
  made.append(phase, target, element("td", row.alert), element("td", row.severity), element("td", row.count.toLocaleString("en"), "number"),
    element("td", age(row.first)), element("td", age(row.last)), element("td", row.name));
  return made;
}

// --- one RR

let called = 0;
async function open(uid) {
  const row = rows.get(uid);
  if (!row) return;
  state.open = state.at = uid;
  state.seen.add(uid);
  $("drawer").hidden = false;
  $("drawer-title").textContent = row.target;
  $("drawer-body").replaceChildren(element("p", "reading …"));
  $("drawer-title").focus();
  draw();
  await fill(uid);
}

async function fill(uid) {
  const row = rows.get(uid);
  if (!row) return;
  const call = ++called;
  let one;
  try {
    const answer = await fetch(`remediationrequests/${encodeURIComponent(row.namespace)}/${encodeURIComponent(row.name)}`);
    one = await answer.json();
  } catch {
    one = { error: "the console does not answer" };
  }
  if (call !== called || state.open !== uid) return; // another was asked for meanwhile
  const parts = [];
  if (one.error) parts.push(element("p", one.error));
  else {
    parts.push(section("Holds", element("p", one.holds)));
    parts.push(section("Problem", pairs({ Target: row.target, Owner: row.owner, Alert: row.alert, Severity: row.severity, Phase: row.phase,
      Alerts: row.count === 1 ? "1, which opened it" : `${row.count}: 1 opened it, ${row.count - 1} joined`, First: `${row.first} (${age(row.first)})`, Last: `${row.last} (${age(row.last)})`, RR: `${row.namespace}/${row.name}` })));
    parts.push(section("History of this workload", history(row)));
    if (one.conditions.length) {
      const told = Object.fromEntries(one.conditions.map((each) => [`${each.type} = ${each.status}`, [each.reason, each.message, each.lastTransitionTime].filter(Boolean).join("\n")]));
      parts.push(section("Conditions", pairs(told)));
    }
    for (const [title, values] of [["Labels", one.labels], ["Annotations", one.annotations], ["Status", one.status], ["Spec", one.spec], ["Gateway's annotations", one.own]])
      if (Object.keys(values).length) parts.push(section(title, pairs(values)));
    const payload = element("pre", one.payload || "none is stored");
    payload.tabIndex = 0;
    parts.push(section("Payload of the first alert", payload));
  }
  $("drawer-body").replaceChildren(...parts);
}

function section(title, content) {
  const made = element("section");
  made.append(element("h3", title), content);
  return made;
}

function pairs(values) {
  const made = element("dl");
  for (const [name, value] of Object.entries(values)) if (value) made.append(element("dt", name), element("dd", value));
  return made;
}

function history(row) {
  const made = element("ol");
  const all = [...rows.values()].filter((each) => each.fingerprint === row.fingerprint);
  for (const each of all.sort((one, other) => (one.created < other.created ? 1 : -1))) {
    const item = element("li"), button = element("button", `${age(each.created)} · ${each.phase} · ${each.count} ${each.count === 1 ? "alert" : "alerts"} · ${each.name}${each.uid === row.uid ? " (this one)" : ""}`);
    button.type = "button";
    button.dataset.uid = each.uid;
    item.append(button);
    made.append(item);
  }
  return made;
}

function close() {
  state.open = "";
  $("drawer").hidden = true;
  $("list").focus();
}

// --- hands

function move(by) {
  const now = state.shown.findIndex((row) => row.uid === state.at);
  const next = Math.min(state.shown.length - 1, Math.max(0, now + by));
  if (next < 0 || !state.shown.length) return;
  state.at = state.shown[next].uid;
  const box = $("list"), row = height(), top = next * row;
  if (top < box.scrollTop) box.scrollTop = top;
  if (top + 2 * row > box.scrollTop + box.clientHeight) box.scrollTop = top + 2 * row - box.clientHeight;
  if (state.open) open(state.at);
  draw();
}

function theme(wanted) {
  document.documentElement.dataset.theme = wanted;
  try { localStorage.setItem("theme", wanted); } catch { /* private windows have none */ }
}
const dark = () => document.documentElement.dataset.theme === "dark";
const flip = () => theme(dark() ? "light" : "dark");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const typing = document.activeElement === $("search");
  if (event.key === "Escape") {
    if (state.open) close();
    else { $("search").value = state.text = ""; state.dirty = true; $("list").focus(); draw(); }
  } else if (typing) {
    if (event.key === "Enter" || event.key === "ArrowDown") { $("list").focus(); if (!state.at || !state.shown.some((row) => row.uid === state.at)) state.at = state.shown[0]?.uid ?? ""; draw(); event.preventDefault(); }
  } else if (event.key === "/") { $("search").focus(); event.preventDefault(); }
  else if (event.key === "j" || (event.key === "ArrowDown" && !state.open)) { move(1); event.preventDefault(); }
  else if (event.key === "k" || (event.key === "ArrowUp" && !state.open)) { move(-1); event.preventDefault(); }
  else if (event.key === "Enter" && event.target.tagName !== "BUTTON" && state.at) { open(state.at); event.preventDefault(); }
  else if (event.key === "d") flip();
  else if (event.key === "?") $("help").showModal();
});

$("search").addEventListener("input", () => { state.text = $("search").value; $("list").scrollTop = 0; state.dirty = true; draw(); });
$("list").addEventListener("scroll", draw, { passive: true });
addEventListener("resize", draw);
$("rows").addEventListener("click", (event) => { const uid = event.target.closest("tr")?.dataset.uid; if (uid) open(uid); });
$("phases").addEventListener("click", (event) => {
  const phase = event.target.closest("button")?.dataset.phase;
  if (!phase) return;
  if (!state.phases.delete(phase)) state.phases.add(phase);
  $("list").scrollTop = 0;
  state.dirty = true;
  draw();
});
$("drawer-body").addEventListener("click", (event) => { const uid = event.target.closest("button")?.dataset.uid; if (uid) open(uid); });
$("close").addEventListener("click", close);
$("theme").addEventListener("click", flip);
$("help-button").addEventListener("click", () => $("help").showModal());
$("help-close").addEventListener("click", () => $("help").close());

let kept = "";
try { kept = localStorage.getItem("theme") ?? ""; } catch { /* private windows have none */ }
theme(kept || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
connect();
draw();
