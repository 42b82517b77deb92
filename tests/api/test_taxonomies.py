"""Taxonomies over the API: whole, versioned, refused where somebody else was faster, tried."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from builders import a_mention, a_read_mention, stored_brand
from listener.enrich.rules import rules_version
from listener.store import rule_sets
from listener.store.work import Database
from writing import write

PATH = "/api/v1/taxonomies"
SMALL = """
[taxonomy.area.delivery]
name_ko = "배송"
ko = ["배송"]
except = ["배송비"]
[taxonomy.urgency.press]
ko = ["기자"]
told = true
[negation]
after_ko = ["없"]
"""


@pytest.fixture(autouse=True)
def _few_rules(database: Database, now: datetime) -> None:
    """The built-in rules take a second to compile."""
    with database.write() as work:
        rule_sets.save(work.session, SMALL, rules_version(SMALL), by="하나", now=now)
        work.commit()


@pytest.fixture
def writer(client_of: Callable[..., TestClient]) -> TestClient:
    """A client that may write."""
    return client_of("write")


def with_words(told: dict[str, Any], *words: str) -> dict[str, Any]:
    """The rules of an answer with other words of the first topic."""
    rules: dict[str, Any] = copy.deepcopy(told["rules"])
    rules["taxonomies"][0]["categories"][0]["ko"] = list(words)
    return rules


def test_rules_are_read_changed_and_gone_back_to(writer: TestClient) -> None:
    first = writer.get(PATH)
    told = first.json()
    assert first.headers["etag"] == f'"{told["version"]}"'
    assert told["version"] == rules_version(SMALL)
    assert told["origin"] == "edited"
    assert told["by"] == "하나"
    assert told["editable"]
    delivery = told["rules"]["taxonomies"][0]["categories"][0]
    assert delivery["name_ko"] == "배송"
    assert delivery["except"] == ["배송비"]

    body = {"rules": with_words(told, "배송", "택배"), "note": "택배\n추가"}
    second = writer.put(PATH, json=body, headers={"If-Match": first.headers["etag"]})
    assert second.status_code == 200, second.text
    assert second.json()["version"] != told["version"]
    assert second.json()["note"] == "택배 추가"
    assert second.json()["by"] == "API: test"
    again = writer.get(PATH).json()
    assert again == second.json()
    assert again["rules"]["taxonomies"][0]["categories"][0]["ko"] == ["배송", "택배"]

    versions = writer.get(f"{PATH}/versions").json()["items"]
    assert [(one["version"], one["active"]) for one in versions] == [
        (again["version"], True),
        (told["version"], False),
    ]
    back = writer.post(f"{PATH}/versions/{told['version']}/use")
    assert back.json()["version"] == told["version"]
    assert back.json()["rules"] == told["rules"]


def test_whoever_comes_second_is_told(
    writer: TestClient, is_problem: Callable[..., dict[str, Any]]
) -> None:
    told = writer.get(PATH).json()
    mine = {"rules": with_words(told, "택배"), "version": told["version"]}
    theirs = {"rules": with_words(told, "소포"), "version": told["version"]}
    assert writer.put(PATH, json=theirs).status_code == 200
    problem = is_problem(writer.put(PATH, json=mine), 409, "conflict")
    assert "Read the taxonomies again" in str(problem["hint"])
    assert writer.get(PATH).json()["rules"] == theirs["rules"]
    without = is_problem(writer.put(PATH, json={"rules": mine["rules"]}), 422, "invalid")
    assert without["errors"][0]["field"] == "version"
    same = {"rules": theirs["rules"], "version": writer.get(PATH).json()["version"]}
    assert (
        "Nothing was changed" in is_problem(writer.put(PATH, json=same), 422, "invalid")["detail"]
    )


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({}, "no section"),
        ({"taxonomies": "x"}, "a list of objects"),
        (
            {"taxonomies": [{"key": "area", "categories": [{"key": "a", "ko": ["값(이"]}]}]},
            "partner",
        ),
        ({"taxonomies": [{"key": "area", "categories": [{"key": "a", "ko": 3}]}]}, "a list is"),
        ({"taxonomies": [{"key": "area", "categories": [{"key": "a" * 25}]}]}, "24 characters"),
        (
            {"taxonomies": [{"key": "area", "categories": [{"key": "a", "name_ko": "x" * 61}]}]},
            "60 characters",
        ),
        (
            {"taxonomies": [{"key": "area", "categories": [{"key": "a", "ko": ["가*나*다*라*"]}]}]},
            "at most 3",
        ),
        ({"taxonomies": [{"key": f"t{n}"} for n in range(21)]}, "20 taxonomies"),
        ({"taxonomies": [], "problem": 3, "else": None}, "no"),
    ],
    ids=["empty", "shape", "pattern", "words", "key", "name", "loose", "many", "junk"],
)
def test_rules_that_cannot_be_used_are_refused(
    writer: TestClient,
    is_problem: Callable[..., dict[str, Any]],
    rules: dict[str, Any],
    says: str,
) -> None:
    told = writer.get(PATH).json()
    answer = writer.put(PATH, json={"rules": rules, "version": told["version"]})
    assert says in str(is_problem(answer, 422, "invalid")["detail"])
    assert writer.get(PATH).json() == told


def test_words_are_tried_on_what_is_stored(client: TestClient, database: Database) -> None:
    texts = [
        "배송이 늦어요",
        "배송비가 비싸요",
        "택배가 왔다",
        "좋아요",
        "기자가 없어요",
        "기자 부른다",
    ]
    with database.write() as work:
        stored_brand(work.session, "하늘")
        work.commit()
    write(
        database,
        *(a_read_mention(a_mention(str(n), text)) for n, text in enumerate(texts)),
    )
    words = {"taxonomy": "area", "key": "delivery", "ko": ["택배", "배송비"]}
    told = client.post(f"{PATH}/preview", json=words).json()
    assert {k: told[k] for k in ("looked_at", "found", "before", "gained", "lost")} == {
        "looked_at": 6,
        "found": 2,
        "before": 1,
        "gained": 2,
        "lost": 1,
    }
    assert told["words"] == {"택배": 1, "배송비": 1}
    by_text = {one["text"]: one for one in told["examples"]}
    assert by_text["배송이 늦어요"]["change"] == "gone"
    assert by_text["배송비가 비싸요"]["spans"] == [
        {"field": "text", "start": 0, "end": 3, "term": "배송비"}
    ]
    # Words of tags count only where they are meant, if the category says so.
    press = {"taxonomy": "urgency", "key": "press", "ko": ["기자"]}
    assert client.post(f"{PATH}/preview", json=press).json()["found"] == 1
    assert client.post(f"{PATH}/preview", json=press | {"told": False}).json()["found"] == 2
    assert client.post(f"{PATH}/preview", json={"ko": ["값(이"]}).status_code == 422
    assert client.post(f"{PATH}/preview", json={"taxonomy": "nothing"}).status_code == 404


def test_a_file_has_the_say(
    make_app: Callable[..., FastAPI], make_key: Callable[..., str], tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL.replace("배송", "주차"), "utf-8")
    headers = {"Authorization": f"Bearer {make_key('write')}"}
    with TestClient(make_app(rules=path), headers=headers) as client:
        told = client.get(PATH).json()
        assert told["origin"] == "file"
        assert not told["editable"]
        assert told["rules"]["taxonomies"][0]["categories"][0]["ko"] == ["주차"]
        answer = client.put(PATH, json={"rules": {}, "version": told["version"]})
        assert answer.status_code == 409
        assert "mine.toml" in answer.json()["detail"]


def test_a_key_that_reads_changes_nothing(client: TestClient) -> None:
    told = client.get(PATH).json()
    assert client.put(PATH, json={"rules": {}, "version": told["version"]}).status_code == 403
    assert client.post(f"{PATH}/versions/{told['version']}/use").status_code == 403
