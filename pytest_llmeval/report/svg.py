"""SVG elements as text; texts and attributes are always escaped.

Colours are attributes, which every SVG viewer understands. Each comes with a class, for which the page's
style sheet has other colours in its light and dark themes.
"""

from __future__ import annotations

from markupsafe import Markup, escape

from pytest_llmeval.report.text import clean, width_of

INK, MUTED, GRID, PAPER = "#1f2328", "#656d76", "#dfe2e6", "#ffffff"
#: distinct for most colour-blind people; models also differ in shape (``charts.py``)
SERIES = ("#2f5fc4", "#c4632a", "#2a8a6c", "#8a4fa8", "#a8842a", "#3c8fb5", "#b54a6e", "#6b7280")
OUTCOMES = {
    "correct": "#2f8f6b",
    "wrong": "#9aa4b2",
    "unparsed": "#d99a1c",
    "answered": "#4a93c2",
    "error": "#cf3f36",
}
FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', sans-serif"


def element(name: str, *children: object, **attributes: object) -> Markup:
    """An element; ``class_`` becomes ``class``, ``font_size`` becomes ``font-size``, None is omitted.

    Children other than ``Markup`` are text; characters that XML does not allow or that change the direction
    of text are removed.
    """
    attribute_text = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    content = "".join(child if isinstance(child, Markup) else escape(clean(str(child))) for child in children)
    return Markup(f"<{name}{attribute_text}>{content}</{name}>" if content else f"<{name}{attribute_text}/>")


def _attribute(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return escape(clean(str(value)))


def text(x: float, y: float, words: str, **more: object) -> Markup:
    """Text at a point; ``anchor`` is start, middle or end."""
    anchor = more.pop("anchor", None)
    attributes = {"fill": INK, "class_": "ink", **more}
    return element("text", words, x=x, y=y, text_anchor=anchor, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **more: object) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **{"stroke": GRID, "class_": "grid", **more})


def rect(x: float, y: float, width: float, height: float, **more: object) -> Markup:
    """A rectangle; a negative size counts as 0."""
    return element("rect", x=x, y=y, width=max(0.0, width), height=max(0.0, height), **more)


def drawing(width: float, height: float, label: str, *children: object, **more: object) -> Markup:
    """The whole drawing; ``label`` describes it to screen readers."""
    return element(
        "svg",
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_label=label,
        **{"font_family": FONT, "font_size": 12, **more},
    )


def text_width(words: str, size: float = 12) -> float:
    """An upper estimate of the width of ``words`` in pixels; fonts differ."""
    return width_of(clean(words)) * size * 0.57
