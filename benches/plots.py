#!/usr/bin/env python3
"""Draws docs/overhead-layers.svg and docs/overhead-origins.svg from what the benches counted, and
writes the tables of docs/overhead.md anew, each between its two marks.

cargo bench --bench instructions --bench time --bench loopback && python3 benches/plots.py
"""

import math
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS, PEER, INK, FAINT = "#1f5673", "#c0793a", "#222b33", "#d5dbe1"
FONT = 'font-family="system-ui, sans-serif" font-size="13"'


def rows_of(bench):
    """What a bench wrote: the columns after the name, by name; nothing where it did not run."""
    file = ROOT / f"target/tmp/{bench}.tsv"
    lines = file.read_text().splitlines() if file.exists() else []
    return {name: columns for name, *columns in (line.split("\t") for line in lines)}


def counts():
    """Instructions above the bare service, by path."""
    return {path: float(above) for path, (_, above) in rows_of("instructions").items()}


def svg(width, height, title, marks):
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
            f'<title>{title}</title><rect width="100%" height="100%" fill="#fff"/>')
    return "\n".join([head, text(16, 28, title, weight=600), *marks, "</svg>", ""])


def text(x, y, content, anchor="start", weight=400):
    return (f'<text x="{x:.0f}" y="{y:.0f}" {FONT} fill="{INK}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{content}</text>')


def layers(above):
    """A bar for each layer, its counterpart's below it."""
    names = ["CorsContract", "ErrorBody", "MethodGuard", "PanicToError", "CatchError", "Timeout"]
    rows = [(name, above[f"layer/{name}"], above.get(f"layer/{name}, peer")) for name in names]
    rows.append(("all of them", above["healthy/ours"], above["healthy/lean peer"]))
    scale = 520 / max(value for row in rows for value in row[1:] if value)
    marks = []
    for at, (name, ours, peer) in enumerate(rows):
        y = 52 + at * 48
        marks.append(text(16, y + 20, name))
        for value, colour, top in ((ours, OURS, y), (peer, PEER, y + 17)):
            if value is not None:
                marks.append(f'<rect x="130" y="{top}" width="{value * scale:.1f}" height="15" '
                             f'fill="{colour}"/>')
                marks.append(text(136 + value * scale, top + 12, f"{value:,.0f}"))
    y = 52 + len(rows) * 48 + 12
    marks += [text(130, y, "blue: here"), text(220, y, "orange: tower-http's or axum's counterpart")]
    title = "Instructions for one healthy request, above the bare service"
    return svg(740, y + 16, title, marks)


def origins(above):
    """Two lines over the number of allowed origins, both axes logarithmic."""
    numbers = [1, 2, 10, 100, 1024]
    left, right, top, bottom = 70, 600, 60, 320
    low, high = 1_000, 100_000

    def x(number):
        return left + (right - left) * math.log(number) / math.log(1024)

    def y(value):
        return bottom - (bottom - top) * math.log(value / low) / math.log(high / low)

    marks = []
    for value in (1_000, 10_000, 100_000):
        marks.append(f'<path d="M{left} {y(value):.0f}H{right}" stroke="{FAINT}"/>')
        marks.append(text(left - 8, y(value) + 4, f"{value:,}", "end"))
    marks += [text(x(number), bottom + 22, f"{number:,}", "middle") for number in numbers]
    for series, colour, name in (("ours", OURS, "CorsContract"), ("peer", PEER, "tower-http")):
        points = [(x(number), y(above[f"origins/{series}/{number}"])) for number in numbers]
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        marks.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        marks += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.5" fill="{colour}"/>' for px, py in points]
        marks.append(text(right + 10, points[-1][1] + 4, name))
    title = "Instructions of the CORS layer alone, by number of allowed origins"
    return svg(720, 360, title, marks)


PEERS = ["ours", "lean peer", "equal-work peer", "honest floor"]
REQUESTS = {
    "healthy, one front end": "healthy/{}",
    "healthy, two front ends (`Vary`)": "healthy/{}, two urls",
    "healthy, pending once": "pending once/{}",
    "healthy, each request on its own clone": "cloned/{}",
    "a 404 in text becomes the envelope": "404 text/{}",
    "an `ApiError` becomes the envelope": "404 typed/{}",
    "a preflight": "preflight/{}",
    "a preflight that asks for 400 kB of headers": "preflight/{}, 400 kB asked for",
    "405": "405/{}",
    "a panic": "panic/{}",
}


def table(head, rows):
    lines = [head, *rows]
    lines = ["|" + "|".join(f" {cell} " if cell else " " for cell in line) + "|" for line in lines]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def by_peer(above):
    """A row for each kind of request, a column for each peer."""
    def cell(path):
        return f"{above[path]:,.0f}" if path in above else ""

    rows = [[name, *(cell(path.format(peer)) for peer in PEERS)] for name, path in REQUESTS.items()]
    return table(["one request", *PEERS], [row for row in rows if any(row[1:])])


def over_loopback(rows):
    """A row for each server: its own CPU time."""
    cells = [[name, f"{float(cpu):,.0f}", f"{float(above):+,.0f}"] for name, (_, cpu, above) in rows.items()]
    return table(["server", "CPU, ns for a request", "above bare"], cells)


def share(rows):
    """The part of what ours costs over loopback that a layer which sets the same lines costs."""
    lines, ours = (float(rows[name][2]) for name in ("a layer that sets the lines", "ours"))
    return f"Of what the contract costs, a layer that sets the same five lines costs {lines / ours * 100:.0f} %."


def write_between(page, mark, text):
    """Replaces what stands between the two comments of this name."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page)


def write_tables(above):
    file = ROOT / "docs/overhead.md"
    page = write_between(file.read_text(), "instructions", by_peer(above))
    if time := {path: float(above) for path, (_, above) in rows_of("time").items()}:
        page = write_between(page, "time", by_peer(time))
    if loopback := rows_of("loopback"):
        page = write_between(page, "loopback", f"{over_loopback(loopback)}\n\n{share(loopback)}")
    file.write_text(page)


def main():
    above = counts()
    write_tables(above)
    (ROOT / "docs/overhead-layers.svg").write_text(layers(above))
    (ROOT / "docs/overhead-origins.svg").write_text(origins(above))


main()
