"""SVG elements are well-formed XML whatever their content."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from pytest_llmeval.report import svg

ANYTHING = st.text(st.characters(exclude_categories=()))  # lone surrogates and controls too


@given(ANYTHING, ANYTHING)
def test_any_text_and_attribute_is_escaped(words: str, value: str) -> None:
    drawn = svg.drawing(10, 10, value, svg.text(1, 2, words, class_=value))
    root = ElementTree.fromstring(drawn)
    assert [one.tag.rpartition("}")[2] for one in root.iter()] == ["svg", "text"]
    assert set(root[0].attrib) == {"x", "y", "fill", "class"}
    for text in (root.attrib["aria-label"], root[0].text or ""):
        assert all(char.isprintable() for char in text)


def test_markup_is_kept_and_text_is_escaped() -> None:
    assert svg.element("g", Markup("<b/>"), "<b/>") == "<g><b/>&lt;b/&gt;</g>"
    assert svg.element("g", font_size=1.25, class_="a", x=None) == '<g font-size="1.2" class="a"/>'


def test_wide_characters_count_twice() -> None:
    assert svg.text_width("注册") == 2 * svg.text_width("ab")


def test_a_negative_width_is_0() -> None:
    assert 'width="0"' in svg.rect(0, 0, -3, 4)
