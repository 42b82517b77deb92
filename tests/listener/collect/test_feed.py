"""The presets of feeds: each makes an address that can be asked."""

from __future__ import annotations

import pytest

from listener.collect.presets import filled
from listener.collect.registry import check_params
from listener.collect.sources.feed import Feed
from listener.net.page import clean_url
from listener.types import Preset

PRESETS = {preset.name: preset for preset in Feed.spec.presets}


@pytest.mark.parametrize(
    ("name", "word", "url"),
    [
        (
            "google-news-ko", "누리마켓",
            "https://news.google.com/rss/search?q=%22%EB%88%84%EB%A6%AC%EB%A7%88%EC%BC%93%22"
            "+when:7d&hl=ko&gl=KR&ceid=KR:ko",
        ),
        (
            "google-news-en", "Nuri & Co",
            "https://news.google.com/rss/search?q=%22Nuri%20%26%20Co%22"
            "+when:7d&hl=en-US&gl=US&ceid=US:en",
        ),
        (
            "google-alerts", "https://www.google.com/alerts/feeds/12/34",
            "https://www.google.com/alerts/feeds/12/34",
        ),
        (
            "youtube-channel", "UCaaaaaaaaaaaaaaaaaaaaaa",
            "https://www.youtube.com/feeds/videos.xml?channel_id=UCaaaaaaaaaaaaaaaaaaaaaa",
        ),
        ("naver-blog", "nurimarket", "https://rss.blog.naver.com/nurimarket.xml"),
        ("stack-overflow-tag", "c++", "https://stackoverflow.com/feeds/tag/c%2B%2B"),
        ("subreddit", "korea", "https://www.reddit.com/r/korea/new/.rss?limit=100"),
        ("github-releases", "nuri/app", "https://github.com/nuri/app/releases.atom"),
        (
            "wordpress", "blog.example.com/search/누리",
            "https://blog.example.com/search/%EB%88%84%EB%A6%AC/feed/",
        ),
        ("discourse-latest", "https://forum.example/c/9", "https://forum.example/c/9/latest.rss"),
    ],
)  # fmt: skip
def test_a_preset_and_a_word_make_an_address(name: str, word: str, url: str) -> None:
    params = check_params(Feed.spec, filled(PRESETS[name].params, word))
    assert clean_url(params["url"]) == url


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_each_preset_says_what_its_word_means(preset: Preset) -> None:
    assert preset.word
    assert preset.word_ko
    assert preset.title_ko
    check_params(Feed.spec, filled(preset.params, preset.example))
