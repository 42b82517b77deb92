"""What a crawl is told; the crawls themselves are in tests/spiders."""

from __future__ import annotations

from builders import a_watch
from listener.collect.spider import _on_server
from listener.types import Connection


def test_a_base_url_takes_the_place_of_scheme_and_host() -> None:
    params = {"url": "https://shop.example/p/1?a=2 https://shop.example/p/2", "mode": "auto"}
    watch = a_watch(source="page", params=params)
    assert _on_server(watch) == params
    there = a_watch(
        source="page",
        params=params,
        connection=Connection(source="page", base_url="http://127.0.0.1:9/x/"),
    )
    assert _on_server(there) == {
        "url": "http://127.0.0.1:9/x/p/1?a=2 http://127.0.0.1:9/x/p/2",
        "mode": "auto",
    }
