"""Draws the dashboard of a template with the numbers of log lines: draw.py TEMPLATE LINES, SVG on stdout."""

import json
import re
import sys
from xml.sax.saxutils import escape

import dashboard
import template as sam
from conditions import Conditions
from cloudwatch import Numbers, added, rings
from samtranslator.yaml_helper import yaml_parse

# With all that is watched. Nothing of a day tells of batches or of Lambda itself.
PARAMETERS = {"Scans": "create", "MonthlyBudget": "400000"}
COLUMN, ROW, GAP = 50, 40, 8
PALETTE = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"]
CAPTION = (
    "A day in virtual time, in which computing takes none. 07:30 all tokens are revoked; 09:00 Aspose is slow, and answers 503 now and then; "
    "11:00 the token endpoint is down;",
    "13:30 a mistyped secret; 15:00 Aspose is out of reach; 16:00 a caller has the wrong path. Red in the alarms is when each would ring.")

# What each fault of TestDay has to raise, from when to when; an alarm that is not here has to keep still.
EXPECTED = {
    "ErrorsAlarm": [("09:00", "09:40"), ("11:00", "12:15"), ("13:30", "13:50"), ("15:00", "15:12")],
    "TokenFailuresAlarm": [("11:00", "12:15"), ("13:30", "13:50")],
    "CredentialsRejectedAlarm": [("13:30", "13:50")],
}


class Picture:
    def __init__(self):
        self.parts = []

    def text(self, x, y, words, size=11, color="#333", anchor="start", weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>')

    def rect(self, x, y, width, height, fill, stroke="none", title=""):
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" stroke="{stroke}">{inner}</rect>')

    def path(self, points, color, fill="none", width=1.3):
        along = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<{"polyline" if fill == "none" else "polygon"} points="{along}" fill="{fill}" stroke="{color}" stroke-width="{width}"/>')


def curves(widget, numbers):
    """(label, color, points) of each line that is shown; points are None where AWS alone has the numbers."""
    hidden, found = {}, []
    for namespace, metric, dimensions, options in dashboard.lines(widget):
        options = {"stat": widget["properties"].get("stat"), "period": widget["properties"]["period"]} | options
        color = options.get("color")
        if namespace:
            points = numbers.points(namespace, metric, dimensions, options["stat"], options["period"])
            hidden[options.get("id")] = points
            if options.get("visible", True):
                found.append((options.get("label", metric), color, points or (None if namespace.startswith("AWS/") else {})))
        elif expression := options["expression"].startswith("SUM(SEARCH"):
            found.append((options["label"], color, added(points for _, points in numbers.searched(options["expression"]))))
        elif options["expression"].startswith("SEARCH"):
            found += [(label, None, points) for label, points in sorted(numbers.searched(options["expression"]))]
        else:
            found.append((options["label"], color, options["expression"]))
    colored = [(label, color or PALETTE[n % len(PALETTE)], points) for n, (label, color, points) in enumerate(found)]
    # An expression of others, which may stand below it.
    return [(label, color, computed(points, hidden) if isinstance(points, str) else points) for label, color, points in colored]


def computed(expression, hidden):
    factor, ids = re.fullmatch(r"(\d+) \* SUM\(\[([\w, ]+)\]\)", expression).groups()
    return {at: int(factor) * value for at, value in added(hidden[i] for i in ids.split(", ")).items()}


def card(picture, widget):
    x, y = widget["x"] * COLUMN + GAP, widget["y"] * ROW + GAP
    width, height = widget["width"] * COLUMN - GAP, widget["height"] * ROW - GAP
    picture.rect(x, y, width, height, "#fff", "#d5dbdb")
    picture.text(x + 10, y + 18, widget["properties"]["title"], 12, weight="bold")
    return x, y, width, height


def alarms(picture, widget, resources, numbers, values):
    x, y, width, height = card(picture, widget)
    names = [arn.removesuffix(".Arn") for arn in widget["properties"]["alarms"]]
    across = 4
    for n, name in enumerate(names):
        left, top = x + 10 + n % across * (width - 10) / across, y + 28 + n // across * 21
        room = (width - 10) / across - 14
        ours = any(key[0] in str(resources[name]["Properties"]) for key in numbers.series)
        picture.rect(left, top, room, 16, "#d5f0d5" if ours else "#e5e7e7")
        for since, until in rings(numbers, resources[name]["Properties"], values):
            span = numbers.end - numbers.begin
            picture.rect(left + room * (since - numbers.begin) / span, top, max(2, room * (until - since) / span), 16, "#e88", title=f"{clock(since)}–{clock(until)}")
        picture.text(left + 6, top + 12, name + ("" if ours else " (AWS's own numbers)"), 10)


def clock(at):
    return f"{int(at // 3600):02d}:{int(at % 3600 // 60):02d}"


def singles(picture, widget, numbers):
    x, y, width, height = card(picture, widget)
    shown = curves(widget, numbers)
    for n, (label, _, points) in enumerate(shown):
        middle = x + width * (n + 0.5) / len(shown)
        picture.text(middle, y + height / 2 + 12, f"{sum((points or {}).values()):,}", 30, anchor="middle")
        picture.text(middle, y + height / 2 + 34, label, 11, "#687078", "middle")


def graph(picture, widget, numbers):
    x, y, width, height = card(picture, widget)
    shown, period = curves(widget, numbers), widget["properties"]["period"]
    left, right, top = x + 46, x + width - 10, y + 30
    bottom = y + height - 20 - 14 * legend(picture, x, y, width, height, shown)
    times = range(int(numbers.begin), int(numbers.end), period)
    stacked = widget["properties"].get("stacked")
    totals = [sum((points or {}).get(at, 0) for _, _, points in shown) for at in times] if stacked else [
        v for _, _, points in shown for v in (points or {}).values()]
    most = nice(max([*totals, 1]))

    def place(at, value):
        return left + (right - left) * (at - numbers.begin) / (numbers.end - numbers.begin), bottom - (bottom - top) * value / most

    for n in range(5):
        height_of = place(0, most * n / 4)[1]
        picture.path([(left, height_of), (right, height_of)], "#eaeded", width=1)
        picture.text(left - 5, height_of + 3, short(most * n / 4), 9, "#687078", "end")
    for hour in range(int(numbers.begin), int(numbers.end) + 1, 2 * 3600):
        picture.text(place(hour, 0)[0], bottom + 12, clock(hour), 9, "#687078", "middle")
    below = dict.fromkeys(times, 0.0)
    for _, color, points in shown:
        points = points or {}
        if stacked:
            base = [place(at, below[at]) for at in times]
            for at in times:
                below[at] += points.get(at, 0)
            if points:
                picture.path([place(at, below[at]) for at in times] + base[::-1], color, color, 0.5)
            continue
        # A gap where there is nothing, and a dot where there is nothing beside.
        run = []
        for at in [*times, None]:
            if at in points:
                run.append(place(at + period / 2, points[at]))
            elif run:
                picture.path(run if len(run) > 1 else [run[0], (run[0][0] + 1.5, run[0][1])], color, width=1.3 if len(run) > 1 else 3)
                run = []


def legend(picture, x, y, width, height, shown):
    """Returns in how many lines it stands."""
    places, across, rows = [], 10, 1
    for label, color, points in shown:
        words = label + ("" if points is not None else " (AWS's own)")
        needed = 22 + 5.6 * len(words)
        if across + needed > width and places:
            rows, across = rows + 1, 10
        places.append((across, rows, words, color))
        across += needed
    for across, row, words, color in places:
        level = y + height - 8 - 14 * (rows - row)
        picture.rect(x + across, level - 8, 9, 9, color)
        picture.text(x + across + 13, level, words, 10, "#333")
    return rows


def nice(value):
    size = 10 ** (len(str(int(value))) - 1)
    return next(n * size for n in (1, 2, 4, 5, 8, 10) if n * size >= value)


def short(value):
    return f"{value / 1000:g}k" if value >= 10000 else f"{value:g}"


def wrong_alarms(resources, numbers, values):
    for name, resource in resources.items():
        if resource["Type"] != "AWS::CloudWatch::Alarm":
            continue
        begun, faults = [clock(since) for since, _ in rings(numbers, resource["Properties"], values)], EXPECTED.get(name, [])
        if any(not any(since <= at <= until for since, until in faults) for at in begun) or any(
                not any(since <= at <= until for at in begun) for since, until in faults):
            yield f"{name} rings at {begun}, the faults are {faults}"


def main(path, lines):
    with open(path, encoding="utf-8") as f:
        translated = sam.translate(json.loads(json.dumps(yaml_parse(f.read()))), PARAMETERS)
    chosen = Conditions(translated, PARAMETERS)
    resources = chosen.section(translated, "Resources")
    with open(lines, encoding="utf-8") as f:
        numbers = Numbers(f)
    picture, bottom = Picture(), 0
    for widget in dashboard.body(chosen, resources)["widgets"]:
        bottom = max(bottom, (widget["y"] + widget["height"]) * ROW)
        if widget["type"] == "alarm":
            alarms(picture, widget, resources, numbers, chosen.values)
        elif widget["properties"]["view"] == "singleValue":
            singles(picture, widget, numbers)
        else:
            graph(picture, widget, numbers)
    for n, line in enumerate(CAPTION):
        picture.text(GAP, bottom + 24 + 15 * n, line, 11, "#687078")
    width, height = 24 * COLUMN + GAP, bottom + 50
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif">')
    print(f'<rect width="{width}" height="{height}" fill="#f2f3f3"/>')
    print("\n".join(picture.parts))
    print("</svg>")
    return list(wrong_alarms(resources, numbers, chosen.values))


if __name__ == "__main__":
    if wrong := main(*sys.argv[1:]):
        sys.exit("\n".join(wrong))
