"use strict";

// The figures of a gateway, asked for every few seconds. Texts only ever become text nodes.
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const KEYS = document.documentElement.dataset.keys === "true";
const STORED = "londi-key";
const PAUSE = 2000, READING = 1000, LOST = 5000, PATIENCE = 15000; // milliseconds
const MINUTES = 60;

// ---- small helpers ------------------------------------------------------------------------

function put(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
const make = (name, attributes = {}, ...children) => put(document.createElement(name), attributes, children);
const draw = (name, attributes = {}, ...children) => put(document.createElementNS(SVG, name), attributes, children);

let currency = "USD";
const minus = (text) => text.replace("-", "−");
const whole = (n) => minus(Math.round(n).toLocaleString("en-US"));
const figure = (x, digits = 3) => minus(Number(x.toPrecision(digits)).toLocaleString("en-US", { maximumSignificantDigits: digits }));
const percent = (x, digits = 1) => minus(`${(100 * x).toFixed(digits)}%`);
const signed = (x) => (x > 0 ? "+" : "") + figure(x);
const known = (x, form) => (x === null ? "–" : form(x));
const plural = (n, noun) => `${whole(n)} ${noun}${n === 1 ? "" : "s"}`;
const clock = (seconds, look = {}) => new Date(1000 * seconds).toLocaleTimeString("en-GB", look);
const minuteOf = (minute) => clock(60 * minute, { hour: "2-digit", minute: "2-digit" });
const sum = (rows, name) => rows.reduce((all, row) => all + row[name], 0);

function money(x) {
  const digits = Math.abs(x) >= 100 || x === 0 ? { maximumFractionDigits: 2 } : { maximumSignificantDigits: 3, minimumFractionDigits: 0 };
  return minus(x.toLocaleString("en-US", { style: "currency", currency, ...digits }));
}

function spread(range, form) {
  if (range.estimate === null) return "nothing is known yet";
  return range.low === null ? `${form(range.estimate)} (no interval yet)`
    : `${form(range.estimate)} (${form(range.low)} to ${form(range.high)})`;
}

// A part of the page is drawn anew where what it shows has changed, so that a selection stays.
const shown = new Map();
function changed(name, ...told) {
  const text = JSON.stringify(told);
  if (shown.get(name) === text) return false;
  shown.set(name, text);
  return true;
}

function table(heads, rows, kind = "cards") {
  const top = make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)));
  const lines = rows.map((cells) => make("tr", {}, ...cells.map((one, k) => cell(heads[k], one, k === 0))));
  return make("table", { class: kind }, make("thead", {}, top), make("tbody", {}, ...lines));
}

function cell(label, content, wide = false, look = "") {
  return make("td", { "data-label": label, class: `${wide ? "wide" : ""} ${look}`.trim() }, content);
}

// ---- the last hour ------------------------------------------------------------------------

function roleOf(model, serving) {
  return model === serving.deepthink ? "deepthink" : model === serving.quick ? "quick" : "other";
}

function byMinute(hour, now) {
  const first = Math.floor(now / 60) - MINUTES + 1;
  const minutes = Array.from({ length: MINUTES }, (_, k) => ({ minute: first + k, rows: [] }));
  for (const row of hour) minutes[row.minute - first]?.rows.push(row);
  return minutes;
}

function frame(place, height, label) {
  const width = Math.max(280, place.clientWidth);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const left = 38, right = 4, top = 12, bottom = 22;
  const x = (k) => left + ((width - left - right) * k) / MINUTES;
  const y = (share) => height - bottom - (height - bottom - top) * share;
  return { svg, x, y, left, end: width - right, base: height - bottom };
}

function axes({ svg, x, y, left, end, base }, marks, minutes) {
  for (const [share, text] of marks) {
    svg.append(draw("line", { class: "grid", x1: left, x2: end, y1: y(share), y2: y(share) }),
      draw("text", { x: left - 6, y: y(share) + 4, "text-anchor": "end" }, text));
  }
  for (let k = 0; k < MINUTES; k += 15) svg.append(draw("text", { x: x(k), y: base + 16 }, minuteOf(minutes[k].minute)));
}

function nice(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return [1, 2, 4, 5, 10].map((step) => step * power).find((step) => step >= most);
}

function drawRequests(place, minutes, serving) {
  const counts = minutes.map(({ rows }) => sum(rows, "steps"));
  const most = Math.max(2, nice(Math.max(...counts)));
  const f = frame(place, 190, `Requests in each of the last 60 minutes, at most ${whole(Math.max(...counts))}`);
  axes(f, [[0, "0"], [0.5, figure(most / 2)], [1, whole(most)]], minutes);
  minutes.forEach(({ minute, rows }, k) => {
    let below = 0;
    const group = draw("g", {}, draw("title", {}, [`${minuteOf(minute)}: ${plural(counts[k], "request")}`,
      ...rows.map((row) => `${row.model || "no model"} ${whole(row.steps)}`),
      `${plural(sum(rows, "errors"), "error")}`].join(", ")));
    for (const role of ["quick", "deepthink", "other"]) {
      const steps = sum(rows.filter((row) => roleOf(row.model, serving) === role), "steps");
      if (!steps) continue;
      const from = f.y(below / most), to = f.y((below + steps) / most);
      group.append(draw("rect", { class: `bar-${role}`, x: f.x(k) + 0.5, width: Math.max(1, f.x(1) - f.x(0) - 1), y: to, height: from - to }));
      below += steps;
    }
    if (sum(rows, "errors")) group.append(draw("circle", { class: "error", cx: (f.x(k) + f.x(k + 1)) / 2, cy: f.y(below / most) - 5, r: 2.5 }));
    f.svg.append(group);
  });
  place.replaceChildren(f.svg);
}

function drawRates(place, minutes) {
  const f = frame(place, 130, "Call rate in each of the last 60 minutes");
  axes(f, [[0, "0%"], [0.5, "50%"], [1, "100%"]], minutes);
  let path = "", goes = false;
  const dots = [];
  minutes.forEach(({ minute, rows }, k) => {
    const steps = sum(rows, "steps");
    if (!steps) return void (goes = false);
    const rate = sum(rows, "calls") / steps, at = [(f.x(k) + f.x(k + 1)) / 2, f.y(rate)];
    path += `${goes ? "L" : "M"}${at}`;
    goes = true;
    dots.push(draw("circle", { class: "rate-dot", cx: at[0], cy: at[1], r: 2.5 },
      draw("title", {}, `${minuteOf(minute)}: ${percent(rate)} of ${plural(steps, "request")}`)));
  });
  if (path) f.svg.append(draw("path", { class: "rate", d: path }));
  f.svg.append(...dots);
  place.replaceChildren(f.svg);
}

function showTraffic({ traces, serving, time }) {
  const { hour, day } = traces, minutes = byMinute(hour, time), steps = sum(hour, "steps");
  const width = $("requests").clientWidth;
  if (changed("traffic", hour, serving, minutes[0].minute, width)) {
    const parts = ["quick", "deepthink", "other"].map((role) => {
      const rows = hour.filter((row) => roleOf(row.model, serving) === role);
      const name = { quick: `QUICK (${serving.quick})`, deepthink: `DEEPTHINK (${serving.deepthink})`, other: "other models" }[role];
      if (role === "other" && !rows.length) return "";
      const share = steps ? `: ${percent(sum(rows, "steps") / steps)}` : "";
      return make("span", {}, make("span", { class: `swatch ${role}` }), make("bdi", {}, name), share);
    });
    $("shares").replaceChildren(...parts, make("span", {}, make("span", { class: "swatch error" }), "a minute with errors"));
    drawRequests($("requests"), minutes, serving);
    drawRates($("rates"), minutes);
  }
  if (changed("today", day)) {
    const rows = ["quick", "deepthink", "other"].flatMap((role) => day.filter((row) => roleOf(row.model, serving) === role)).map((row) => [make("bdi", { class: `who ${roleOf(row.model, serving)}` }, row.model || "no model"),
      whole(row.steps), whole(row.errors), whole(row.fallbacks), whole(row.tokens),
      row.money || !row.unpriced ? money(row.money) + (row.unpriced ? ` (${plural(row.unpriced, "answer")} without a price)` : "") : "no prices"]);
    $("today").replaceChildren(rows.length ? table(["model", "requests", "errors", "in place of the other", "tokens", "money"], rows)
      : make("p", { class: "note" }, "No request yet."));
  }
}

function showHeadline({ traces, process, serving }) {
  const lines = [];
  const add = (name, value, more = "") => lines.push(make("div", {}, make("dt", {}, name, more && make("small", {}, more)), make("dd", {}, value)));
  if (traces) {
    const { hour, day, saved } = traces, steps = sum(hour, "steps"), errors = sum(hour, "errors"), fallbacks = sum(hour, "fallbacks");
    add("requests in the last hour", whole(steps), `${whole(sum(day, "steps"))} today`);
    add("call rate in the last hour", steps ? percent(sum(hour, "calls") / steps) : "–", "answered by DEEPTHINK");
    add("errors in the last hour", whole(errors), plural(fallbacks, "fallback"));
    const priced = sum(day, "money") > 0;
    add("spent today", priced ? money(sum(day, "money")) : whole(sum(day, "tokens")), priced ? plural(sum(day, "tokens"), "token") : "tokens; no prices are known");
    const mine = saved.find((one) => one.arm === "treated" && one.policy === serving.policy);
    if (mine) add("calls saved", known(mine.calls.estimate, percent),
      mine.calls.low === null ? "no interval yet" : `${percent(mine.calls.low)} to ${percent(mine.calls.high)}`);
  } else {
    const answers = sum(process.answers, "count");
    add("answers since it began", whole(answers));
    add("failures since it began", whole(sum(process.failures, "count")));
  }
  $("headline").replaceChildren(...lines);
}

// ---- budgets ------------------------------------------------------------------------------

function showBudgets({ budgets, traces }) {
  if (!changed("budgets", budgets)) return;
  const meters = [];
  for (const one of budgets) {
    if (one.of === "session" && !one.calls) continue; // it has taken nothing
    const name = { day: `today (${one.name}, UTC)`, client: one.name ? `client ${one.name}` : "all clients", session: `session ${one.name}` }[one.of];
    for (const [unit, form] of [["calls", (n) => whole(n)], ["tokens", (n) => whole(n)], ["money", money]]) {
      const most = one[`most_${unit}`], taken = one[unit];
      if (most === null) continue;
      const told = unit === "money" ? `${form(taken)} of ${form(most)}` : `${form(taken)} of ${form(most)} ${unit}`;
      const bar = make("meter", { min: 0, max: most || 1, low: 0.75 * (most || 1), high: 0.95 * (most || 1), optimum: 0,
        value: most ? taken : 1, "aria-label": `${name}: ${told}` });
      meters.push(make("li", {}, make("div", { class: "what" }, make("bdi", {}, name), make("span", {}, told)), bar));
    }
  }
  const none = make("p", { class: "note" }, "No budget has been used, or none is set: ", make("code", {}, "day_budget: {calls: 500}"), " in the settings bounds a day, ",
    make("code", {}, "budget"), " a session, ", make("code", {}, "client_budget"), " a client.");
  $("spent").replaceChildren(meters.length ? make("ul", { class: "meters" }, ...meters) : none);
}

// ---- the saving, and the estimate ---------------------------------------------------------

function bar(range, reach) {
  const at = (x) => 100 * (0.5 + Math.max(-1, Math.min(1, x / reach)) / 2);
  const svg = draw("svg", { class: "interval", viewBox: "0 0 100 14", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("line", { class: "axis", x1: 0, x2: 100, y1: 7, y2: 7 }), draw("line", { class: "zero", x1: 50, x2: 50, y1: 0, y2: 14 }));
  if (range.low !== null) svg.append(draw("line", { class: "range", x1: at(range.low), x2: at(range.high), y1: 7, y2: 7 }));
  if (range.estimate !== null) svg.append(draw("ellipse", { class: "dot", cx: at(range.estimate), cy: 7, rx: 1.5, ry: 4, fill: "var(--londi)" }));
  return svg;
}

function showSaving({ traces, serving }) {
  const { saved, arms, least, paper } = traces;
  if (!changed("saving", saved, arms)) return;
  const parts = [], now = (one) => one.policy === serving.policy;
  for (const one of [...saved.filter(now), ...saved.filter((one) => !now(one)).reverse()]) {
    parts.push(make("h3", {}, make("bdi", {}, `${one.arm}, ${one.policy}`), ` (${plural(one.sessions, "session")}) against the control group (${plural(one.control, "session")})`));
    const rows = [["calls saved", one.calls, percent, 1], ["money saved", one.money, percent, 1], ["difference in reward", one.reward, signed, null]];
    parts.push(table(["", "estimate and interval", ""], rows.map(([name, range, form, reach]) => [name, spread(range, form),
      reach === null && range.low === null ? "" : bar(range, reach ?? Math.max(1e-9, ...[range.estimate, range.low, range.high].map((x) => Math.abs(x ?? 0))))])));
    if (one.rated.low !== null && (one.rated.low > 0 || one.rated.high < 0)) {
      parts.push(make("p", { class: "note" }, `The shares of sessions with feedback differ by ${percent(one.rated.estimate)}, so that the rewards are not those of like sessions.`));
    }
  }
  parts.push(saved.length
    ? make("p", { class: "note" }, `95% confidence sequences, which hold whenever one looks, and however often (${paper}). There is none before ${least} sessions of each arm.`)
    : make("p", { class: "note" }, "There is no control group, and so nothing says what would have happened without the Switcher. With ",
      make("code", {}, "rollout: {control: 0.1}"), " in the settings a tenth of the sessions stays on DEEPTHINK."));
  $("saving").replaceChildren(...parts);
  const rows = arms.map((arm) => [make("bdi", {}, `${arm.arm}, ${arm.policy}`), whole(arm.sessions), percent(arm.rated / arm.sessions), known(arm.reward, figure),
    known(arm.calls, figure), arm.money ? money(arm.money) : "–"]);
  $("arms").replaceChildren(...(rows.length ? [make("h3", {}, "Sessions by arm"),
    table(["arm", "sessions", "with feedback", "mean reward", "calls a session", "money a session"], rows)] : []));
}

function showEstimate({ traces: { estimated } }) {
  $("estimate-part").hidden = estimated === null;
  if (estimated === null || !changed("estimate", estimated)) return;
  const { switcher, policy, method, problem, outcomes } = estimated;
  const parts = [];
  if (switcher) parts.push(make("p", {}, "londi ope estimated ", make("bdi", {}, switcher), ` (${method}) from logs alone. Beside it stand the sessions with feedback that the Switcher `,
    make("bdi", {}, policy), " has decided here."));
  if (problem) parts.push(make("p", { class: "note" }, `No estimate: ${problem}`));
  const form = (name) => (name === "money" ? money : figure);
  const rows = outcomes.map(({ name, estimated: told, came, sessions }) => {
    const both = told.low !== null && came.low !== null;
    const meet = !both ? "–" : told.low <= came.high && came.low <= told.high ? "the intervals meet" : "the intervals lie apart";
    return [`${name} of a session`, spread(told, form(name)), sessions ? spread(came, form(name)) : "no session yet", whole(sessions), meet];
  });
  if (rows.length) parts.push(table(["", "estimated", "came", "sessions", "together"], rows));
  $("estimate").replaceChildren(...parts);
}

// ---- decisions ----------------------------------------------------------------------------

const HEADS = ["time", "session", "step", "model", "reason", "probability", "propensity", "tokens", "seconds"];
$("decisions").tHead.append(make("tr", {}, ...HEADS.map((head) => make("th", { scope: "col" }, head))));
let latest = null;

function decision(one, fresh) {
  const arm = one.arm && one.arm !== "treated" && one.arm !== one.reason ? ` (${one.arm})` : "";
  const bad = one.status === null || one.status >= 400;
  const reason = bad ? `${one.reason ?? "–"}${arm}, ${one.status ? `status ${one.status}` : "no answer"}` : `${one.reason ?? "–"}${arm}`;
  const tokens = one.prompt_tokens === null ? "–" : `${whole(one.prompt_tokens)} + ${known(one.output_tokens, whole)}`;
  const contents = [known(one.time, (t) => clock(t)), make("bdi", {}, one.session), String(one.step),
    make("bdi", { class: `who ${one.deepthink ? "deepthink" : "quick"}` }, one.model ?? "none"), reason,
    known(one.probability, (p) => p.toFixed(3)), known(one.propensity, (p) => p.toFixed(3)), tokens, known(one.seconds, (s) => s.toFixed(2))];
  return make("tr", { "data-place": one.place, class: fresh ? "new" : "" },
    ...contents.map((content, k) => cell(HEADS[k], content, k === 1, bad && k === 4 ? "bad" : "")));
}

function showDecisions({ traces: { decisions } }) {
  const body = $("decisions").tBodies[0], places = new Set(decisions.map((one) => String(one.place)));
  $("none").hidden = decisions.length > 0;
  $("decisions").hidden = !decisions.length;
  const fresh = decisions.filter((one) => latest === null || one.place > latest);
  body.prepend(...fresh.map((one) => decision(one, latest !== null)));
  for (const row of [...body.rows]) if (!places.has(row.dataset.place)) row.remove();
  latest = decisions.length ? decisions[0].place : latest ?? 0;
}

// ---- this process -------------------------------------------------------------------------

function showProcess({ process }) {
  if (!changed("process", process)) return;
  $("since").textContent = `It began on ${new Date(1000 * process.since).toLocaleString("en-GB")}. Other processes have counts of their own.`
    + (process.dropped ? ` ${plural(process.dropped, "row")} of traces are lost, for want of room.` : "");
  const rows = [...process.answers.map((one) => [make("bdi", {}, one.model), one.reason, one.status, whole(one.count)]),
    ...process.failures.map((one) => ["no answer", one.kind, "–", whole(one.count)])];
  $("answers").replaceChildren(rows.length ? table(["model", "reason", "status", "answers"], rows) : make("p", { class: "note" }, "It has answered nothing yet."));
}

// ---- the page -----------------------------------------------------------------------------

let told = null;

function show() {
  const { serving, traces, problem } = told;
  currency = serving.currency;
  $("all").hidden = false;
  $("lead").replaceChildren("QUICK ", make("bdi", {}, serving.quick), ", DEEPTHINK ", make("bdi", {}, serving.deepthink), ", Switcher ", make("bdi", {}, serving.policy));
  $("off").hidden = !serving.off;
  $("off").textContent = serving.off;
  $("problem").hidden = !problem;
  $("problem").textContent = problem;
  $("missing").hidden = traces !== null || Boolean(problem);
  for (const id of ["traffic", "saving-part", "decisions-part"]) $(id).hidden = traces === null;
  $("reading").hidden = !traces?.unread;
  if (traces?.unread) $("reading").textContent = `Older rows are still being counted, ${whole(traces.unread)} are left: figures of today and of the sessions are not whole yet.`;
  showHeadline(told);
  showBudgets(told);
  showProcess(told);
  if (traces === null) return void ($("estimate-part").hidden = true);
  showTraffic(told);
  showSaving(told);
  showEstimate(told);
  showDecisions(told);
}

let key = "", timer = 0, run = 0;

function state(text, lost = false) {
  $("state").textContent = text;
  $("state").classList.toggle("lost", lost);
}

function askForKey(wrong = "") {
  sessionStorage.removeItem(STORED);
  key = "";
  told = null;
  shown.clear();
  latest = null;
  $("decisions").tBodies[0].replaceChildren();
  $("lead").replaceChildren();
  $("all").hidden = true;
  $("ask").hidden = false;
  $("wrong").textContent = wrong;
  state("A key is needed.");
  $("key").value = "";
  $("key").focus();
}

async function look() {
  clearTimeout(timer);
  const mine = ++run;
  let wait = PAUSE;
  try {
    const headers = key ? { authorization: `Bearer ${key}` } : {};
    const answer = await fetch("/live.json", { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    const found = await answer.json();
    if (mine !== run) return;
    if (answer.status === 401) return askForKey("The gateway does not know this key.");
    if (!answer.ok) throw new Error(found.error?.message ?? `status ${answer.status}`);
    told = found;
    $("ask").hidden = true;
    if (key) sessionStorage.setItem(STORED, key);
    show();
    state(`As of ${clock(told.time)}, by itself every ${PAUSE / 1000} seconds.`);
    if (told.traces?.unread) wait = READING;
  } catch (error) {
    if (mine !== run) return;
    wait = LOST;
    const since = told ? ` These are the figures of ${clock(told.time)}.` : "";
    state(`No figures came: ${error instanceof TypeError ? "the gateway cannot be reached" : error.message}.${since}`, true);
  }
  if (!document.hidden) timer = setTimeout(look, wait);
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  $("wrong").textContent = "";
  if (/[^\x20-\xff]/.test(key)) return askForKey("A key has no such characters.");
  look();
});
document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else if (!KEYS || key) look(); });
addEventListener("resize", () => { if (told) show(); });

key = KEYS ? sessionStorage.getItem(STORED) ?? "" : "";
if (KEYS && !key) askForKey(); else look();
