#!/usr/bin/env python3
"""Draws docs/overhead-layers.svg and docs/overhead-origins.svg from what the benches counted.

cargo bench --bench instructions && python3 benches/plots.py
"""

import math
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS, PEER, INK, FAINT = "#1f5673", "#c0793a", "#222b33", "#d5dbe1"
FONT = 'font-family="system-ui, sans-serif" font-size="13"'


def counts():
    """Instructions above the bare service, by path."""
    lines = (ROOT / "target/tmp/instructions.tsv").read_text().splitlines()
    return {path: float(above) for path, _, above in (line.split("\t") for line in lines)}


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


def main():
    above = counts()
    (ROOT / "docs/overhead-layers.svg").write_text(layers(above))
    (ROOT / "docs/overhead-origins.svg").write_text(origins(above))


main()
