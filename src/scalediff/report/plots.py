"""Plots as inline SVG, made of a few shapes.

Colours, strokes and type sizes come from the page's style sheet through classes (``s1`` … for
series, ``f-…`` for families of drops), so that one drawing serves light, dark, print and phone.
Every text is escaped here; what is returned is safe markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from scalediff.report.words import percent

NUM_SERIES = 6
"""Series the style sheet has colours, dashes and markers for; further ones begin again."""


@dataclass(frozen=True)
class Point:
    """An estimate at a place on the axis; shares in [0, 1], bounds None where unknown."""

    x: int
    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """A named line and the class that colours it."""

    name: str
    css: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Part:
    """A part of a bar: rows, the class that colours it, and where a click leads."""

    name: str
    rows: int
    css: str
    href: str


def series_class(index: int) -> str:
    """The class of the series at ``index``."""
    return f"s{index % NUM_SERIES + 1}"


# The plot's frame in user units: room for the axis texts at phone size, too.
_WIDTH, _HEIGHT = 520.0, 262.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 14.0, 12.0, 44.0


def level_plot(series: Sequence[Series], label: str, difficult_from: int | None = None) -> Markup:
    """Accuracy by level: a line with its 95 % band for each student.

    ``difficult_from`` marks the levels that count as difficult.
    """
    levels = sorted({point.x for one in series for point in one.points})
    if not levels:
        return Markup("")
    frame = _Frame(levels)
    body = [_grid(frame), _difficult(frame, difficult_from)]
    body += [_band(frame, one) for one in series]
    body += [_line(frame, one) for one in series]
    head = Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>'
    ).format(f"{_WIDTH:.0f}", f"{_HEIGHT:.0f}", label, label)
    return head + Markup("").join(body) + Markup("</svg>")


class _Frame:
    """Places levels and shares on the drawing."""

    def __init__(self, levels: Sequence[int]) -> None:
        self.levels = levels
        self.first, self.last = levels[0], levels[-1]
        inner = _WIDTH - _LEFT - _RIGHT
        self._step = inner / (self.last - self.first + 1)

    def x(self, level: float) -> float:
        """The middle of a level's column."""
        return _LEFT + (level - self.first + 0.5) * self._step

    @staticmethod
    def y(share: float) -> float:
        """The height of a share, held within the frame."""
        held = min(1.0, max(0.0, share))
        return _TOP + (1.0 - held) * (_HEIGHT - _TOP - _BOTTOM)


def _text(x: float, y: float, css: str, text: str) -> Markup:
    return Markup('<text x="{}" y="{}" class="{}">{}</text>').format(
        f"{x:.1f}", f"{y:.1f}", css, text
    )


def _grid(frame: _Frame) -> Markup:
    """Horizontal lines each 25 %, and the two axes' texts."""
    found = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = frame.y(share)
        line = Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>')
        found.append(line.format(_LEFT, _WIDTH - _RIGHT, f"{y:.1f}", f"{y:.1f}"))
        found.append(_text(_LEFT - 8, y + 4.5, "axis end", f"{share * 100:.0f} %"))
    every = max(1, -(-len(frame.levels) // 12))
    bottom = _HEIGHT - _BOTTOM
    for level in frame.levels[::every]:
        found.append(_text(frame.x(level), bottom + 18, "axis mid", str(level)))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    found.append(_text(middle, _HEIGHT - 7, "axis mid", "level of the problem"))
    return Markup("").join(found)


def _difficult(frame: _Frame, first: int | None) -> Markup:
    """A thin rule where the difficult levels begin."""
    if first is None or not frame.first < first <= frame.last:
        return Markup("")
    x = frame.x(first - 0.5)
    rule = Markup('<line class="rule" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        f"{x:.1f}", f"{x:.1f}", f"{_TOP:.1f}", f"{_HEIGHT - _BOTTOM:.1f}"
    )
    return rule + _text(x + 6, frame.y(0.0) - 7, "axis", "difficult →")


def _band(frame: _Frame, series: Series) -> Markup:
    known = [p for p in series.points if p.low is not None and p.high is not None]
    if len(known) < 2:
        return Markup("")
    upper = [f"{frame.x(p.x):.1f},{frame.y(p.high or 0.0):.1f}" for p in known]
    lower = [f"{frame.x(p.x):.1f},{frame.y(p.low or 0.0):.1f}" for p in reversed(known)]
    return Markup('<polygon class="band {}" points="{}"/>').format(
        series.css, " ".join(upper + lower)
    )


def _line(frame: _Frame, series: Series) -> Markup:
    """The line, and a marker on each level with its figures as a tooltip."""
    places = " ".join(f"{frame.x(p.x):.1f},{frame.y(p.mean):.1f}" for p in series.points)
    found = [Markup('<polyline class="line {}" points="{}"/>').format(series.css, places)]
    for point in series.points:
        told = f"{series.name}, level {point.x}: {percent(point.mean)}"
        if point.low is not None and point.high is not None:
            told += f" [{point.low * 100:.1f}, {point.high * 100:.1f}]"
        dot = Markup('<circle class="dot {}" cx="{}" cy="{}" r="3.6"><title>{}</title></circle>')
        at = (f"{frame.x(point.x):.1f}", f"{frame.y(point.mean):.1f}")
        found.append(dot.format(series.css, *at, told))
    return Markup("").join(found)


def stacked_bar(parts: Sequence[Part], label: str) -> Markup:
    """One bar whose parts add up; each is a link to its rows. It stretches, so it holds no text."""
    total = sum(part.rows for part in parts)
    if total <= 0:
        return Markup("")
    found = [
        Markup(
            '<svg class="bar" viewBox="0 0 1000 40" preserveAspectRatio="none" role="img" '
            'aria-label="{}"><title>{}</title>'
        ).format(label, label)
    ]
    x = 0.0
    for part in parts:
        width = 1000.0 * part.rows / total
        if part.rows > 0:
            told = f"{part.name}: {part.rows:,} ({percent(part.rows / total)})"
            shape = Markup(
                '<a href="#{}"><rect class="{}" x="{}" y="0" width="{}" height="40">'
                "<title>{}</title></rect></a>"
            )
            gap = 1.5 if width > 6 else 0.0
            shown = f"{max(width - gap, 0.8):.2f}"
            found.append(shape.format(part.href, part.css, f"{x:.2f}", shown, told))
        x += width
    return Markup("").join(found) + Markup("</svg>")


@dataclass(frozen=True)
class Whisker:
    """A named share with bounds (None where unknown) and a class."""

    name: str
    share: float
    low: float | None
    high: float | None
    css: str = "s1"


def whisker(one: Whisker, scale: float) -> Markup:
    """One estimate as a dot with its interval on a track from 0 to ``scale``, for a table cell."""
    top = scale if scale > 0 else 1.0

    def place(share: float) -> str:
        return f"{4 + 192 * min(1.0, max(0.0, share / top)):.1f}"

    told = f"{one.name}: {percent(one.share)}"
    found = [
        Markup(
            '<svg class="whisker" viewBox="0 0 200 16" role="img" aria-label="{}">'
            '<line class="grid" x1="4" x2="196" y1="8" y2="8"/>'
        ).format(told)
    ]
    if one.low is not None and one.high is not None:
        line = Markup('<line class="span {}" x1="{}" x2="{}" y1="8" y2="8"/>')
        found.append(line.format(one.css, place(one.low), place(one.high)))
    dot = Markup('<circle class="dot {}" cx="{}" cy="8" r="4"/></svg>')
    found.append(dot.format(one.css, place(one.share)))
    return Markup("").join(found)


def scale_of(shares: Sequence[float | None]) -> float:
    """A round upper end for shares: the next of 10, 20, 40, 60, 80, 100 %."""
    top = max((share for share in shares if share is not None), default=1.0)
    return next((end for end in (0.1, 0.2, 0.4, 0.6, 0.8) if top <= end), 1.0)
