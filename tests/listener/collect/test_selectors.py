"""Selectors as people write them."""

from __future__ import annotations

import lxml.html
import pytest

from listener.collect.registry import check_params
from listener.collect.selectors import to_xpath
from listener.errors import InvalidInput
from listener.types import Kind, Param, SourceSpec

PAGE = lxml.html.fromstring(
    '<html><body><div class="row" data-no="7"><p>하나 <b>둘</b></p><a href="/7">글</a></div>'
    '<div class="row"><p>셋</p></div></body></html>'
)


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        (".row p", 2),
        ("div.row > a::attr(href)", 1),
        ("//div[@class='row']", 2),
        ("./body/div", 2),
        ("(//p)[1]", 1),
        ("xpath:body/div/p", 2),
        ("  .row  ", 2),
    ],
)
def test_css_and_xpath_find_the_same_way(selector: str, found: int) -> None:
    assert len(PAGE.xpath(to_xpath(selector))) == found


def test_an_absolute_path_is_asked_below_the_node() -> None:
    first = PAGE.cssselect(".row")[0]
    assert len(first.xpath(to_xpath("//p"))) == 1


@pytest.mark.parametrize("selector", ["", "div[", "..row", "p:nosuch(", "//p[", "(//p", "x" * 501])
def test_what_is_no_selector_is_said(selector: str) -> None:
    with pytest.raises(ValueError, match=r"it has|not CSS|not XPath"):
        to_xpath(selector)


def test_a_parameter_that_is_a_selector_is_judged_before_it_is_saved(now: object) -> None:
    from datetime import timedelta

    spec = SourceSpec(
        name="plaza",
        title="Plaza",
        title_ko="플라자",
        every=timedelta(minutes=10),
        kind=Kind.POST,
        params=(Param(name="text", title="Text", title_ko="본문", kind="selector", example=".b"),),
    )
    assert check_params(spec, {"text": " .body p "}) == {"text": ".body p"}
    with pytest.raises(InvalidInput) as raised:
        check_params(spec, {"text": "div["})
    assert raised.value.field == "text"
    assert raised.value.hint == "For example: text=.b"
