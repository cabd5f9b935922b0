"""The picture of a run of chaos, as SVG written by hand and as PNG. Called by Tests/chaos/plot, which has installed
what draws the PNG.

Where several buckets of 10 ms share a column of the picture, the dark area reaches up to the least of them and the
light one up to the most: a single bucket without deliveries is a white gap, however long the run.
"""

import argparse
import json
import math
from pathlib import Path
from xml.sax.saxutils import escape

import resvg_py

WIDTH, LEFT, RIGHT = 1200, 64, 24
HEAD, HEIGHT, FOOT = 46, 170, 46  # of each panel: title, the graph, the axis; names of events are above the graph
SLANT = 40  # degrees of those names
COLOURS = [("#1f6f8b", "#a9d3df"), ("#a4561f", "#ecc9a9")]
STYLE = """
text { font-family: "DejaVu Sans", Verdana, sans-serif; font-size: 12px; fill: #333 }
.title { font-size: 16px; font-weight: bold; fill: #111 }
.small { font-size: 11px; fill: #555 }
.grid { stroke: #e4e4e4 }
.axis { stroke: #888 }
.event { stroke: #c22f3d; stroke-dasharray: 3 3 }
.name { font-size: 11px; fill: #a02030 }
"""


def summary(report):
    def number(key):
        return sum(report[key]) if isinstance(report[key], list) else report[key]

    pauses = [event["pause_ms"]["worst"] for event in report["events"][1:] if event["pause_ms"]]
    pause = f"; longest pause of any client {max(pauses):,.0f} ms" if pauses else ""
    return (f"{report['connections']:,} connections, {report['rate']:,.0f} messages a second: "
            f"{number('disconnects'):,} disconnects, {number('refused'):,} connects refused, {number('lost'):,} "
            f"messages lost, {number('duplicated'):,} doubled, {number('out_of_order'):,} out of order{pause}")


def nice_step(span, most):
    """The least of 1, 2, 5, 10, 20, … that divides a span into no more than so many parts."""
    step = 10 ** math.floor(math.log10(span / most))
    return next(step * factor for factor in (1, 2, 5, 10) if span / (step * factor) <= most)


class Scale:
    """Seconds to the right and deliveries upwards, the same in every panel."""

    def __init__(self, start, end, most, longest_name):
        self.start, self.end, self.most = start, end, most
        self.labels = 24 + longest_name * 6.5 * math.sin(math.radians(SLANT))
        self.panel = HEAD + self.labels + HEIGHT + FOOT
        self.columns = min(WIDTH - LEFT - RIGHT, round((end - start) * 100))

    def x(self, seconds):
        return LEFT + (seconds - self.start) / (self.end - self.start) * (WIDTH - LEFT - RIGHT)

    def y(self, bottom, deliveries):
        return bottom - min(deliveries, self.most) / self.most * HEIGHT


def area(scale, bottom, values, colour):
    """Steps over the columns from the left on; what has no value is beyond the end of the run."""
    points = [f"M{LEFT:.1f} {bottom:.1f}"]
    width = (WIDTH - LEFT - RIGHT) / scale.columns
    for column, value in enumerate(values):
        points.append(f"V{scale.y(bottom, value):.1f}H{LEFT + (column + 1) * width:.1f}")
    return f'<path d="{"".join(points)}V{bottom:.1f}Z" fill="{colour}"/>'


def columns(report, scale):
    """The least and the most deliveries per bucket in each column."""
    buckets, per_second = report["buckets"], 1000 / report["bucket_ms"]
    edges = [round((scale.start + (scale.end - scale.start) * column / scale.columns) * per_second)
             for column in range(scale.columns + 1)]
    groups = [buckets[low:max(low + 1, high)] for low, high in zip(edges, edges[1:])]
    return [(min(group), max(group)) for group in groups if group]


def panel(name, report, scale, top, colours):
    dark, light = colours
    ceiling = top + HEAD + scale.labels
    bottom = ceiling + HEIGHT
    found = columns(report, scale)
    yield f'<text class="title" x="{LEFT}" y="{top + 22:.1f}">{escape(name)}</text>'
    yield f'<text class="small" x="{LEFT}" y="{top + 40:.1f}">{escape(summary(report))}</text>'
    step = nice_step(scale.most, 5)
    for deliveries in range(0, int(scale.most) + 1, max(1, int(step))):
        y = scale.y(bottom, deliveries)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="small" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{deliveries}</text>'
    yield (f'<text class="small" transform="translate(18 {bottom - HEIGHT / 2:.1f}) rotate(-90)" text-anchor="middle">'
           f'deliveries per {report["bucket_ms"]} ms</text>')
    yield area(scale, bottom, [most for _, most in found], light)
    yield area(scale, bottom, [least for least, _ in found], dark)
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom:.1f}" y2="{bottom:.1f}"/>'
    step = nice_step(scale.end - scale.start, 12)
    for tick in range(math.ceil(scale.start / step), math.floor(scale.end / step) + 1):
        x = scale.x(tick * step)
        yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom:.1f}" y2="{bottom + 5:.1f}"/>'
        yield f'<text class="small" x="{x:.1f}" y="{bottom + 19:.1f}" text-anchor="middle">{tick * step:g} s</text>'
    for event in report["events"][1:]:
        if scale.start <= event["at"] <= scale.end:
            x = scale.x(event["at"])
            yield f'<line class="event" x1="{x:.1f}" x2="{x:.1f}" y1="{ceiling - 6:.1f}" y2="{bottom:.1f}"/>'
            yield (f'<text class="name" transform="translate({x + 2:.1f} {ceiling - 10:.1f}) rotate(-{SLANT})">'
                   f'{escape(event["name"])}</text>')


def draw(reports, start, end):
    if end is None:
        end = max(len(report["buckets"]) * report["bucket_ms"] / 1000 for _, report in reports)
    # What comes at once after an outage would press all else to the ground, so it is cut off at four times the rate.
    usual = max(report["rate"] * report["bucket_ms"] / 1000 for _, report in reports)
    most = min(4 * usual, max(max(report["buckets"]) for _, report in reports))
    longest = max(len(event["name"]) for _, report in reports for event in report["events"])
    scale = Scale(start, end, math.ceil(most / 10) * 10, longest)
    height = scale.panel * len(reports)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
             f'width="{WIDTH}" height="{height:.0f}">',
             f"<style>{STYLE}</style>", '<rect width="100%" height="100%" fill="#fff"/>']
    for number, (name, report) in enumerate(reports):
        lines += panel(name, report, scale, number * scale.panel, COLOURS[number % 2])
    return "\n".join([*lines, "</svg>", ""])


def named_report(text):
    name, separator, path = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=REPORT")
    return name, json.loads(Path(path).read_text())


def main():
    parser = argparse.ArgumentParser(description="Draws deliveries over time from reports of Tests/chaos/run.")
    parser.add_argument("--from", dest="start", type=float, default=0, metavar="S", help="seconds to begin at (0)")
    parser.add_argument("--to", dest="end", type=float, metavar="S", help="seconds to end at (the end)")
    parser.add_argument("output", help="the pictures, without .svg and .png")
    parser.add_argument("reports", nargs="+", type=named_report, metavar="NAME=REPORT")
    given = parser.parse_args()
    svg = draw(given.reports, given.start, given.end)
    Path(f"{given.output}.svg").write_text(svg)
    Path(f"{given.output}.png").write_bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=2))


if __name__ == "__main__":
    main()
