// The figures, the sliders and the episodes of the page; follows charts.js in one script.

// ---- figures ------------------------------------------------------------------------------

function drawHead() {
  const seeds = data.seeds.length === 1 ? "one training seed" : `${data.seeds.length} training seeds`;
  $("played").textContent = `${data.env}, ${data.episodes} held-out episodes, ${seeds}`;
  $("provenance").textContent = `${data.env}: the same ${data.episodes} held-out episodes for every method; training`
    + ` ${data.seeds.length === 1 ? "seed" : "seeds"} ${data.seeds.join(", ")}; 95% intervals by bootstrap over seeds and`
    + " episodes. The cost of a call is in units of return; calls saved are a share of those that DEEPTHINK alone"
    + " makes.";
  const [first] = data.curves;
  const items = [
    ["of DEEPTHINK’s calls saved, at DEEPTHINK’s return", first.saved, percent],
    ["of the gap between the models recovered, over all call rates (APGR)", first.apgr, (v) => fixed(v)],
  ];
  if (first.of_limit) items.push(["of what a clairvoyant recovers", first.of_limit, percent]);
  for (const [name, estimate, format] of items) {
    $("headline").append(make("div", {}, make("dt", {}, name),
      make("dd", {}, `${format(estimate.value)} `, make("small", {}, spread(estimate, format)))));
  }
}

function drawTable() {
  const estimate = (e, format) => (e ? [format(e.value), spread(e, format)] : ["–", ""]);
  const columns = [
    ["method", (c) => [c.label, ""], (c) => c.label],
    ["APGR", (c) => estimate(c.apgr, (v) => fixed(v, 3)), (c) => c.apgr.value],
    ["of the clairvoyant’s", (c) => estimate(c.of_limit, percent), (c) => c.of_limit?.value ?? -1],
    ["behind the first by", (c) => estimate(c.ahead, (v) => fixed(v, 3)), (c) => c.ahead?.value ?? -1],
    ["calls for 50%", (c) => [percent(c.cpt[0]), ""], (c) => c.cpt[0]],
    ["80%", (c) => [percent(c.cpt[1]), ""], (c) => c.cpt[1]],
    ["95% of the gap", (c) => [percent(c.cpt[2]), ""], (c) => c.cpt[2]],
    ["calls saved", (c) => estimate(c.saved, percent), (c) => c.saved.value],
  ].filter(([name]) => name !== "of the clairvoyant’s" || data.limit.length);
  const body = make("tbody");
  const heads = columns.map(([name, , key], k) => {
    const button = make("button", { type: "button" }, name);
    const head = make("th", { scope: "col" }, button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => (k ? key(a) - key(b) : key(a).localeCompare(key(b)));
      fill([...data.curves].sort((a, b) => (down ? order(b, a) : order(a, b))));
    });
    return head;
  });
  function fill(curves) {
    body.replaceChildren(...curves.map((curve) => make(
      "tr", { class: curve === data.curves[0] ? "first" : "" },
      ...columns.map(([, cell]) => {
        const [value, interval] = cell(curve);
        return make("td", {}, value, ...(interval ? [make("small", {}, interval)] : []));
      }),
    )));
  }
  fill(data.curves);
  $("methods").append(make("thead", {}, make("tr", {}, ...heads)), body);
}

// ---- operating point ----------------------------------------------------------------------

const costs = unique(data.surface.map((p) => p.result.cost)).sort((a, b) => a - b);
const budgets = unique(data.surface.map((p) => p.result.budget))
  .sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
const state = { cost: 0, budget: budgets.length - 1, episode: 0, step: 0 };

// What the sliders ask for; where there are none, how the Switcher is operated.
function terms() {
  return { cost: costs[state.cost] ?? data.cost, budget: budgets[state.budget] ?? NONE };
}

function readHash() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const nearest = (values, wanted) => values
    .reduce((best, value, k) => (Math.abs(value - wanted) < Math.abs(values[best] - wanted) ? k : best), 0);
  const cost = asked.has("cost") ? Number(asked.get("cost")) : data.cost;
  state.cost = nearest(costs, Number.isFinite(cost) ? cost : data.cost);
  const place = budgets.findIndex((n) => String(n ?? "none") === asked.get("budget"));
  state.budget = place < 0 ? budgets.length - 1 : place;
  state.step = 0;
  state.episode = Math.max(0, episodes.indexOf(Number(asked.get("episode"))));
}

function writeHash() {
  const { cost, budget } = terms();
  const asked = new URLSearchParams({ cost, budget: budget ?? "none" });
  if (episodes.length) asked.set("episode", episodes[state.episode]);
  history.replaceState(null, "", `#${asked}`);
}

function operate(mark) {
  const { cost, budget } = terms();
  $("cost").value = state.cost;
  $("budget").value = state.budget;
  $("cost-value").textContent = short(cost);
  $("budget-value").textContent = budget === NONE ? "no cap" : budget;
  $("cost").setAttribute("aria-valuetext", short(cost));
  $("budget").setAttribute("aria-valuetext", calls(budget));
  const point = data.surface.find((p) => p.result.cost === cost && p.result.budget === budget);
  const said = $("operating");
  if (!point) {
    said.textContent = "Nothing was played on these terms.";
    return;
  }
  const { result } = point;
  said.replaceChildren(
    `Where a call costs ${short(cost)}${budget === NONE ? "" : ` and an episode may make ${calls(budget)}`}, the`
    + " Switcher lets DEEPTHINK act at ", make("b", {}, percent(result.call_rate)), " of the steps and returns ",
    make("b", {}, fixed(result.return_mean)),
    ` (${fixed(result.return_ci[0])} to ${fixed(result.return_ci[1])}); DEEPTHINK alone has`
    + ` ${fixed(data.deepthink.return_mean)}. It saves `, make("b", {}, percent(result.cost_saved)), " of DEEPTHINK’s calls",
    `${alsoSaved(result)}.`,
  );
  mark(result);
}

// Seconds and money are unknown where an earlier release played, or where there are no prices.
function alsoSaved(result) {
  const known = (amount) => amount !== null && amount !== undefined;
  const parts = [];
  const always = data.deepthink.lm_cpu_seconds;
  if (known(result.lm_cpu_seconds) && always) {
    parts.push(`${percent(1 - result.lm_cpu_seconds / always)} of the seconds in the models`);
  }
  if (known(result.money_saved)) parts.push(`${percent(result.money_saved)} of the money`);
  return parts.map((part, k) => (k === parts.length - 1 ? " and " : ", ") + part).join("");
}

// ---- timelines ----------------------------------------------------------------------------

const episodes = unique(data.timelines.map((t) => t.episode));

function timeline() {
  const { cost, budget } = terms();
  const apart = (n) => (n === budget ? 0 : Math.abs((n ?? 1e9) - (budget ?? 1e9)));
  const ratio = (c) => Math.abs(Math.log((c + 1e-9) / (cost + 1e-9)));  // costs may be 0
  const [nearest] = data.timelines.filter((t) => t.episode === episodes[state.episode]).sort((a, b) =>
    apart(a.budget) - apart(b.budget) || ratio(a.cost) - ratio(b.cost));
  return nearest;
}

function sentence(line, step) {
  const worth = `a call now is worth ${signed(step.gain)} return for ${signed(step.more_calls, 1)} calls,`
    + ` which cost ${fixed(line.cost * step.more_calls, 3)}`;
  return `${worth}; it calls with probability ${fixed(step.probability)}`;
}

function would(step) {
  return step.quick === step.deepthink
    ? [["Both models would", step.quick]]
    : [["QUICK would", step.quick], ["DEEPTHINK would", step.deepthink]];
}

function clairvoyant(step) {
  if (step.clairvoyant === null) return "not known";
  return step.clairvoyant ? "would have called DEEPTHINK here" : "would have left it to QUICK";
}

function showStep(line) {
  const step = line.steps[state.step];
  [...$("strip").children].forEach((cell, k) => {
    cell.setAttribute("aria-selected", String(k === state.step));
  });
  $("strip").setAttribute("aria-activedescendant", `cell-${state.step}`);
  const rows = [
    ...would(step),
    ["Acted", step.choice ? "DEEPTHINK" : "QUICK", "acted"],
    ["Done", step.done],
    ["The Switcher expects", sentence(line, step)],
    ["The clairvoyant", clairvoyant(step)],
  ];
  if (step.reward) rows.push(["Reward", signed(step.reward)]);
  $("step").replaceChildren(
    make("h3", {}, `Step ${state.step + 1} of ${line.steps.length}`),
    make("blockquote", {}, step.text),
    make("dl", {}, ...rows.flatMap(([name, value, kind]) => [
      make("dt", {}, name), make("dd", { class: kind ?? "" }, value),
    ])),
  );
}

function showTimeline() {
  const line = timeline();
  $("episode").value = state.episode;
  state.step = Math.min(state.step, line.steps.length - 1);
  $("timeline-terms").textContent = `Played at c = ${short(line.cost)}, ${within(line.budget)}: ${line.success ? "solved" : "not solved"},`
    + ` return ${fixed(line.total)}, ${calls(line.steps.filter((s) => s.choice).length)} in ${line.steps.length} steps.`;
  $("strip").replaceChildren(...line.steps.map((step, k) => {
    const kinds = ["cell", step.choice ? "deepthink" : "quick"];
    if (step.quick !== step.deepthink) kinds.push("disagree");
    if (step.clairvoyant) kinds.push("clairvoyant");
    const cell = make("div", {
      class: kinds.join(" "), id: `cell-${k}`, role: "option",
      "aria-label": `step ${k + 1}: ${step.choice ? "DEEPTHINK" : "QUICK"} acted`,
    }, make("i"));
    cell.addEventListener("click", () => { state.step = k; showStep(line); });
    return cell;
  }));
  $("all-steps").replaceChildren(...line.steps.map((step) => make("li", {},
    `${step.text} — ${would(step).map(([who, what]) => `${who}: ${what}`).join("; ")}. `
    + `${step.choice ? "DEEPTHINK" : "QUICK"} acted. Expected: ${sentence(line, step)}. `
    + `The clairvoyant ${clairvoyant(step)}.`)));
  showStep(line);
}

function setUpTimelines() {
  if (!episodes.length) {
    $("timelines-section").hidden = true;
    return () => {};
  }
  $("dots").hidden = data.timelines.every((t) => t.steps.every((s) => s.clairvoyant === null));
  $("episode").append(...episodes.map((episode, k) => make(
    "option", { value: k }, data.timelines.find((t) => t.episode === episode).goal,
  )));
  $("episode").addEventListener("change", () => {
    state.episode = Number($("episode").value);
    state.step = 0;
    writeHash();
    showTimeline();
  });
  $("strip").addEventListener("keydown", (event) => {
    const line = timeline();
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -line.steps.length, End: line.steps.length };
    if (!(event.key in moves)) return;
    event.preventDefault();
    state.step = Math.min(line.steps.length - 1, Math.max(0, state.step + moves[event.key]));
    showStep(line);
  });
  return showTimeline;
}

// ---- all together -------------------------------------------------------------------------

drawHead();
const mark = drawFrontier();
drawLegend();
drawBudgets();
drawTable();
$("operate").hidden = !data.surface.length;
const tellEpisode = setUpTimelines();

function tellAll() {
  if (data.surface.length) operate(mark);
  tellEpisode();
}

for (const [name, values] of [["cost", costs], ["budget", budgets]]) {
  $(name).max = values.length - 1;
  $(name).addEventListener("input", () => {
    state[name] = Number($(name).value);
    writeHash();
    tellAll();
  });
}
readHash();
tellAll();
// A link followed, or a hash edited, while the page is open.
addEventListener("hashchange", () => { readHash(); tellAll(); });
addEventListener("beforeprint", () => { $("reading").open = true; });
