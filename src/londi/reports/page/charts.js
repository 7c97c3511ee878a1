"use strict";

// What `londi frontier` has played, drawn. Texts of the data only ever become text nodes.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const NONE = null; // a budget without a cap

// ---- small helpers ------------------------------------------------------------------------

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const fixed = (value, digits = 2) => value.toFixed(digits).replace("-", "−");
const signed = (value, digits = 2) => (value >= 0 ? "+" : "") + fixed(value, digits);
const percent = (value) => fixed(100 * value, 0) + "%";
const short = (value) => String(Number(value.toPrecision(3)));
const calls = (n) => (n === NONE ? "no cap" : `${n} ${n === 1 ? "call" : "calls"}`);
const within = (n) => (n === NONE ? "no cap" : `at most ${calls(n)}`);
const unique = (values) => [...new Set(values)];

function spread(estimate, format) {
  return `${format(estimate.low)} to ${format(estimate.high)}`;
}

// Shapes are told apart without colour.
const SHAPES = {
  circle: "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0Z",
  square: "M-3.5,-3.5h7v7h-7Z",
  up: "M0,-4.5L4.5,3.5H-4.5Z",
  down: "M0,4.5L4.5,-3.5H-4.5Z",
  diamond: "M0,-5L5,0L0,5L-5,0Z",
  cross: "M-4,-4L4,4M4,-4L-4,4",
  plus: "M-5,0H5M0,-5V5",
};
const SHAPE_ORDER = ["up", "square", "diamond", "down", "cross", "plus", "circle"];
const DASHES = ["", "6 3", "2 2", "8 3 2 3"];
const styles = data.curves.map((curve, k) => k === 0
  ? { colour: "var(--londi)", shape: SHAPES.circle, dash: "" }
  : {
    colour: `var(--c${(k - 1) % 10})`,
    shape: SHAPES[SHAPE_ORDER[(k - 1) % SHAPE_ORDER.length]],
    dash: DASHES[(k - 1) % DASHES.length],
  });

// ---- tooltip ------------------------------------------------------------------------------

function tell(element, text) {
  element.setAttribute("aria-label", text);
  const tip = $("tooltip");
  const show = () => {
    tip.textContent = text;
    tip.hidden = false;
    const box = element.getBoundingClientRect();
    const left = Math.min(box.right + 10, document.documentElement.clientWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(8, left) + scrollX}px`;
    tip.style.top = `${Math.max(8, box.top - tip.offsetHeight - 8) + scrollY}px`;
  };
  const hide = () => { tip.hidden = true; };
  for (const event of ["mouseenter", "focus"]) element.addEventListener(event, show);
  for (const event of ["mouseleave", "blur"]) element.addEventListener(event, hide);
}

// ---- charts -------------------------------------------------------------------------------

// On a small screen a chart is scaled down to half its width: it is made taller, for larger letters.
const SMALL = matchMedia("(max-width: 46rem)").matches;
const LETTER = SMALL ? 22 : 12; // size of the letters, as in the style
const SIZE = SMALL
  ? { width: 720, height: 620, left: 64, right: 24, top: 24, bottom: 72 }
  : { width: 720, height: 430, left: 52, right: 16, top: 14, bottom: 44 };

class Chart {
  constructor(holder, label, xRange, yRange) {
    this.svg = draw("svg", {
      viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: "group", "aria-label": label,
    });
    this.x = (value) => SIZE.left
      + (value - xRange[0]) / (xRange[1] - xRange[0]) * (SIZE.width - SIZE.left - SIZE.right);
    this.y = (value) => SIZE.height - SIZE.bottom
      - (value - yRange[0]) / (yRange[1] - yRange[0]) * (SIZE.height - SIZE.top - SIZE.bottom);
    this.yRange = yRange;
    holder.replaceChildren(this.svg);
  }

  axes(xTicks, xName, yName) {
    const values = ticks(...this.yRange);
    const digits = values.every((v) => Math.abs(v * 10 - Math.round(v * 10)) < 1e-6) ? 1 : 2;
    for (const value of values) {
      this.svg.append(
        draw("line", { class: "grid", x1: SIZE.left, x2: SIZE.width - SIZE.right, y1: this.y(value), y2: this.y(value) }),
        draw("text", { x: SIZE.left - 8, y: this.y(value) + 4, "text-anchor": "end" }, fixed(value, digits)),
      );
    }
    for (const [value, name] of xTicks) {
      this.svg.append(draw("text", {
        x: this.x(value), y: SIZE.height - SIZE.bottom / 2 - 4, "text-anchor": "middle",
      }, name));
    }
    this.svg.append(
      draw("text", { x: (SIZE.left + SIZE.width) / 2, y: SIZE.height - 6, "text-anchor": "middle" }, xName),
      draw("text", { x: 4, y: SIZE.top - 2, class: "name" }, yName),
    );
  }

  path(points) {
    return points.map(([x, y], k) => `${k ? "L" : "M"}${this.x(x)},${this.y(y)}`).join("");
  }

  area(upper, lower) {
    return this.path([...upper, ...[...lower].reverse()]) + "Z";
  }

  // A curve with its intervals, and marks that can be reached by the keyboard.
  curve(k, points, ends, text) {
    const style = styles[k];
    const group = draw("g", { class: `curve ${k ? "" : "first"}`, "data-curve": k, style: `--colour:${style.colour}` });
    const line = ends ? [ends[0], ...points, ends[1]] : points;
    if (k === 0 && points.length > 1) {
      group.append(draw("path", {
        class: "band",
        d: this.area(points.map((p) => [p.x, p.high]), points.map((p) => [p.x, p.low])),
      }));
    }
    group.append(draw("path", {
      class: "line", d: this.path(line.map((p) => [p.x, p.y])), "stroke-dasharray": style.dash,
    }));
    for (const point of points) {
      const mark = draw("g", { class: "point", tabindex: 0, role: "img" });
      if (k) {
        mark.append(draw("line", {
          class: "bar", x1: this.x(point.x), x2: this.x(point.x), y1: this.y(point.low), y2: this.y(point.high),
        }));
      }
      mark.append(draw("path", {
        class: "mark", d: style.shape, transform: `translate(${this.x(point.x)},${this.y(point.y)})`,
      }));
      tell(mark, text(point));
      group.append(mark);
    }
    this.svg.append(group);
  }

  // One of the two models alone.
  end(x, y, name, anchor, lines) {
    const beside = this.x(x) + (anchor === "end" ? -10 : 10);
    const ups = [-14, 30, -34, 50, -54, 70, -74, 90];
    this.svg.append(
      draw("path", { class: "end", d: SHAPES.diamond, transform: `translate(${this.x(x)},${this.y(y)})` }),
    );
    this.name(name, ups.map((up) => ({ x: beside, y: this.y(y) + up, anchor })), lines);
  }

  // Writes a name at the first of the places where it covers no line; lines are lists of [x, y].
  name(text, places, lines) {
    const width = text.length * LETTER * 0.62;
    const covered = ({ x, y, anchor }) => {
      const left = anchor === "end" ? x - width : x;
      let count = y - LETTER < SIZE.top || y > SIZE.height - SIZE.bottom - 2 ? 1000 : 0;
      for (const line of lines) {
        for (let k = 0; k <= 12; k += 1) {
          const at = between(line, this, left + k * width / 12);
          if (at !== null && at > y - LETTER - 3 && at < y + 6) count += 1;
        }
      }
      return count;
    };
    const best = places.reduce((a, b) => (covered(b) < covered(a) ? b : a));
    this.svg.append(draw("text", { class: "name", x: best.x, y: best.y, "text-anchor": best.anchor }, text));
  }
}

// How high a line of [x, y] is at this column of the chart; null where it is not.
function between(line, chart, column) {
  for (let k = 1; k < line.length; k += 1) {
    const [a, b] = [chart.x(line[k - 1][0]), chart.x(line[k][0])];
    if (column >= a && column <= b && b > a) {
      const [low, high] = [chart.y(line[k - 1][1]), chart.y(line[k][1])];
      return low + (column - a) / (b - a) * (high - low);
    }
  }
  return null;
}

function ticks(low, high) {
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1].find((s) => (high - low) / s <= 8) || 2;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9; k += 1) found.push(k * step);
  return found;
}

function at(result, x) {
  return { x, y: result.return_mean, low: result.return_ci[0], high: result.return_ci[1], result };
}

function figures(result) {
  return `return ${fixed(result.return_mean)} (${fixed(result.return_ci[0])} to ${fixed(result.return_ci[1])}),`
    + ` call rate ${percent(result.call_rate)}, ${percent(result.cost_saved)} of DEEPTHINK’s calls saved`;
}

const allReturns = [
  data.quick, data.deepthink, ...data.curves.flatMap((c) => [...c.points, ...c.budgets].map((p) => p.result)),
].flatMap((r) => [r.return_mean, ...r.return_ci])
  .concat(data.surface.map((p) => p.result.return_mean))
  .concat([...data.limit, ...data.limit_budgets].flatMap((b) => [b.return_at_least, b.return_at_most]));
const margin = 0.04 * (Math.max(...allReturns) - Math.min(...allReturns));
// Room for a name above all curves, and for one below them.
const RANGE = [Math.min(...allReturns) - 2 * margin, Math.max(...allReturns) + (data.limit.length ? 3 : 2) * margin];

function drawFrontier() {
  const chart = new Chart($("frontier"), "Return against call rate", [0, 1], RANGE);
  const quick = at(data.quick, 0), deepthink = at(data.deepthink, 1);
  if (data.limit.length) {
    const most = data.limit.map((b) => [b.call_rate, b.return_at_most]);
    const least = data.limit.map((b) => [b.call_rate, b.return_at_least]);
    const on = (points) => [...points, [1, points.at(-1)[1]]];
    chart.svg.append(
      draw("path", { class: "out-of-reach", d: chart.area([[most[0][0], RANGE[1]], [1, RANGE[1]]], on(most)) }),
      draw("path", { class: "limit-band", d: chart.area(most, least) }),
    );
  }
  chart.axes([0, 0.2, 0.4, 0.6, 0.8, 1].map((v) => [v, percent(v)]), "call rate: steps at which DEEPTHINK acts", "return");
  if (data.limit.length) {
    const most = data.limit.map((b) => [b.call_rate, b.return_at_most]);
    chart.svg.append(
      draw("path", { class: "limit-line", d: chart.path([...most, [1, most.at(-1)[1]]]) }),
      draw("text", { class: "name in-reach", x: chart.x(0.98), y: chart.y(most.at(-1)[1]) - 8, "text-anchor": "end" },
        "out of reach: the clairvoyant’s limit"),
    );
  }
  chart.svg.append(draw("path", { class: "chance", d: chart.path([[0, quick.y], [1, deepthink.y]]) }));
  data.curves.map((curve, k) => k).reverse().forEach((k) => {
    const curve = data.curves[k];
    chart.curve(
      k, curve.points.map((p) => ({ ...at(p.result, p.result.call_rate), setting: p.setting })), [quick, deepthink],
      (p) => `${curve.label}, ${p.setting}${p.result.budget === NONE ? "" : `, ${within(p.result.budget)}`}: `
        + figures(p.result),
    );
  });
  const lines = data.curves.map((c) => [
    [0, quick.y], ...c.points.map((p) => [p.result.call_rate, p.result.return_mean]), [1, deepthink.y],
  ]);
  if (data.limit.length) {
    const most = data.limit.map((b) => [b.call_rate, b.return_at_most]);
    lines.push([...most, [1, most.at(-1)[1]]]);
  }
  chart.end(0, quick.y, "QUICK alone", "start", lines);
  chart.end(1, deepthink.y, "DEEPTHINK alone", "end", lines);
  const here = draw("g", { id: "here" });
  chart.svg.append(here);
  return (result) => {
    const x = chart.x(result.call_rate), y = chart.y(result.return_mean);
    // Where the ring goes as the cost changes, with the budget that is chosen.
    const way = data.surface.map((p) => p.result).filter((r) => r.budget === result.budget)
      .sort((a, b) => a.cost - b.cost);
    here.replaceChildren(
      draw("path", { class: "way", d: chart.path(way.map((r) => [r.call_rate, r.return_mean])) }),
      draw("line", { class: "cross", x1: x, x2: x, y1: y, y2: SIZE.height - SIZE.bottom }),
      draw("line", { class: "cross", x1: SIZE.left, x2: x, y1: y, y2: y }),
      draw("circle", { class: "here", cx: x, cy: y, r: 9 }),
    );
  };
}

function drawBudgets() {
  const points = data.curves.flatMap((c) => c.budgets);
  if (!points.length) {
    $("budgets-section").hidden = true;
    return;
  }
  const capped = unique(points.map((p) => p.result.budget)).filter((n) => n !== NONE);
  const most = Math.max(...capped, 1);
  // No cap has a place of its own, to the right of all that are numbers.
  const open = points.some((p) => p.result.budget === NONE) ? [most * 1.15] : [];
  const place = (n) => n ?? open[0];
  const chart = new Chart($("budgets"), "Return against the budget", [0, (open[0] ?? most) * 1.03], RANGE);
  const limit = data.limit_budgets.map((b, n) => ({ ...b, n })).filter((b) => b.n <= most);
  if (limit.length > 1) {
    const at_most = limit.map((b) => [b.n, b.return_at_most]);
    chart.svg.append(
      draw("path", { class: "out-of-reach", d: chart.area([[0, RANGE[1]], [limit.at(-1).n, RANGE[1]]], at_most) }),
      draw("path", { class: "limit-band", d: chart.area(at_most, limit.map((b) => [b.n, b.return_at_least])) }),
    );
  }
  chart.axes([...unique([0, ...capped]).map((n) => [n, String(n)]), ...open.map((x) => [x, "no cap"])], "budget: most calls an episode", "return");
  if (limit.length > 1) {
    chart.svg.append(draw("path", { class: "limit-line", d: chart.path(limit.map((b) => [b.n, b.return_at_most])) }));
  }
  const y = chart.y(data.deepthink.return_mean);
  chart.svg.append(draw("line", { class: "chance", x1: SIZE.left, x2: SIZE.width - SIZE.right, y1: y, y2: y }));
  data.curves.map((curve, k) => k).reverse().forEach((k) => {
    const curve = data.curves[k];
    chart.curve(
      k, curve.budgets.map((p) => ({ ...at(p.result, place(p.result.budget)), setting: p.setting })), null,
      (p) => `${curve.label}, ${within(p.result.budget)}, ${p.setting}: ${figures(p.result)}`,
    );
  });
  const lines = data.curves.map((c) => c.budgets.map((p) => [place(p.result.budget), p.result.return_mean]));
  lines.push(limit.map((b) => [b.n, b.return_at_most]), limit.map((b) => [b.n, b.return_at_least]));
  const [left, right] = [SIZE.left + 6, SIZE.width - SIZE.right - 6];
  chart.name("DEEPTHINK alone, no cap", [-6, LETTER + 6].flatMap((up) => [
    { x: right, y: y + up, anchor: "end" }, { x: left, y: y + up, anchor: "start" },
  ]), lines);
}

function drawLegend() {
  data.curves.forEach((curve, k) => {
    const style = styles[k];
    const sample = draw(
      "svg", { viewBox: "-13 -7 26 14", "aria-hidden": "true", class: "curve-sample" },
      draw("g", { class: `curve ${k ? "" : "first"}`, style: `--colour:${style.colour}` },
        draw("path", { class: "line", d: "M-13,0H13", "stroke-dasharray": style.dash }),
        draw("path", { class: "mark", d: style.shape })),
    );
    const button = make("button", { type: "button", "aria-pressed": "true" }, sample, curve.label);
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      for (const group of document.querySelectorAll(`[data-curve="${k}"]`)) group.classList.toggle("off", !on);
    });
    $("legend").append(button);
  });
}
