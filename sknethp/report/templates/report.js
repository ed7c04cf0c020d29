"use strict";

// Charts. Colors are variables of the style sheet, so nothing changes here in dark mode or on paper.
const tooltip = { theme: "custom" };
const PAPER = { wide: 660, narrow: 310 };
const views = [];
for (const figure of document.querySelectorAll("figure")) {
  const spec = JSON.parse(figure.querySelector("script").textContent);
  const chart = figure.querySelector(".chart");
  vegaEmbed(chart, spec, { renderer: "svg", actions: false, tooltip })
    .then(({ view }) => {
      views.push([view, figure.closest(".grid") ? PAPER.narrow : PAPER.wide]);
      figure.dataset.drawn = "true";
    })
    .catch((error) => {
      chart.textContent = "This chart could not be drawn.";
      console.error(error);
    });
  goThroughPoints(chart, figure.querySelector(".point"));
}

// Charts are drawn anew for paper, so that their text is not made smaller.
addEventListener("beforeprint", () => views.forEach(([view, width]) => view.width(width).run()));
addEventListener("afterprint", () => dispatchEvent(new Event("resize")));

// Arrow keys go through a chart's points, and say what hovering would show.
function goThroughPoints(chart, line) {
  let at = -1;
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const points = chart.querySelectorAll("[aria-roledescription=point], [aria-roledescription=bar]");
    if (!step || !points.length) return;
    event.preventDefault();
    points[at]?.classList.remove("current");
    at = (at + step + points.length) % points.length;
    points[at].classList.add("current");
    line.textContent = points[at].getAttribute("aria-label");
  });
  chart.addEventListener("blur", () => {
    chart.querySelector(".current")?.classList.remove("current");
    line.textContent = "";
    at = -1;
  });
}

// Tables. A gap is last in either direction.
function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
}

function sort(table, column, heading) {
  const isNumber = heading.classList.contains("number");
  const was = heading.getAttribute("aria-sort");
  const direction = was ? (was === "ascending" ? "descending" : "ascending") : isNumber ? "descending" : "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction);
  const key = (row) => row.cells[column].dataset.key;
  const sign = direction === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    const gaps = (key(a) === "") - (key(b) === "");
    return gaps || sign * compare(key(a), key(b));
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => sort(table, column, heading));
  });
}
