/* Hover names the trial at a point, a click selects it in all figures and in the leaderboard. Without scripts the page is whole. */
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("interaction").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const NEAR = 16; // pixels on the screen
  const bar = document.getElementById("selection");
  const body = document.querySelector("#trials tbody");
  const element = (tag, text, kind) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const tip = element("div", "", "tip");
  tip.hidden = true;
  document.body.append(tip);
  const scores = (trial) => data.columns.map((column, index) => `${column} ${trial.scores[index]}`).join(", ");
  const labelled = (score, column) => {
    const cell = element("td", score, "number");
    cell.dataset.label = column;
    return cell;
  };
  let selected = null;

  const figures = Object.entries(data.figures).flatMap(([name, figure]) => {
    const svg = document.querySelector(`#${CSS.escape(name)} figure svg`);
    if (!svg) return [];
    const layers = ["hovered", "chosen"].map((kind) => {
      const layer = document.createElementNS(SVG, "g");
      layer.setAttribute("class", kind);
      svg.append(layer);
      return layer;
    });
    return [{ svg, layers, ...figure }];
  });

  function mark(figure, layer, number) {
    layer.replaceChildren();
    const points = figure.points.filter(([trial]) => trial === number);
    if (figure.has_lines && points.length > 1) {
      const line = document.createElementNS(SVG, "polyline");
      line.setAttribute("points", points.map(([, x, y]) => `${x},${y}`).join(" "));
      layer.append(line);
    }
    for (const [, x, y] of points) {
      const ring = document.createElementNS(SVG, "circle");
      ring.setAttribute("cx", x);
      ring.setAttribute("cy", y);
      ring.setAttribute("r", 8);
      layer.append(ring);
    }
  }

  function nearest(figure, event) {
    const box = figure.svg.getBoundingClientRect();
    const scale = figure.svg.viewBox.baseVal.width / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let [best, number] = [NEAR * scale, null];
    for (const [trial, px, py] of figure.points) {
      const distance = Math.hypot(px - x, py - y);
      if (distance < best) [best, number] = [distance, trial];
    }
    return number;
  }

  function hover(figure, event) {
    const number = nearest(figure, event);
    mark(figure, figure.layers[0], number);
    figure.svg.style.cursor = number === null ? "" : "pointer";
    tip.hidden = number === null;
    if (number === null) return;
    const trial = data.trials[number];
    tip.replaceChildren(element("b", `${trial.name}, ${trial.status}`), element("div", scores(trial)), element("div", trial.params, "soft"));
    const width = Math.min(320, document.documentElement.clientWidth - 24);
    tip.style.maxWidth = `${width}px`;
    tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, document.documentElement.clientWidth - width - 12))}px`;
    tip.style.top = `${Math.min(event.clientY + 16, document.documentElement.clientHeight - tip.offsetHeight - 8)}px`;
  }

  function select(number) {
    selected = number === selected ? null : number;
    for (const figure of figures) mark(figure, figure.layers[1], selected);
    body?.querySelector("tr.added")?.remove();
    const trial = selected === null ? null : data.trials[selected];
    if (trial && body && !body.querySelector(`tr[data-trial="${selected}"]`)) {
      const row = element("tr", "", "added");
      row.dataset.trial = selected;
      row.append(element("td", selected, "number"), ...trial.scores.map((score, index) => labelled(score, data.columns[index])));
      row.append(element("td", trial.params, "words"));
      body.append(row);
    }
    for (const row of body?.rows ?? []) row.setAttribute("aria-selected", row.dataset.trial === String(selected));
    bar.hidden = !trial;
    if (!trial) return;
    const parts = [element("b", `${trial.name}, ${trial.status}`), element("span", scores(trial)), element("span", trial.params, "soft")];
    if (trial.page) {
      const page = element("a", "its run in MLflow");
      page.href = trial.page;
      page.target = "_blank";
      page.rel = "noopener";
      parts.push(page);
    }
    const clear = element("button", "Clear selection");
    clear.type = "button";
    clear.onclick = () => select(selected);
    bar.replaceChildren(...parts, clear);
  }

  for (const figure of figures) {
    figure.svg.addEventListener("pointermove", (event) => event.pointerType === "mouse" && hover(figure, event));
    figure.svg.addEventListener("pointerleave", () => {
      tip.hidden = true;
      mark(figure, figure.layers[0], null);
    });
    figure.svg.addEventListener("click", (event) => {
      const number = nearest(figure, event);
      if (number !== null) select(number);
    });
  }
  for (const row of body?.rows ?? []) {
    if (!(row.dataset.trial in data.trials)) continue;
    row.tabIndex = 0;
    row.classList.add("selectable");
    row.addEventListener("click", (event) => event.target.closest("a") || select(Number(row.dataset.trial)));
    row.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target.closest("a")) return;
      select(Number(row.dataset.trial));
    });
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && selected !== null && select(selected));
  document.getElementById("how").hidden = !figures.length;

  if (window.top !== window) {
    // MLflow shows files in a frame from which nothing can be opened
    const note = " Here, in MLflow's viewer, they do not open: download the page, or go there by the menu at the left.";
    document.querySelector(".links")?.append(element("span", note, "soft"));
  }

  const measure = (part) => part.classList.toggle("fits", part.scrollWidth <= part.clientWidth + 1);
  const watcher = new ResizeObserver((entries) => entries.forEach(({ target }) => measure(target)));
  document.querySelectorAll(".wide").forEach((part) => watcher.observe(part));
})();
