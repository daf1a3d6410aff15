"""Pictures as inline SVG: they take their colours from the page, need no library, and are the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tunesmith.core.numbers import Number
from tunesmith.web.html import Html, escaped, join, tag
from tunesmith.web.words import decimal, grouped

WIDTH, HEIGHT = 380, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 18, 28
Scale = tuple[float, float]
Points = Sequence[tuple[float, float]]


def scale_of(values: Sequence[float | None], *, pad: float = 0.08) -> Scale:
    """The stretch of the axis that shows all these values, a little wider than they are."""
    known = [value for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = pad * (high - low) if high > low else 0.1 * abs(high) or 0.5
    return low - room, high + room


def place(value: float, scale: Scale, start: float = 0.0, end: float = 100.0) -> float:
    """Where a value lies between start and end; what is off the scale lies on its edge."""
    part = (value - scale[0]) / (scale[1] - scale[0])
    return round(start + (end - start) * min(1.0, max(0.0, part)), 2)


def whisker(number: Number, scale: Scale, *, bounds: Sequence[float] = (), thin: Number | None = None) -> Html:
    """A point with its 95 % interval on a scale shared by the column, with dashed lines where the bounds are.

    `thin` is the same number with a second interval, drawn as a thin line.
    """
    if number.value is None:
        return Html("")
    marks = [_upright(place(bound, scale), "bound") for bound in bounds]
    marks += [] if thin is None else _reach(thin, scale, "thin")
    marks += _reach(number, scale, "reach")
    axis = tag("line", x1="0%", x2="100%", y1=9, y2=9, class_="axis")
    point = tag("circle", cx=f"{place(number.value, scale)}%", cy=9, r=3.6, class_="point")
    return tag("svg", axis, *marks, point, class_="whisker", height=18, role="img", aria_label=str(number))


def _reach(number: Number, scale: Scale, class_: str) -> list[Html]:
    """The line of an interval, with its two ends."""
    if number.low is None or number.high is None:
        return []
    start, end = place(number.low, scale), place(number.high, scale)
    line = tag("line", x1=f"{start}%", x2=f"{end}%", y1=9, y2=9, class_=class_)
    return [line, _upright(start, class_, 6, 12), _upright(end, class_, 6, 12)]


def _upright(percent: float, class_: str, top: int = 1, bottom: int = 17) -> Html:
    return tag("line", x1=f"{percent}%", x2=f"{percent}%", y1=top, y2=bottom, class_=class_)


def stacked(parts: Sequence[tuple[str, float]], whole: float) -> Html:
    """One bar made of parts, each (class, amount), on a track that stands for the whole; it repeats printed numbers."""
    shown = (
        tag("i", class_=name, style=f"width:{100 * part / whole:.3f}%") for name, part in parts if whole and part > 0
    )
    return tag("span", *shown, class_="bar", aria_hidden="true")


def ticks(scale: Scale, about: int = 4) -> list[float]:
    """Round values within a scale, about this many."""
    rough = (scale[1] - scale[0]) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first = math.ceil(scale[0] / step)
    return [round(step * index, 10) for index in range(first, math.floor(scale[1] / step) + 1)]


def curve(series: Mapping[str, Points], *, alt: str) -> Html:
    """Lines over training steps, one for each series; `key` marks their names in the caption."""
    across = scale_of([x for points in series.values() for x, _ in points], pad=0)
    upward = scale_of([y for points in series.values() for _, y in points])
    lines = [
        tag("polyline", points=_path(points, across, upward), class_=f"line s{index}")
        for index, points in enumerate(series.values())
    ]
    return _chart(join([_grid(upward), _steps(across), *lines]), alt)


def key(index: int) -> Html:
    """The mark of a line in the legend of a curve."""
    return tag("i", class_=f"key s{index}", aria_hidden="true")


def _path(points: Points, across: Scale, upward: Scale) -> str:
    placed = [(place(x, across, LEFT, WIDTH - RIGHT), place(y, upward, HEIGHT - BOTTOM, TOP)) for x, y in points]
    # A line to itself is drawn as a dot, so that a curve of one point is seen.
    return " ".join(f"{x},{y}" for x, y in placed * (2 if len(placed) == 1 else 1))


def _grid(upward: Scale) -> Html:
    marks = ticks(upward)
    places = next((n for n in range(6) if all(abs(mark - round(mark, n)) < 1e-9 for mark in marks)), 6)
    rows = []
    for mark in marks:
        y = place(mark, upward, HEIGHT - BOTTOM, TOP)
        rows.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        rows.append(tag("text", decimal(mark, places), x=LEFT - 6, y=y + 4, text_anchor="end"))
    return join(rows)


def _steps(across: Scale) -> Html:
    marks = [mark for mark in ticks(across) if mark == round(mark)]
    return join(_below(mark, place(mark, across, LEFT, WIDTH - RIGHT)) for mark in marks)


def _below(value: float, x: float) -> Html:
    text = grouped(value) if value == round(value) else decimal(value, 2)
    return tag("text", text, x=x, y=HEIGHT - 10, text_anchor="middle")


def reliability(points: Sequence[tuple[float, Number]], *, alt: str) -> Html:
    """What was right among the confident ones: each bin's accuracy with its interval, over the diagonal of honesty."""
    across: Scale = (0.5, 1.0)
    upward = scale_of([0.5, 1.0, *(end for _, was in points for end in (was.low, was.value, was.high))], pad=0.02)
    marks = []
    for said, was in points:
        x = place(said, across, LEFT, WIDTH - RIGHT)
        if was.low is not None and was.high is not None:
            low, high = (place(end, upward, HEIGHT - BOTTOM, TOP) for end in (was.low, was.high))
            marks.append(tag("line", x1=x, x2=x, y1=low, y2=high, class_="reach"))
        y = place(was.value or 0.0, upward, HEIGHT - BOTTOM, TOP)
        marks.append(tag("circle", cx=x, cy=y, r=3.6, class_="point"))
    ends = _path([(0.5, 0.5), (1.0, 1.0)], across, upward)
    diagonal = tag("polyline", points=ends, class_="axis", fill="none")
    below = join(_below(mark, place(mark, across, LEFT, WIDTH - RIGHT)) for mark in ticks(across))
    return _chart(join([_grid(upward), below, diagonal, *marks]), alt)


def histogram(edges: Sequence[float], counts: Sequence[float], bounds: Mapping[str, float], *, alt: str) -> Html:
    """Bars over the values of a signal, with a line at each bound among them; bars beyond a bound count as dropped."""
    across, top = (edges[0], edges[-1]), max(counts)
    bars = []
    for low, high, amount in zip(edges, edges[1:], counts, strict=False):
        x, end = (place(edge, across, LEFT, WIDTH - RIGHT) for edge in (low, high))
        y = place(amount, (0, top), HEIGHT - BOTTOM, TOP)
        kind = "dropped" if _beyond(low, high, bounds) else "kept"
        size = {"x": x, "y": y, "width": round(max(0.5, end - x - 0.8), 2), "height": round(HEIGHT - BOTTOM - y, 2)}
        bars.append(tag("rect", class_=kind, **size))
    marks = join(_below(mark, place(mark, across, LEFT, WIDTH - RIGHT)) for mark in ticks(across, 5))
    lines = join(_bound(name, value, across) for name, value in bounds.items() if across[0] <= value <= across[1])
    return _chart(join([_grid_counts(top), *bars, marks, lines]), alt)


def _beyond(low: float, high: float, bounds: Mapping[str, float]) -> bool:
    """Whether no value in [low, high) can be kept; `max` is inclusive, so the bar that starts at it is kept."""
    below = any(high <= bounds[name] for name in ("min", "above") if name in bounds)
    return below or low > bounds.get("max", math.inf) or low >= bounds.get("below", math.inf)


def _grid_counts(top: float) -> Html:
    text = tag("text", grouped(top), x=LEFT - 6, y=TOP + 4, text_anchor="end")
    floor = HEIGHT - BOTTOM
    lines = (tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid") for y in (TOP, floor))
    return join([text, tag("text", "0", x=LEFT - 6, y=floor + 4, text_anchor="end"), *lines])


def _bound(name: str, value: float, across: Scale) -> Html:
    x = place(value, across, LEFT, WIDTH - RIGHT)
    anchor, gap = ("start", 4) if x < WIDTH * 0.8 else ("end", -4)
    line = tag("line", x1=x, x2=x, y1=TOP - 4, y2=HEIGHT - BOTTOM, class_="bound")
    label = tag("text", f"{name} {value:g}", x=x + gap, y=TOP - 6, text_anchor=anchor, class_="bound")
    return join([line, label])


def _chart(content: Html, alt: str) -> Html:
    title = Html(f"<title>{escaped(alt)}</title>")
    return tag("svg", title, content, class_="chart", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=alt)
