"""``report.md`` and ``report.json``: a table for each part, aims beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from on_gpu import aims
from on_gpu.parts import Part
from on_gpu.sheet import NOT_PLAYED, write

Figures = Mapping[str, Any]
SHOWN_FAILURES = 10
SHOWN_KERNELS = 8


def save(
    out: Path, parts: Sequence[Part], found: Mapping[str, Figures], minutes: float, seconds: float, tiny: bool
) -> None:
    """Write the report of what there is so far."""
    beside = aims.beside(found, tiny)
    machine: Figures = next((f["machine"] for f in found.values() if f.get("machine")), {})
    statuses = {p.name: found[p.name]["status"] if p.name in found else "not yet" for p in parts}
    write(out / "report.json", {"machine": machine, "minutes": minutes, "seconds": seconds, "tiny": tiny, "parts": statuses,
                                "aims": beside})  # fmt: skip
    sections = [_head(machine, minutes, seconds, tiny), _aims(beside), _parts(parts, found)]
    sections += [_section(part, found[part.name]) for part in parts if part.name in found]
    text = "\n\n".join(section.strip() for section in sections) + "\n"
    partial = out / "report.md.partial"
    partial.write_text(text, encoding="utf-8")
    partial.replace(out / "report.md")


def table(head: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def number(value: Any, form: str = ".4g") -> str:
    """A number as people read it; – for none."""
    if value is None:
        return "–"
    if isinstance(value, str | bool):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else format(value, form)


def percent(value: Any) -> str:
    """A share."""
    return "–" if value is None else f"{100 * value:.1f} %"


def _head(machine: Figures, minutes: float, seconds: float, tiny: bool) -> str:
    of = ", ".join(f"{name} {number(value)}" for name, value in machine.items() if value is not None)
    trial = "**A trial with small networks: it says that all parts work, not how fast they are.**\n\n" if tiny else ""
    took = f"`make gpu`, {minutes:g} minutes, of which {seconds:.0f} s were taken"
    return f"# On {machine.get('device', 'this machine')}\n\n{trial}{took}. {of}."


def _aims(rows: Sequence[Figures]) -> str:
    def cells(row: Figures) -> list[str]:
        sign = "≤" if row["at_most"] else "≥"
        return [row["aim"], f"{sign} {number(row['limit'])} {row['unit']}", number(row["measured"]), _held(row)]

    return "## Aims\n\nOn an H100 or H200, bfloat16.\n\n" + table(["", "aim", "measured", ""], map(cells, rows))


def _held(row: Figures) -> str:
    if row["measured"] is None:
        return "not measured"
    return {None: "in a trial", True: "held", False: "**not held**"}[row["holds"]]


def _parts(parts: Sequence[Part], found: Mapping[str, Figures]) -> str:
    rows = []
    for part in parts:
        f = found.get(part.name, {"status": "not yet"})
        ended = f"{f['status']}, in an earlier call" if f.get("earlier") else f["status"]
        rows.append([part.name, part.title, ended, number(f.get("took_seconds")), _short(f.get("reason"))])
    return "## Parts\n\n" + table(["part", "", "how it ended", "s", ""], rows)


def _short(reason: Any) -> str:
    return "" if not reason else str(reason).splitlines()[0][:160]


def _section(part: Part, figures: Figures) -> str:
    text = [f"## {part.title}", f"[parts/{part.name}.json](parts/{part.name}.json)"]
    if figures["status"] != NOT_PLAYED and part.name in SECTIONS:
        try:
            text.append(SECTIONS[part.name](figures))
        except Exception as error:  # an unfinished part may lack anything; its file has what there is
            text.append(f"Its figures are not complete enough for a table ({type(error).__name__}: {error}).")
    if figures.get("reason"):
        text.append(f"{figures['status']}: {_short(figures['reason'])}")
    if figures.get("last_lines"):
        text.append(_quoted(figures["last_lines"]))
    if figures.get("notices"):
        text.append("Said while it ran:\n\n" + "\n".join(f"- {notice[:300]}" for notice in figures["notices"]))
    return "\n\n".join(t for t in text if t)


def _quoted(lines: Iterable[str]) -> str:
    return "```text\n" + "\n".join(line[:200] for line in lines) + "\n```"


def _tests(f: Figures) -> str:
    counts = ", ".join(f"{f.get(name, 0)} {name}" for name in ("passed", "failed", "skipped"))
    text = [f"{counts}, in {number(f.get('seconds'))} s."]
    text += [f"Begun and not ended: `{test}`." for test in f.get("not_ended", [])]
    text += [f"Skipped {n} times: {why}" for why, n in f.get("why_skipped", {}).items()]
    for failure in f.get("failures", [])[:SHOWN_FAILURES]:
        text.append(f"`{failure['test']}`\n\n{_quoted(failure['says'])}")
    return "\n\n".join(text)


def _steps(f: Figures) -> str:
    peaks = ", ".join(f"{name} {number(x)}" for name, x in f.get("peak_tflops", {}).items())
    text = f"{f['preset']}, batch {f['batch']}; peak measured beside it, in 10¹² operations per second: {peaks}."
    stopped = f"\n\nStopped while preparing {', '.join(f['preparing'].values())}." if f.get("preparing") else ""
    return f"{text}\n\n{_costs(f.get('rows', []))}{stopped}"


def _costs(rows: Sequence[Figures]) -> str:
    head = ["engine", "precision", "latent", "ms", "GFLOP", "of peak", "kernels", "MiB", "× its own baseline",
            "× best baseline", "ready after s", ""]  # fmt: skip

    def cells(r: Figures) -> list[str]:
        mib = r["peak_mib"] + r["resident_mib"] if "resident_mib" in r else None
        said = "; ".join([*r.get("notices", []), *([r["error"]] if "error" in r else [])])
        return [
            *(r["engine"], r["precision"], r["latent"], number(r.get("ms")), number(r.get("gflop"))),
            *(percent(r.get("share_of_peak")), number(r.get("kernels")), number(mib)),
            *(number(r.get("over_baseline"), ".2f"), number(r.get("over_best_baseline"), ".2f")),
            *(number(r.get("ready_seconds"), ".1f"), said[:200]),
        ]

    return table(head, map(cells, rows))


def _kernels(f: Figures) -> str:
    text = []
    for step in f.get("steps", []):
        title = f"**{step['engine']}, {step['latent']}**"
        if "error" in step:
            text.append(f"{title}: {step['error']}")
            continue
        ms, kernels, busy = (number(step[name]) for name in ("ms", "kernels", "kernels_ms"))
        text.append(f"{title}: {ms} ms a step; {kernels} kernels take {busy} ms.")
        text.append(_spent("what", ((g["group"], g) for g in step["groups"])))
        costliest = step["costliest"][:SHOWN_KERNELS]
        text.append(_spent("costliest kernels", ((f"`{k['kernel'][:90]}`", k) for k in costliest)))
    return "\n\n".join(text)


def _spent(what: str, rows: Iterable[tuple[str, Figures]]) -> str:
    cells = ([name, number(r["number"]), number(r["ms"], ".3g"), percent(r["share"])] for name, r in rows)
    return table([what, "number", "ms", "share"], cells)


def _loop(f: Figures) -> str:
    names = ("batch", "steps_per_second", "ms")
    rows = [
        [r["preset"], r["latent"], r["precision"], *(number(r.get(name)) for name in names), r.get("error", "")]
        for r in f.get("rows", [])
    ]
    head = ["preset", "latent", "precision", "batch", "steps/s", "ms", ""]
    return f"With the default engine; the best of a run's ticks.\n\n{table(head, rows)}"


def _together(f: Figures) -> str:
    rows = [[label, number(ms), number(1000 / ms)] for label, ms in f.get("alone_ms", {}).items()]
    text = [table(["game", "ms a step alone", "steps/s alone"], rows)]
    if "together_ms" in f:
        ms, apart = number(f["together_ms"]), number(f["one_after_the_other_ms"])
        text.append(
            f"A round of all: {ms} ms together, {apart} ms one after the other: "
            f"**{number(f['times_as_fast'], '.2f')} times as fast**, {number(f['rounds_per_second'])} rounds per second."
        )
    return "\n\n".join([*text, *f.get("notices_of_engines", [])])


def _biggan(f: Figures) -> str:
    plan, rows = f.get("plan", {}), f.get("rows", [])
    text = [f"Batch {f['batch']}; peak {number(f.get('peak_tflops'))}·10¹² operations per second.", _costs(rows)]
    if apart := [f"{r['latent']} {number(r['recorded_ms'])} ms" for r in rows if "recorded_ms" in r]:
        text.append(f"From their recordings without a graph: {', '.join(apart)}.")
    if "error" in plan:
        text.append(f"No plan: {plan['error']}")
    if methods := plan.get("methods"):
        text.append("What `logan plan` says of it beforehand, beside what was measured of the first engine:")
        text.append(_beside_plan(rows, methods))
    if tried := f.get("tried"):
        planned = ", ".join(f"{name} {number(m['largest_batch'])}" for name, m in methods.items())
        text.append(
            f"Largest batch, a power of two, in {number(f['gib'])} GiB as planned: {planned}. Tried with the latent step:"
        )
        text.append(table(["batch", "fits", "GiB", "ms", "images/s", ""], map(_attempt, tried)))
    return "\n\n".join(text)


def _beside_plan(rows: Sequence[Figures], methods: Mapping[str, Figures]) -> str:
    lines = []
    for name, m in methods.items():
        row: Figures = next((r for r in rows if r["latent"] == name and "gflop" in r), {})
        figures = (m["gflop"], row.get("gflop"), m["step_mib"], row.get("peak_mib"))
        lines.append([name, *map(number, figures)])
    return table(["latent", "GFLOP planned", "measured", "MiB of a step planned", "measured"], lines)


def _attempt(t: Figures) -> list[str]:
    figures = (number(t.get(name)) for name in ("gib", "ms", "images_per_second"))
    return [
        number(t["batch"]),
        number(t.get("fits")),
        *figures,
        "; ".join([*t.get("notices", []), t.get("error", "")])[:160],
    ]


def _ranks(f: Figures) -> str:
    text = []
    if group := f.get("group"):
        said = ", ".join(f"{k} {number(v)}" for k, v in group.items())
        text.append(f"Sums over a group of one rank, twice differentiated: {said}.")
    for name, said in (("torchrun", "under torchrun"), ("again", "a second time")):
        if d := f.get(f"{name}_against_alone"):
            losses = f"{number(d['first_loss'])} in the first tick and {number(d['last_loss'])} in the last"
            apart = f"weights differ by {number(d['weights'])} at most ({d['where']}), D's loss by {losses}"
            text.append(f"`logan train` alone and {said}: {'equal in every bit' if d['equal'] else apart}.")
    return "\n\n".join(text)


def _table2(f: Figures) -> str:
    rows, detector = f.get("rows", []), f.get("detector", {})
    names = list(dict.fromkeys(name for row in rows for name in row if name.startswith(("fid", "is"))))
    rounds, accuracy = number(f.get("rounds_per_second")), percent(detector.get("accuracy"))
    text = [
        f"{f.get('data')} ({number(f.get('images'))} images), {f.get('preset')}; {rounds} rounds of all games per second. "
        f"Scored by a {detector.get('name')} ({accuracy} right on held-out images; the real images' IS is "
        f"{number(detector.get('is_of_real_images'))}): these scores compare with each other, not with published ones."
    ]
    if rows:
        text.append(_scores(f, rows, names))
    if later := f.get("with_latent_steps"):
        text.append(f"With {later[0]['latent_steps']} latent steps before an image is scored:")
        text.append(table(["method", *names], ([r["method"], *(number(r.get(n)) for n in names)] for r in later)))
    text += f.get("notes", [])
    if rows:
        text.append("![curves](curves.png)\n\n![pictures](pictures.png)")
    return "\n\n".join(text)


def _scores(f: Figures, rows: Sequence[Figures], names: Sequence[str]) -> str:
    """The last and the best of every method."""
    extra = {"grad_z_squared": "‖g‖²", "delta_z": "‖Δz‖", "d_loss": "D's loss", "g_loss": "G's loss"}
    fids = [n for n in names if n.startswith("fid")]
    last = max(row["steps"] for row in rows)
    head = [
        "method",
        "α",
        "β",
        *(f"{n} at {last:,} steps" for n in names),
        *(f"best {n}" for n in fids),
        *extra.values(),
    ]
    lines = []
    for method, says in f["methods"].items():
        own = [r for r in rows if r["method"] == method]
        end: Figures = own[-1] if own else {}
        best = [min((r[n] for r in own if r.get(n) is not None), default=None) for n in fids]
        cells = [says.get("alpha"), says.get("beta"), *(end.get(n) for n in names), *best, *(end.get(n) for n in extra)]
        lines.append([method, *map(number, cells)])
    return table(head, lines)


SECTIONS: dict[str, Callable[[Figures], str]] = {
    "tests": _tests, "steps": _steps, "kernels": _kernels, "loop": _loop, "together": _together, "biggan": _biggan,
    "ranks": _ranks, "table2": _table2,
}  # fmt: skip
