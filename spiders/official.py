"""Where a site does not want crawlers: the way that it offers instead."""

from __future__ import annotations

from urllib.parse import urlsplit

from listener.net.retry import NO_DETOUR

# By the end of a host's name; "play.google." is a beginning of its kind.
_WAYS: dict[str, str] = {
    "trustpilot.com": "Trustpilot has an API for business customers, and an export to CSV that"
    " `listener ingest` reads.",
    "play.google.com": "Use the source googleplay: own apps are read by Google's official API.",
    "apps.apple.com": "Use the source appstore: Apple publishes reviews as a feed.",
    "itunes.apple.com": "Use the source appstore: Apple publishes reviews as a feed.",
    "reddit.com": "Use the source reddit.",
    "twitter.com": "Use the source x.",
    "x.com": "Use the source x.",
    "youtube.com": "Use the source youtube.",
    "blog.naver.com": "Use the source naver, or the blog's feed (https://rss.blog.naver.com/ID.xml)"
    " with the source feed.",
    "smartstore.naver.com": "The store's seller centre exports reviews to a file that"
    " `listener ingest` reads.",
    "brand.naver.com": "The store's seller centre exports reviews to a file that"
    " `listener ingest` reads.",
    "naver.com": "Use the source naver.",
    "coupang.com": "The seller's own pages export reviews to a file that `listener ingest` reads.",
    "daum.net": "Use the source kakao.",
    "tistory.com": "Use the blog's feed (https://NAME.tistory.com/rss) with the source feed.",
    "bsky.app": "Use the source bluesky.",
    "news.ycombinator.com": "Use the source hackernews.",
    "stackoverflow.com": "Use the source stackexchange.",
    "stackexchange.com": "Use the source stackexchange.",
    "news.google.com": "Use the feed of the search with the source feed.",
    "medium.com": "Use the feed (https://medium.com/feed/@NAME) with the source feed.",
    "amazon.com": "Amazon's terms allow no reading by machines: import a file that you have.",
    "yelp.com": "Yelp has an API with paid plans: import what it gives as a file.",
    "tripadvisor.com": "Tripadvisor has a Content API: import what it gives as a file.",
    "facebook.com": "Own pages can be read by Meta's API: import what it gives as a file.",
    "instagram.com": "Own accounts can be read by Meta's API: import what it gives as a file.",
}


def official_way(url: str) -> str:
    """What to do about a site that refuses crawlers: a sentence, fit as an error's hint."""
    host = (urlsplit(url).hostname or "").lower()
    for end, way in _WAYS.items():
        if host == end or host.endswith(f".{end}"):
            return f"Listener does not work around it. {way}"
    return NO_DETOUR
