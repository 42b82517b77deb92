"""The names that others rely on: commands, what they print, and the shape of the API."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

MENTION = {
    *("id", "seq", "change", "source", "namespace", "external_id", "kind", "url", "author"),
    *("title", "text", "language", "sentiment", "complaint", "topics", "tags", "corrected"),
    *("generation", "rules_version", "flags", "rating", "rating_min"),
    *("rating_max", "published_at", "published_precision", "seen_at", "brands"),
}
SPIKE = {"onset", "state", "series", "expected", "observed", "score", "drivers"}


def test_brands_watches_keys_and_the_shape_of_the_api(
    make_install: Callable[..., Any], wait: Callable[..., Any]
) -> None:
    install = make_install()
    named = ("--alias", "Haneul", "--hashtag", "#하늘", "--handle", "@haneul", "--competitor")
    assert install.ok("brand", "add", "하늘마트", *named) == "1"
    url = "url=https://news.example/rss"
    adding = ("watch", "add", "--brand", "하늘마트", "--source", "feed", "--match", "terms")
    assert install.ok(*adding, "--param", url) == "1"
    refused = install.run(*adding, "--param", "uri=x")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "url" in refused.stderr + refused.stdout
    specs = json.loads(install.ok("sources", "--json"))
    assert {"feed", "x", "reviews"} <= {spec["name"] for spec in specs}
    key = install.ok("keys", "create", "reader", "--scope", "read")
    assert re.fullmatch(r"\S{20,}", key)
    assert key.encode() not in install.everything_written()
    file = install.home / "one.csv"
    file.write_text("id,text,rating\n1,배송이 너무 늦어요,1/5\n2,Haneul is great!,5/5\n")
    assert "2 new" in install.ok("ingest", file, "--brand", "하늘마트")

    process = install.start("serve")
    wait(lambda: install.get("/readyz")[0] == 200)
    assert install.get("/healthz")[0] == 200
    assert install.get("/api/v1/mentions")[0] == 401
    assert install.get("/metrics")[0] in (401, 403)
    page = json.loads(install.get("/api/v1/mentions", key)[1])
    assert set(page) == {"items", "next_cursor", "generation"}
    assert len(page["items"]) == 2
    for item in page["items"]:
        assert set(item) == MENTION
        assert set(item["sentiment"]) == {"score", "label", "confidence", "model", "version"}
        [brand] = item["brands"]
        assert set(brand) == {
            "id",
            "name",
            "sentiment",
            "complaint",
            "topics",
            "tags",
            "corrected",
            "spans",
        }
    assert json.loads(install.get("/api/v1/spikes", key)[1])["items"] == []
    status, told = install.get("/api/v1/mentions?cursor=nonsense", key)
    assert status in (400, 422)
    assert {"title", "status"} <= set(json.loads(told))
    process.terminate()
    assert process.wait(20) in (0, -15)  # uvicorn passes the signal on when it is done


def test_score_and_detect_need_no_database(make_install: Callable[..., Any]) -> None:
    install = make_install()
    texts = "배송이 너무 늦어요\n\nI love it!\nBonjour à tous mes amis\n"
    lines = [json.loads(line) for line in install.ok("score", stdin=texts).splitlines()]
    assert len(lines) == 4
    for line in lines:
        assert list(line) == [
            *("language", "sentiment", "label", "confidence", "complaint", "topics"),
            *("model", "version", "tags", "aspects", "rules"),
        ]
    assert (lines[0]["language"], lines[0]["complaint"]) == ("ko", True)
    assert "delivery" in lines[0]["topics"]
    assert lines[2]["sentiment"] > 0
    assert lines[3]["sentiment"] is None

    start = datetime(2025, 3, 1, tzinfo=UTC)
    counts = [f"{2 + n % 3}" if n % 50 else "" for n in range(600)] + ["80"] * 4
    rows = [f"{start + n * timedelta(hours=1):%FT%TZ},{count}" for n, count in enumerate(counts)]
    whole = install.ok("detect", "-", stdin="\n".join(["timestamp,count", *rows])).splitlines()
    part = install.ok("detect", "-", stdin="\n".join(["timestamp,count", *rows[:400]])).splitlines()
    assert whole[0] == "timestamp,count,expected,score,is_spike"
    assert len(whole) == len(rows) + 1
    assert part == whole[:401]
    assert whole[-1].rpartition(",")[2].lower() in ("1", "true")
    assert not install.home.exists()


def test_doctor_says_what_is_wrong(make_install: Callable[..., Any]) -> None:
    bad = make_install({"LISTENER_DATABASE_URL": "sqlite:////nowhere/at/all.db"})
    done = bad.run("doctor")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "→" in done.stdout
    wrong = make_install({"LISTENER_PORT": "many"}).run("doctor")
    assert wrong.returncode == 1
    assert "LISTENER_PORT" in wrong.stderr + wrong.stdout
