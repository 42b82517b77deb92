"""Taxonomies in the browser: looked at, tried, saved, gone back to, and shown on other screens."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import story
from listener.enrich.rules import Rules, compile_rules, rules_version
from listener.pipeline.readers import Readers
from listener.runtime.clock import utc_now
from listener.runtime.wiring import Services
from listener.store import rule_sets

Csrf = Callable[..., str]
HOSTILE = "<script>alert(1)</script>"

# The built-in rules have thousands of patterns, which take a second to compile.
SMALL = """
[taxonomy.area]
name_ko = "주제"
name_en = "Topic"
[taxonomy.area.delivery]
name_ko = "배송"
name_en = "Delivery"
ko = ["배송"]
[taxonomy.area.price]
name_ko = "가격"
name_en = "Price"
ko = ["가격"]
[taxonomy.area.staff]
name_ko = "직원"
name_en = "Staff"
ko = ["직원"]
[taxonomy.class]
name_ko = "문의·경험"
name_en = "Support or product"
[taxonomy.class.support]
name_ko = "고객지원"
name_en = "Support"
complaint_areas = ["delivery"]
[taxonomy.urgency]
name_ko = "긴급"
name_en = "Urgency"
[taxonomy.urgency.press]
name_ko = "언론"
name_en = "Press"
ko = ["기자"]
en = ["journalist"]
told = true
[problem.things]
ko = ["불량"]
[negation]
after_ko = ["없"]
"""


def typed(page: str) -> dict[str, str]:
    """What the form of a page holds."""
    form = page.partition('class="card form"')[2].partition("</form>")[0]
    fields = {
        name: html.unescape(value)
        for name, value in re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form)
        if name != "csrf"
    }
    for tag in re.findall(r"<input[^>]*type=\"checkbox\"[^>]*>", form):
        if " checked" not in tag:
            fields.pop(re.search(r'name="([^"]+)"', tag)[1], None)  # type: ignore[index]
    for name, value in re.findall(
        r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL
    ):
        fields[name] = html.unescape(value)
    chosen = r'<select[^>]*name="([^"]+)">.*?<option value="([^"]*)" selected'
    return fields | dict(re.findall(chosen, form, re.DOTALL))


@pytest.fixture
def small(empty: Services) -> Services:
    """An install without mentions and with few rules."""
    with empty.database.write() as work:
        version = rules_version(SMALL)
        rule_sets.save(work.session, SMALL, version, by="하나@example.com", now=utc_now())
        work.commit()
    return empty


@pytest.fixture
def editor(small: Services, visit: Callable[[Services], TestClient]) -> TestClient:
    """Logged in there."""
    return visit(small)


@pytest.fixture
def present(small: Services) -> Callable[[], Rules]:
    """The rules that are in use there now."""

    def read() -> Rules:
        with small.database.read() as session:
            found = rule_sets.current(session)
        assert found is not None
        return compile_rules(found.text)

    return read


def found(rules: Rules, text: str) -> set[str]:
    """Topics, tags and problems of which words stand in a text."""
    return {f"{hit.role} {hit.topic}".strip() for hit in rules.find(text)}


def test_pages_answer_in_both_languages(editor: TestClient) -> None:
    for path in (
        *("/taxonomies", "/taxonomies/new?words=주차,parking", "/taxonomies/add"),
        *("/taxonomies/c/area/delivery", "/taxonomies/c/urgency/press", "/taxonomies/t/class"),
        *("/taxonomies/problem/things", "/taxonomies/problem/with.delivery"),
    ):
        mark = "&" if "?" in path else "?"
        korean = editor.get(f"{path}{mark}lang=ko")
        english = editor.get(f"{path}{mark}lang=en")
        assert korean.status_code == english.status_code == 200, path
        assert "분류 체계" in korean.text
        assert "Taxonomies" in english.text
        for text in (korean.text, english.text):
            shown = re.sub(r"<[^>]+>", " ", text)
            assert "None" not in shown, path
            ids = re.findall(r'\sid="([^"]+)"', text)
            assert len(ids) == len(set(ids)), path
            fields = set(re.findall(r'<(?:input|select|textarea) id="([^"]+)"', text))
            assert fields <= set(re.findall(r'<label for="([^"]+)"', text)), path


def test_the_list_counts_what_each_category_found(client: TestClient) -> None:
    page = client.get("/taxonomies").text
    row = page.partition('id="c-area-delivery"')[2].partition("</tr>")[0]
    found = re.search(r'href="(/mentions\?topic=delivery[^"]*)">([\d,]+)<', row)
    assert found is not None
    assert int(found[2].replace(",", "")) > 20
    assert 'class="mention' in client.get(html.unescape(found[1])).text
    urgent = page.partition('id="c-intent-praise"')[2].partition("</tr>")[0]
    assert "/mentions?tag=intent%3Apraise" in urgent
    assert "배송" in row


def test_a_new_category_is_tried_saved_read_by_and_gone_back_from(
    client: TestClient, csrf: Csrf, services: Services
) -> None:
    token = csrf(client)
    readers = Readers()

    def topics(text: str) -> tuple[str, ...]:
        with services.database.read() as session:
            return readers.current(session)[0].read_texts([text])[0].topics

    form = {"csrf": token, "taxonomy": "area", "name_ko": "택배사", "name_en": "Courier"}
    form |= {"ko": "택배사\n상자", "en": "courier"}
    tried = client.post("/taxonomies/new", data=form | {"action": "try"})
    assert tried.status_code == 200
    assert '<mark title="택배사">택배사</mark>' in tried.text
    told = re.search(r"최근 글 ([\d,]+)건 가운데 ([\d,]+)건", tried.text)
    assert told is not None
    assert int(told[1].replace(",", "")) > 1_000
    assert 0 < int(told[2].replace(",", "")) < 1_000
    assert tried.text.count("<mark") >= 20
    assert typed(tried.text)["ko"] == "택배사\n상자"
    assert "courier" not in topics("상자가 왔어요")

    saved = client.post("/taxonomies/new", data=form | {"action": "save", "note": "A & B 점검"})
    assert saved.status_code == 200, saved.text
    assert "저장했습니다" in saved.text
    assert "A &amp; B 점검" in saved.text
    assert story.EMAIL in saved.text
    assert 'id="c-area-courier"' in saved.text
    assert "/models" in saved.text
    assert "courier" in topics("상자가 왔어요")  # by a reader that was there before
    listed = client.get("/mentions?topic=courier&lang=en").text
    assert '<option value="courier" selected>Courier</option>' in listed

    with services.database.read() as session:
        kept = rule_sets.listing(session)
    assert [row.origin for row in kept] == ["edited", "built-in"]
    back = client.post(f"/taxonomies/versions/{kept[1].version}/use", data={"csrf": token})
    assert "The earlier version is back" in back.text
    assert "courier" not in topics("상자가 왔어요")
    with services.database.read() as session:
        assert rule_sets.current(session) is None  # what ships, also of later releases
    gone = client.post("/taxonomies/versions/nonsense/use", data={"csrf": token})
    assert gone.status_code == 404


def test_what_is_typed_survives_an_error_that_names_the_word(
    editor: TestClient, csrf: Csrf
) -> None:
    form = {"csrf": csrf(editor), "taxonomy": "area", "name_ko": "", "name_en": ""}
    form |= {"ko": "주차\n값(이", "en": "(a|)\nok", "except": HOSTILE, "action": "save"}
    for action in ("save", "try"):
        answer = editor.post("/taxonomies/new", data=form | {"action": action})
        assert answer.status_code == 422
        assert typed(answer.text)["ko"] == "주차\n값(이"
        assert typed(answer.text)["except"] == HOSTILE
        assert "<script>alert" not in answer.text
        for place, words in (
            ("ko", "‘값(이’ — 괄호"),
            ("en", "‘(a|)’ — 괄호 안에 빈"),
            ("name_ko", "이름을"),
        ):
            error = answer.text.partition(f'id="{place}-error"')[2].partition("</small>")[0]
            assert words in html.unescape(error), place
    fragment = editor.post("/taxonomies/preview", data=form)
    assert fragment.status_code == 200
    assert "값(이" in fragment.text
    assert "<html" not in fragment.text
    assert editor.post("/taxonomies/preview", data={"ko": "주차"}).status_code == 403
    english = editor.post("/taxonomies/new?lang=en", data=form).text
    assert "has no partner" in html.unescape(english)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("배 .. 송 .. 늦 .. 어 .. 요", "세 번까지"),
        ("a" * 1_001, "너무 깁니다"),
        ("값^", "맨 앞에만"),
        ("(배송)?", "꼭 나와야"),
        ("배\x07송", "보이지 않는"),
    ],
    ids=["loose", "long", "start", "optional", "unseen"],
)
def test_words_that_cannot_be_used_are_told_in_words(
    editor: TestClient, csrf: Csrf, word: str, says: str
) -> None:
    form = {"csrf": csrf(editor), "taxonomy": "area", "name_ko": "새것", "ko": word}
    answer = editor.post("/taxonomies/new", data=form | {"action": "save"})
    assert answer.status_code == 422
    assert says in answer.text


def test_words_and_names_are_text_never_markup(editor: TestClient, csrf: Csrf) -> None:
    form = {"csrf": csrf(editor), "taxonomy": "urgency", "name_ko": HOSTILE, "name_en": HOSTILE}
    form |= {"ko": "<b>새벽결\n크림", "note": HOSTILE, "action": "save"}
    page = editor.post("/taxonomies/new", data=form).text
    assert "저장했습니다" in page
    for path in ("/taxonomies", "/taxonomies/c/urgency/script_alert_1_script", "/mentions"):
        text = editor.get(path).text
        assert "&lt;script&gt;alert(1)" in text, path
        assert "<script>alert" not in text, path
        assert "<b>새벽결" not in text, path


def test_a_category_is_changed_and_removed(
    editor: TestClient, csrf: Csrf, present: Callable[[], Rules]
) -> None:
    token = csrf(editor)
    page = editor.get("/taxonomies/c/urgency/press").text
    fields = typed(page) | {"csrf": token, "action": "save"}
    assert "journalist" in fields["en"]
    assert fields["told"] == "yes"
    unchanged = editor.post("/taxonomies/c/urgency/press", data=fields)
    assert unchanged.status_code == 422
    assert "바뀐 것이 없어" in unchanged.text
    fields |= {
        "ko": "앵커, 유튜버\n기자",
        "en": "",
        "name_ko": "보도",
        "told": "",
        "note": "언론 정리",
    }
    saved = editor.post("/taxonomies/c/urgency/press", data=fields).text
    assert "보도" in saved
    assert '<span class="chip good">+</span>' in saved
    assert "이전 이름: 언론 / Press" in saved
    assert "tag urgency:press" in found(present(), "유튜버가 왔어요")
    assert not found(present(), "a journalist called")
    removed = editor.post("/taxonomies/c/urgency/press/remove", data={"csrf": token}).text
    assert 'id="c-urgency-press"' not in removed
    assert not found(present(), "유튜버가 왔어요")


def test_a_topic_that_others_refer_to_can_be_removed(
    editor: TestClient, csrf: Csrf, present: Callable[[], Rules]
) -> None:
    page = editor.get("/taxonomies/c/area/delivery").text
    assert "고객지원" in page  # counts complaints about it
    token = csrf(editor)
    removed = editor.post("/taxonomies/c/area/delivery/remove", data={"csrf": token})
    assert removed.status_code == 200
    assert 'id="c-area-delivery"' not in removed.text
    assert editor.get("/taxonomies/c/area/delivery").status_code == 404
    assert found(present(), "배송") == set()


def test_two_who_edit_at_once_do_not_overwrite_each_other(editor: TestClient, csrf: Csrf) -> None:
    token = csrf(editor)
    mine = typed(editor.get("/taxonomies/c/area/price").text) | {"csrf": token, "action": "save"}
    theirs = dict(mine)
    other = typed(editor.get("/taxonomies/c/area/staff").text) | {"csrf": token, "action": "save"}
    assert (
        editor.post("/taxonomies/c/area/price", data=theirs | {"ko": "값어치"}).status_code == 200
    )
    # Another category is not in the way …
    saved = editor.post("/taxonomies/c/area/staff", data=other | {"ko": "사원"})
    assert saved.status_code == 200
    assert "값어치" in saved.text
    # … the same one is told, with what was typed; saving once more is an answer to that.
    refused = editor.post("/taxonomies/c/area/price", data=mine | {"ko": "가격표"})
    assert refused.status_code == 422
    assert "덮어씁니다" in refused.text
    again = typed(refused.text)
    assert again["ko"] == "가격표"
    saved = editor.post("/taxonomies/c/area/price", data=again | {"csrf": token, "action": "save"})
    assert saved.status_code == 200
    assert "가격표" in editor.get("/taxonomies/c/area/price").text


def test_a_taxonomy_of_ones_own(
    editor: TestClient, csrf: Csrf, present: Callable[[], Rules]
) -> None:
    token = csrf(editor)
    assert editor.post("/taxonomies/add", data={"csrf": token}).status_code == 422
    form = {"csrf": token, "name_ko": "매장", "name_en": "Store"}
    page = editor.post("/taxonomies/add", data=form).text
    assert '<option value="store" selected>매장</option>' in page
    category = {
        "csrf": token,
        "taxonomy": "store",
        "name_ko": "성수점",
        "ko": "성수",
        "action": "save",
    }
    page = editor.post("/taxonomies/new", data=category).text
    assert 'id="t-store"' in page
    assert found(present(), "성수 매장에 갔어요") == {"tag store:own_1"}
    listed = editor.get("/mentions?tag=store:own_1").text
    assert re.search(r'<option value="store:own_1" selected>성수점</option>', listed)
    assert "매장" in editor.post("/taxonomies/t/store", data=form | {"single": "yes"}).text
    assert editor.post("/taxonomies/add", data=form).status_code == 422  # the name is taken
    gone = editor.post("/taxonomies/t/store/remove", data={"csrf": token}).text
    assert 'id="t-store"' not in gone
    assert editor.post("/taxonomies/t/area/remove", data={"csrf": token}).status_code == 422


def test_problem_words_can_be_edited(
    editor: TestClient, csrf: Csrf, present: Callable[[], Rules]
) -> None:
    page = editor.get("/taxonomies/problem/with.staff").text
    form = typed(page) | {"csrf": csrf(editor), "ko": "째려보", "action": "save"}
    saved = editor.post("/taxonomies/problem/with.staff", data=form)
    assert saved.status_code == 200
    assert "째려보" in saved.text
    assert found(present(), "직원이 째려보네요") == {"topic staff", "with staff"}
    assert editor.get("/taxonomies/problem/with.nothing").status_code == 404
    assert editor.get("/taxonomies/problem/nothing").status_code == 404


def test_an_address_fills_the_form_and_shows_what_it_finds(client: TestClient) -> None:
    page = client.get("/taxonomies/new?taxonomy=area&words=택배사,Courier%0A펌프").text
    assert typed(page)["ko"] == "택배사\n펌프"
    assert typed(page)["en"] == "courier"
    assert '<mark title="택배사">' in page
    hostile = client.get("/taxonomies/new", params={"words": HOSTILE + ",(", "name": HOSTILE})
    assert hostile.status_code == 200
    assert "<script>alert" not in hostile.text
    assert client.get("/taxonomies/new?taxonomy=nothing").status_code == 404


def test_a_file_has_the_say(
    empty: Services, visit: Callable[[Services], TestClient], csrf: Csrf, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[taxonomy.area.parking]\nname_ko = "주차장"\nko = ["주차"]\n', "utf-8")
    empty.settings = empty.settings.model_copy(update={"rules": path})
    client = visit(empty)
    page = client.get("/taxonomies").text
    assert "mine.toml" in page
    assert "주차장" in page
    assert "/taxonomies/new" not in page
    assert client.get("/taxonomies/new", follow_redirects=False).status_code == 303
    form = {"csrf": csrf(client)}
    refused = client.post("/taxonomies/c/area/parking/remove", data=form)
    assert refused.status_code == 409
    assert '<option value="parking">주차장</option>' in client.get("/mentions").text


def test_tags_are_badges_and_filters(client: TestClient) -> None:
    page = client.get("/mentions?tag=nature:technical&lang=ko").text
    assert page.count('class="mention') > 0
    assert '<span class="tag kind" title="성격">기술 문제</span>' in page
    assert '<option value="nature:technical" selected>기술 문제</option>' in page
    for name in ("문의·경험", "성격", "의도", "긴급"):
        assert f">{name}</label>" in page
    both = client.get("/mentions?tag=intent:praise&tag=intent:question&lang=en").text
    assert '<option value="intent:praise,intent:question" selected>Praise, Question' in both
    odd = client.get("/mentions?tag=old:thing").text
    assert '<option value="old:thing" selected>old:thing</option>' in odd


def test_what_no_word_finds_any_more_is_told(client: TestClient, csrf: Csrf) -> None:
    form = typed(client.get("/taxonomies/c/area/delivery").text)
    form |= {"csrf": csrf(client), "ko": "택배사", "en": "", "action": "try"}
    page = client.post("/taxonomies/c/area/delivery", data=form).text
    gone = re.search(r'title="더는 찾지 않음">−(\d+)<', page)
    assert gone is not None
    assert int(gone[1]) > 20
    assert ">빠짐</span>" in page
    fragment = client.post("/taxonomies/preview", data=form | {"key": "delivery"}).text
    assert f"−{gone[1]}<" in fragment
