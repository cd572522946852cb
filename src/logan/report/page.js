"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const plain = (v) => v === 0 ? "0" : Math.abs(v) >= 1000 && Math.abs(v) < 1e7 ? Math.round(v).toLocaleString("en")
    : Math.abs(v) >= 1e7 || Math.abs(v) < 1e-3 ? v.toExponential(2) : String(Number(v.toPrecision(4)));
  const number = (v) => plain(v).replaceAll("-", "−");
  const kimg = (v) => Math.round(v).toLocaleString("en") + " kimg";
  const kept = {  // a page from a file may have no store
    get(name) { try { return sessionStorage.getItem(location.pathname + name); } catch { return null; } },
    set(name, value) { try { sessionStorage.setItem(location.pathname + name, value); } catch { /* then it is forgotten */ } },
  };

  // Samples: one slider over every moment that any of the runs has a picture of.
  const slider = document.getElementById("slider");
  if (slider) {
    const stops = [...new Set(data.frames.flatMap((run) => run.map((frame) => frame[0])))].sort((a, b) => a - b);
    const output = document.getElementById("stop"), play = document.getElementById("play");
    const show = () => {
      const at = stops[Number(slider.value)];
      output.textContent = kimg(at);
      slider.setAttribute("aria-valuetext", kimg(at));
      data.frames.forEach((frames, run) => {
        const image = document.getElementById("frame" + run);
        if (!image) return;
        const frame = frames.filter((f) => f[0] <= at).pop() || frames[0];
        if (image.src !== frame[1]) image.src = frame[1];
        image.alt = image.alt.replace(/after .*$/, "after " + kimg(frame[0]));
        document.getElementById("at" + run).textContent = kimg(frame[0]);
      });
      kept.set("stop", slider.value === slider.max ? "last" : String(at));
    };
    slider.addEventListener("input", () => { stop(); show(); });
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; play.textContent = "▶"; play.setAttribute("aria-label", "Play"); };
    play.addEventListener("click", () => {
      if (timer) { stop(); return; }
      if (slider.value === slider.max) slider.value = "0";
      play.textContent = "❚❚"; play.setAttribute("aria-label", "Pause");
      show();
      timer = setInterval(() => {
        slider.value = String(Number(slider.value) + 1);
        show();
        if (slider.value === slider.max) stop();
      }, Math.max(80, Math.min(500, 8000 / stops.length)));
    });
    const before = kept.get("stop");
    const again = performance.getEntriesByType("navigation")[0]?.type === "reload";
    if (again && before !== null && before !== "last") {
      const index = stops.findIndex((at) => at >= Number(before));
      if (index >= 0) { slider.value = String(index); show(); }
    }
  }

  // Curves: values under the pointer, or by the arrow keys.
  for (const svg of document.querySelectorAll("svg[data-chart]")) {
    const chart = data.charts[svg.dataset.chart], cursor = svg.querySelector(".cursor");
    const readout = svg.parentElement.querySelector(".readout"), atRest = [...readout.childNodes];
    const [low, high, from, to] = chart.scale, width = svg.viewBox.baseVal.width;
    const all = [...new Set(chart.x.flat())].sort((a, b) => a - b);
    const nearest = (xs, x) => xs.reduce((best, v, i) => Math.abs(v - x) < Math.abs(xs[best] - x) ? i : best, 0);
    let at = all.length - 1;
    const span = (text, bold) => {
      const made = document.createElement("span");
      if (bold) { const b = document.createElement("b"); b.textContent = bold; made.append(b, " "); }
      made.append(text);
      return made;
    };
    const show = (index) => {
      at = Math.max(0, Math.min(all.length - 1, index));
      const x = all[at], px = (from + (x - low) / (high - low) * (to - from)) * width;
      cursor.setAttribute("x1", px); cursor.setAttribute("x2", px); cursor.setAttribute("visibility", "visible");
      readout.replaceChildren(span(number(x) + " " + chart.unit), ...chart.labels.map((label, i) =>
        span(x > chart.x[i].at(-1) + (high - low) / 50 ? "–" : number(chart.y[i][nearest(chart.x[i], x)]), label)));
    };
    const rest = () => { cursor.setAttribute("visibility", "hidden"); readout.replaceChildren(...atRest); at = all.length - 1; };
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect(), share = (event.clientX - box.left) / box.width;
      show(nearest(all, low + (share - from) / (to - from) * (high - low)));
    });
    svg.addEventListener("pointerleave", rest);
    svg.addEventListener("blur", rest);
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -all.length, End: all.length }[event.key];
      if (step) { event.preventDefault(); show(at + step); }
      if (event.key === "Escape") rest();
    });
    svg.addEventListener("focus", () => { if (svg.matches(":focus-visible")) { readout.setAttribute("aria-live", "polite"); show(at); } });
  }

  // A run that goes on: look again, until nothing new has come for long.
  if (data.live !== null) {
    const age = () => (Date.now() - Date.parse(document.lastModified)) / 1000;
    const patience = Math.max(600, 20 * data.live);
    const again = () => {
      if (age() > patience) {
        document.getElementById("status")?.append(" (nothing new for " + Math.round(age() / 60) + " minutes)");
        return;
      }
      if (document.hidden) { setTimeout(again, 1000); return; }
      location.reload();
    };
    setTimeout(again, 1000 * data.live);
  }
})();
