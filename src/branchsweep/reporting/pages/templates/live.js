/* Asks for progress.json and shows it. All text is set as text, never as markup. */
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const at = (id) => document.getElementById(id);
  const element = (tag, text, kind) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const drawn = (tag, attributes, text) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const number = (value) => (value === null || value === undefined ? "-" : value > -10 ? value.toFixed(4) : value.toExponential(1));
  const short = (value) => (typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(3))) : String(value));
  const clock = (seconds) => {
    const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
    if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
    return minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
  };
  const params = (trial) => Object.entries(trial.params).sort().map(([name, value]) => `${name} ${short(value)}`).join(", ");
  const fact = ([name, value]) => {
    const pair = document.createElement("div");
    pair.append(element("dt", name), element("dd", value));
    return pair;
  };

  function headline(sweep, ended) {
    const best = sweep.best;
    if (!best) return ended ? "No complete trial yet" : "No trial has ended yet";
    return `Best ${OBJECTIVE} ${sweep.state === "finished" ? "of the search" : "so far"}: ${number(best.objective)}`;
  }

  function facts(sweep, ended) {
    const { progress, counts } = sweep;
    const pairs = [["trials ended", `${ended} of ${sweep.planned}`]];
    for (const status of ["complete", "pruned", "failed"]) if (counts[status]) pairs.push([status, String(counts[status])]);
    if (sweep.state !== "running") return pairs;
    if (progress && progress.workers) {
      const nodes = progress.nodes ? `, ${progress.nodes} nodes` : "";
      pairs.push(["workers training", `${progress.training} of ${progress.workers}${nodes}`]);
    }
    if (progress) pairs.push(["elapsed", clock(progress.elapsed)]);
    const left = progress && progress.seconds_left;
    pairs.push(["time left", left === null || left === undefined ? "not estimated yet" : `about ${clock(left)}`]);
    return pairs;
  }

  const STATES = {
    running: "running",
    finished: "finished",
    interrupted: "interrupted: its process has ended; the same command resumes it",
  };

  function history(sweep) {
    const svg = at("history");
    svg.replaceChildren();
    const points = sweep.history, values = points.map(([, value]) => value).filter((value) => value !== null);
    if (!values.length) return;
    const sorted = [...values].sort((a, b) => a - b), top = sorted[sorted.length - 1];
    const tenth = sorted[Math.floor(sorted.length / 10)];
    const low = Math.max(sorted[0], tenth - 0.35 * (top - tenth)), span = top - low || 1;
    const x = (index) => 60 + (800 * (index + 0.5)) / points.length;
    const y = (value) => 20 + 240 * (1 - Math.max(0, (value - low) / span));
    for (const share of [0, 0.5, 1]) {
      const value = low + share * span;
      svg.append(drawn("line", { x1: 60, x2: 870, y1: y(value), y2: y(value) }));
      svg.append(drawn("text", { x: 52, y: y(value) + 4, "text-anchor": "end" }, number(value)));
    }
    svg.append(drawn("text", { x: 60, y: 292 }, `trials ended: ${points.length}`));
    let best = null, path = "";
    points.forEach(([trial, value, status], index) => {
      if (status === "complete" && value !== null && (best === null || value > best)) {
        path += path ? `H${x(index)}V${y(value)}` : `M${x(index)} ${y(value)}`;
        best = value;
      }
      const failed = value === null, [px, py] = [x(index), failed || value < low ? 262 : y(value)];
      const cross = () => drawn("path", { d: `M${px - 4} ${py - 4}l8 8m0 -8l-8 8`, class: "failed", style: "stroke: var(--warn)" });
      const triangle = () => drawn("path", { d: `M${px - 5} ${py - 4}h10l-5 9z`, style: "stroke: none; fill: var(--soft)" });
      const circle = () => drawn("circle", { cx: px, cy: py, r: 4.5, class: status });
      const mark = failed ? cross() : value < low ? triangle() : circle();
      mark.append(drawn("title", {}, `trial ${trial}, ${status}: ${number(value)}`));
      svg.append(mark);
    });
    if (path) svg.append(drawn("path", { d: `${path}H870` }));
  }

  function row(trial, best) {
    const made = document.createElement("tr");
    made.dataset.trial = trial.trial;
    const cell = (value, label) => {
      const td = element("td", value, "number");
      td.dataset.label = label;
      return td;
    };
    made.append(element("td", trial.trial, trial.trial === best ? "number better" : "number"), element("td", trial.status));
    made.append(cell(number(trial.objective), OBJECTIVE), ...HEADS.map((head) => cell(number(trial.scores[head]), head)));
    made.append(cell(short(trial.epochs), "epochs"));
    const name = trial.name ? `${trial.name}: ` : "";
    made.append(element("td", `${name}${trial.reason ? `${trial.reason}; ` : ""}${params(trial)}`, "words"));
    return made;
  }

  function show({ sweep, seconds_ago, problem }) {
    const ended = Object.values(sweep.counts).reduce((sum, count) => sum + count, 0), best = sweep.best;
    document.body.dataset.state = sweep.state;
    at("state").textContent = STATES[sweep.state] ?? sweep.state;
    at("headline").textContent = headline(sweep, ended);
    const activity = sweep.state === "running" && sweep.progress ? `Now: ${sweep.progress.activity}. ` : "";
    const scores = best ? HEADS.map((head) => `${head} ${number(best.scores[head])}`).join(", ") : "";
    const end = sweep.state === "finished" ? " The report has the final model, which is chosen by confirmed scores." : "";
    at("lead").textContent = activity + (best ? `The best is trial ${best.trial} (${scores}): ${params(best)}.` : "") + end;
    at("share").value = sweep.state === "finished" ? 1 : ended / Math.max(1, sweep.planned);
    at("facts").replaceChildren(...facts(sweep, ended).map(fact));
    at("report").hidden = sweep.state !== "finished";
    at("rung-section").hidden = !sweep.rungs.length;
    at("rungs").replaceChildren(
      ...sweep.rungs.map((rung) => {
        const made = document.createElement("tr");
        made.append(element("th", rung.epoch), element("td", rung.reached, "number"), element("td", rung.pruned, "number"));
        return made;
      }),
    );
    at("none").hidden = ended > 0;
    at("latest").replaceChildren(...sweep.latest.map((trial) => row(trial, best && best.trial)));
    history(sweep);
    const late = problem || (seconds_ago > 30 ? "it has not answered" : "");
    warn(late && `The store cannot be read at the moment (${late}). This is its state of ${clock(seconds_ago)} ago; it is read again.`);
  }

  function warn(sentence) {
    at("problem").hidden = !sentence;
    at("problem").textContent = sentence || "";
  }

  async function poll() {
    try {
      const answer = await fetch("/progress.json", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      show(await answer.json());
    } catch {
      warn("branchsweep watch does not answer: was it stopped? Start it again and this page continues.");
    }
    setTimeout(poll, POLL);
  }
  const measure = (part) => part.classList.toggle("fits", part.scrollWidth <= part.clientWidth + 1);
  const watcher = new ResizeObserver((entries) => entries.forEach(({ target }) => measure(target)));
  document.querySelectorAll(".wide").forEach((part) => watcher.observe(part));
  poll();
})();
