"""Where something stands on a web page, as people write it: CSS or XPath. Pure.

A watch's parameters are judged with it before they are saved, and the spider reads pages by it.
"""

from __future__ import annotations

LONGEST = 500  # characters; more is pasted by mistake
_XPATH = ("/", "./", "../", "(", "@", "xpath:")


def to_xpath(selector: str) -> str:
    """A selector as an XPath 1.0 expression, relative to where it is asked.

    What begins with ``/``, ``./``, ``(`` or ``@`` (or ``xpath:``) is XPath already; an absolute
    ``//p`` means one below the node that is asked. The rest is CSS, with ``::text`` and
    ``::attr(name)`` besides. Raises ValueError in words.
    """
    import lxml.etree
    from cssselect import SelectorError
    from parsel.csstranslator import HTMLTranslator

    selector = selector.strip()
    if not selector or len(selector) > LONGEST:
        raise ValueError(f"it has 1 to {LONGEST} characters")
    if selector.startswith(_XPATH):
        expression = selector.removeprefix("xpath:").strip()
        if expression.startswith("/"):
            expression = f".{expression}"
        elif expression.startswith("(/"):
            expression = f"(.{expression[1:]}"
    else:
        try:
            expression = HTMLTranslator().css_to_xpath(selector)
        except SelectorError as error:
            raise ValueError(f"not CSS: {str(error)[:150]}") from error
    try:
        lxml.etree.XPath(expression)
    except lxml.etree.XPathError as error:
        raise ValueError(f"not XPath: {str(error)[:150]}") from error
    return expression
