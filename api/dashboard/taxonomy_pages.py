"""Taxonomies: topics, tags and words of problems, tried on what is stored before they are saved."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.dashboard.forms import ANYWHERE, Form, Sent
from api.dashboard.i18n import Speaker
from api.dashboard.view import PageView, View, href
from api.rule_edits import (
    NEAR,
    PROBLEM,
    REASONS,
    WORDS,
    Change,
    Data,
    Place,
    changes,
    entry,
    faults,
    fingerprint,
    head_note,
    in_english,
    new_key,
    put,
    put_taxonomy,
    referring,
    remove,
    remove_taxonomy,
    taxonomy_of,
    topics,
)
from api.rule_preview import Finder, Preview, newest, preview, words_of
from api.rules import InUse
from listener.enrich.rulesfile import AREA
from listener.errors import Conflict, InvalidInput, ListenerError, NotFound
from listener.store import rule_sets
from listener.store.rule_sets import RuleSet
from listener.store.tables import BrandRow, BucketRow

router = APIRouter()

HOME = "/taxonomies"
_MONTH = timedelta(days=30)
_VERSIONS = 20
_TOLD_FAULTS = 5  # in one list; the rest show up when these are mended
_HANGUL = re.compile("[ㄱ-ㆎ가-힣]")


# --- the list ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A category, or a list of problem words. ``found`` None = nothing was read by it so far."""

    key: str
    name: str
    other: str  # its name in the other language
    words: Mapping[str, Sequence[str]]
    reasons: Sequence[str]
    found: int | None
    url: str  # its mentions
    edit: str


@dataclass(frozen=True, slots=True)
class Group:
    """A taxonomy."""

    key: str
    name: str
    other: str
    single: bool
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Version:
    """A text of rules that was in use, and how it differs from the one before."""

    row: RuleSet
    note: str
    in_use: bool
    changes: Sequence[Change] | None  # None = the first, or one that cannot be read any more


@router.get(HOME)
def listing(view: PageView) -> Response:
    """All taxonomies with their categories, and the versions there were."""
    shelf = view.rules
    with view.services.database.read() as session:
        current = shelf.current(session)
        counted = shelf.counted_by(session)
        rows = rule_sets.listing(session)
        found = _found(session, view.now)
    known = current.data if counted is None else counted.data
    data = current.data
    return view.render(
        "taxonomies.html",
        current=current,
        file=shelf.file,
        behind=counted is not None and counted.version != current.version,
        groups=[_group(view, one, data, found, known) for one in data["taxonomies"]],
        problems=list(_problems(view, data)),
        versions=list(_versions(view, rows, current)),
        more=len(rows) > _VERSIONS,
        place_name=lambda taxonomy, key: _place_name(view, taxonomy, key),
    )


def _found(session: Session, now: datetime) -> dict[str, int]:
    """Mentions of the last 30 days by dimension, of all brands."""
    brand_ids = list(session.scalars(select(BrandRow.id).where(BrandRow.archived_at.is_(None))))
    rows = session.execute(
        select(BucketRow.dimension, func.sum(BucketRow.count))
        .where(BucketRow.brand_id.in_(brand_ids), BucketRow.at >= now - _MONTH)
        .group_by(BucketRow.dimension)
    )
    return {dimension: int(count) for dimension, count in rows}


def _group(
    view: View, one: Mapping[str, Any], data: Data, found: Mapping[str, int], known: Data
) -> Group:
    name, other = _both(view, one)
    return Group(
        one["key"],
        name,
        other,
        one["single"],
        [_row(view, one["key"], c, data, found, known) for c in one["categories"]],
    )


def _row(
    view: View,
    taxonomy: str,
    one: Mapping[str, Any],
    data: Data,
    found: Mapping[str, int],
    known: Data,
) -> Row:
    key = one["key"]
    name, other = _both(view, one)
    since = str(view.say.local(view.now - _MONTH).date())
    if taxonomy == AREA:
        dimension, url = f"topic:{key}", href("/mentions", topic=key, since=since)
    else:
        dimension, url = (
            f"tag:{taxonomy}:{key}",
            href("/mentions", tag=f"{taxonomy}:{key}", since=since),
        )
    count = found.get(dimension)
    if count is None and _is_in(known, Place(taxonomy, key)):
        count = 0
    return Row(
        key,
        name,
        other,
        words_of(one),
        list(_reasons(view, one, data)),
        count,
        url,
        f"{HOME}/c/{taxonomy}/{key}",
    )


def _is_in(data: Data, place: Place) -> bool:
    try:
        entry(data, place)
    except NotFound:
        return False
    return True


def _both(view: View, one: Mapping[str, Any]) -> tuple[str, str]:
    names = one["name_ko"], one["name_en"]
    return names if view.language == "ko" else (names[1], names[0])


def _reasons(view: View, one: Mapping[str, Any], data: Data) -> Iterator[str]:
    """Why else a text belongs to a category, in words."""
    say = view.say
    if one["told"]:
        yield say("부정하거나 묻는 말은 빼고 셈", "not where it is denied or asked")
    if one["asked"]:
        yield say("묻는 글", "questions")
    if one["positive_from"] is not None:
        yield say(
            "긍정 점수 {n} 이상인 글", "a sentiment of {n} or more", n=f"{one['positive_from']:g}"
        )
    for field, ko, en in (
        ("areas", "주제가 {x}인 글", "texts about {x}"),
        ("complaint_areas", "{x}에 대한 불만", "complaints about {x}"),
    ):
        if one[field]:
            told = ", ".join(_area_name(view, data, key) for key in one[field])
            yield say(ko, en, x=told)


def _area_name(view: View, data: Data, key: str) -> str:
    if key == "*":
        return view.say("아무 주제", "anything")
    for one in taxonomy_of(data, AREA)["categories"]:
        if one["key"] == key:
            return str(one["name_ko" if view.language == "ko" else "name_en"])
    return key


def _problems(view: View, data: Data) -> Iterator[Row]:
    keys = ["things", "failures", *(NEAR + topic for topic in topics(data))]
    for key in keys:
        one = entry(data, Place(PROBLEM, key, is_problem=True))
        if key.startswith(NEAR) and not any(one.get(name) for name in WORDS):
            continue
        yield Row(
            key,
            _problem_name(view, data, key),
            "",
            words_of(one),
            (),
            None,
            "",
            f"{HOME}/problem/{key}",
        )


def _problem_name(view: View, data: Data, key: str) -> str:
    if key == "things":
        return view.say("문제를 부르는 말", "Names of problems")
    if key == "failures":
        return view.say("안 된다고 하는 말", "What says that something does not work")
    topic = _area_name(view, data, key.removeprefix(NEAR))
    return view.say("‘{x}’ 옆에서만 문제인 말", "Problems only beside “{x}”", x=topic)


# --- versions ------------------------------------------------------------------------------------


def _versions(view: View, rows: Sequence[RuleSet], current: InUse) -> Iterator[Version]:
    used = current.kept_as
    for row, before in zip(rows[:_VERSIONS], [*rows[1:], None], strict=False):
        in_use = row.version == used or (used is None and row.text == current.text)
        yield Version(row, head_note(row.text), in_use, _difference(view, before, row))


def _difference(view: View, before: RuleSet | None, after: RuleSet) -> list[Change] | None:
    if before is None:
        return None
    try:
        return changes(view.rules.data_of(before), view.rules.data_of(after))
    except ListenerError:
        return None


def _place_name(view: View, taxonomy: str, key: str) -> str:
    if taxonomy == f"{PROBLEM}.":
        topic = view.topic_name(key.removeprefix(NEAR))
        return {
            "things": view.say("문제를 부르는 말", "Names of problems"),
            "failures": view.say("안 된다고 하는 말", "What does not work"),
        }.get(key) or view.say("‘{x}’ 옆의 문제", "Problems beside “{x}”", x=topic)
    return view.taxonomy_name(taxonomy)


@router.post(HOME + "/versions/{version}/use")
def go_back(view: PageView, version: str) -> Response:
    """Put an earlier version in use again."""
    view.rules.go_back(view.services.database, version[:40])
    return view.go(HOME, "rules-back")


# --- one category --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a form is about. ``present`` is what stands there now; None = it is new."""

    place: Place
    present: Mapping[str, Any] | None
    data: Data
    target: str


@router.get(HOME + "/new")
def new(view: PageView, taxonomy: str = AREA, words: str = "", name: str = "") -> Response:
    """The form of a new category; ``words``, by lines or commas, and ``name`` fill it in."""
    if view.rules.file:
        return view.go(HOME)
    sheet = _sheet_new(view, taxonomy)
    given = [word.strip()[:100] for word in re.split(r"[\n,]", words[:4000]) if word.strip()]
    ko = [word for word in given if _HANGUL.search(word)]
    en = [word.lower() for word in given if not _HANGUL.search(word)]
    told = name.strip()[:60] or (given[0] if len(given) == 1 else "")
    values = {"taxonomy": taxonomy, "ko": "\n".join(ko), "en": "\n".join(en)}
    if told:
        values["name_ko" if _HANGUL.search(told) else "name_en"] = told
    form = Form(values)
    return _form(view, form, sheet, tried=_tried(view, form, sheet) if given else None)


@router.post(HOME + "/new")
def add(view: PageView, form: Sent) -> Response:
    """Try the words, or save them as a new category."""
    if view.rules.file:
        return view.go(HOME)
    return _sent(view, form, _sheet_new(view, form.get("taxonomy") or AREA))


@router.get(HOME + "/c/{taxonomy}/{key}")
def edit(view: PageView, taxonomy: str, key: str) -> Response:
    """The form of a category."""
    if view.rules.file:
        return view.go(HOME)
    sheet = _sheet(view, Place(taxonomy, key))
    return _form(view, _filled(sheet), sheet)


@router.post(HOME + "/c/{taxonomy}/{key}")
def change(view: PageView, taxonomy: str, key: str, form: Sent) -> Response:
    """Try the words, or save them."""
    if view.rules.file:
        return view.go(HOME)
    return _sent(view, form, _sheet(view, Place(taxonomy, key), lenient=True))


@router.get(HOME + "/problem/{key}")
def edit_problem(view: PageView, key: str) -> Response:
    """The form of a list of problem words."""
    if view.rules.file:
        return view.go(HOME)
    sheet = _sheet(view, Place(PROBLEM, key, is_problem=True))
    return _form(view, _filled(sheet), sheet)


@router.post(HOME + "/problem/{key}")
def change_problem(view: PageView, key: str, form: Sent) -> Response:
    """Try the words, or save them."""
    if view.rules.file:
        return view.go(HOME)
    return _sent(view, form, _sheet(view, Place(PROBLEM, key, is_problem=True)))


@router.post(HOME + "/preview")
def try_it(view: PageView, form: Sent) -> Response:
    """What the words in the form would find: the part of the page that htmx replaces."""
    taxonomy, key = form.get("taxonomy") or AREA, form.get("key")
    if key:
        place = Place(taxonomy, key, is_problem=form.get("problem") == "yes")
        sheet = _sheet(view, place, lenient=True)
    else:
        sheet = _sheet_new(view, taxonomy)
    _check_words(view, form, sheet)
    tried = None if form.errors else _tried(view, form, sheet)
    return view.render("_taxonomy_preview.html", tried=tried, form=form, sheet=sheet)


@router.post(HOME + "/c/{taxonomy}/{key}/remove")
def drop(view: PageView, taxonomy: str, key: str) -> Response:
    """Take a category out."""
    return _save(view, lambda data: remove(data, Place(taxonomy, key)), taxonomy)


def _sheet_new(view: View, taxonomy: str) -> Sheet:
    with view.services.database.read() as session:
        data = view.rules.current(session).data
    taxonomy_of(data, taxonomy)
    return Sheet(Place(taxonomy, ""), None, data, f"{HOME}/new")


def _sheet(view: View, place: Place, *, lenient: bool = False) -> Sheet:
    """``lenient``: what is gone meanwhile is taken for new, so that what was typed is not lost."""
    with view.services.database.read() as session:
        data = view.rules.current(session).data
    present: Mapping[str, Any] | None = None
    try:
        present = entry(data, place)
    except NotFound:
        if not lenient:
            raise
        taxonomy_of(data, place.taxonomy)
    middle = "" if place.is_problem else "c/"
    return Sheet(place, present, data, f"{HOME}/{middle}{place.taxonomy}/{place.key}")


def _filled(sheet: Sheet) -> Form:
    """The form as it is first shown."""
    present = sheet.present or {}
    values = {name: "\n".join(present.get(name) or ()) for name in WORDS}
    values |= {"taxonomy": sheet.place.taxonomy, "seen": fingerprint(present)}
    if not sheet.place.is_problem:
        positive = present.get("positive_from")
        values |= {
            "name_ko": present["name_ko"],
            "name_en": present["name_en"],
            "told": "yes" if present["told"] else "",
            "asked": "yes" if present["asked"] else "",
            "positive_from": "" if positive is None else f"{positive:g}",
        }
        for field in ("areas", "complaint_areas"):
            values |= {f"{field}.{key}": "yes" for key in present[field]}
    return Form(values)


def _sent(view: View, form: Form, sheet: Sheet) -> Response:
    """A form that was sent: tried or saved."""
    _check_words(view, form, sheet)
    if not sheet.place.is_problem:
        _check_rest(view, form, sheet)
    if form.get("action") == "try":
        tried = None if set(form.errors) & set(WORDS) else _tried(view, form, sheet)
        return _form(view, form, sheet, tried=tried, status=422 if form.errors else 200)
    if not form.errors:
        done = _try_to_save(view, form, sheet)
        if done is not None:
            return done
    return _form(view, form, sheet, status=422)


def _try_to_save(view: View, form: Form, sheet: Sheet) -> Response | None:
    """Save; None = it was refused, and the form says why."""
    fields = _typed(form, sheet)

    def make(data: Data) -> Data:
        place = sheet.place
        if not place.key:
            taken = [c["key"] for c in taxonomy_of(data, place.taxonomy)["categories"]]
            return put(data, Place(place.taxonomy, new_key(fields["name_en"], taken)), fields)
        now = fingerprint(entry(data, place)) if _is_in(data, place) else ""
        if now != form.get("seen"):
            form.values["seen"] = now  # whoever saves again has read the message
            raise Conflict("It was changed meanwhile.")
        return put(data, place, fields)

    try:
        return _save(view, make, sheet.place.taxonomy, note=form.get("note"))
    except Conflict:
        with view.services.database.read() as session:
            current = view.rules.current(session)
        form.errors[ANYWHERE] = view.say(
            "그동안 {who}이(가) 이 분류를 바꾸었습니다. 적은 것은 아래에 그대로 있습니다. "
            "다시 저장하면 그 변경을 덮어씁니다.",
            "{who} changed this meanwhile. What you typed is still below; saving once more "
            "replaces that change.",
            who=current.by or view.say("다른 사람", "Somebody else"),
        )
    except InvalidInput as error:
        form.errors[ANYWHERE] = _refused(view.say, error)
    return None


def _refused(say: Speaker, error: InvalidInput) -> str:
    if error.message == "Nothing was changed.":
        return say(
            "바뀐 것이 없어 저장하지 않았습니다.", "Nothing was changed, so nothing was saved."
        )
    if error.message.startswith("One topic"):
        return say("주제는 하나 이상 있어야 합니다.", "One topic at least is needed.")
    return say("규칙을 저장하지 못했습니다: {x}", "The rules were not saved: {x}", x=error.message)


def _save(view: View, make: Callable[[Data], Data], anchor: str, note: str = "") -> Response:
    assert view.user is not None  # noqa: S101 - page_view lets nobody else in
    view.rules.save(
        view.services.database,
        lambda present: make(present.data),
        by=view.user.email,
        now=view.now,
        note=note,
    )
    return view.go(f"{HOME}#t-{anchor}", "rules-saved")


def _lines(form: Form, name: str, present: Mapping[str, Any] | None) -> list[str]:
    """One word a line or between commas, each once; a word that has a comma itself stays whole."""
    kept = set((present or {}).get(name) or ())
    words: list[str] = []
    for line in form.get(name).splitlines():
        words += [line.strip()] if line.strip() in kept else [w.strip() for w in line.split(",")]
    return [word for word in dict.fromkeys(words) if word]


def _words(form: Form, sheet: Sheet) -> dict[str, list[str]]:
    return {name: _lines(form, name, sheet.present) for name in WORDS}


def _typed(form: Form, sheet: Sheet) -> dict[str, Any]:
    fields: dict[str, Any] = dict(_words(form, sheet))
    if sheet.place.is_problem:
        return fields
    fields |= _names(form)
    if sheet.place.taxonomy == AREA:
        return (
            fields
            | {"told": False, "asked": False, "positive_from": None}
            | {
                "areas": [],
                "complaint_areas": [],
            }
        )
    positive = form.get("positive_from")
    areas = ["*", *topics(sheet.data)]
    return fields | {
        "told": form.get("told") == "yes",
        "asked": form.get("asked") == "yes",
        "positive_from": float(positive) if positive else None,
        "areas": [key for key in areas if form.get(f"areas.{key}") == "yes"],
        "complaint_areas": [key for key in areas if form.get(f"complaint_areas.{key}") == "yes"],
    }


def _names(form: Form) -> dict[str, str]:
    """Both names; where only one was given it serves for both languages."""
    ko, en = form.get("name_ko"), form.get("name_en")
    return {"name_ko": ko or en, "name_en": en or ko}


def _check_words(view: View, form: Form, sheet: Sheet) -> None:
    for name, words in _words(form, sheet).items():
        wrong = list(faults(words))[:_TOLD_FAULTS]
        if wrong:
            form.errors[name] = " ".join(
                f"‘{word}’ — {_fault(view.say, fault)}" for word, fault in wrong
            )


def _fault(say: Speaker, fault: str) -> str:
    """What is wrong with a pattern, in words."""
    for begins, ko in _FAULTS:
        if begins in fault:
            return say(ko, f"{in_english(fault)}.")
    return f"{in_english(fault)}."


_FAULTS = (
    ("too-many", "낱말이 너무 많습니다. 1,000개까지 적을 수 있습니다."),
    ("too-long", "너무 깁니다. 나누어 적어 주세요."),
    ("too-loose", "‘..’과 ‘*’는 한 줄에 세 번까지 쓸 수 있습니다."),
    ("unprintable", "보이지 않는 글자가 들어 있습니다. 다시 적어 주세요."),
    ("not optional", "꼭 나와야 하는 낱말이 하나는 있어야 합니다."),
    ("'^' stands", "‘^’는 맨 앞에만 쓸 수 있습니다."),
    (
        "no partner",
        "괄호나 ‘|’의 짝이 맞지 않습니다. (하나|둘)처럼 적고, 괄호 안에 괄호는 쓸 수 없습니다.",
    ),
    ("empty choice", "괄호 안에 빈 것이 있습니다. 없어도 되는 말은 (하나|둘)?처럼 적으세요."),
)


def _check_rest(view: View, form: Form, sheet: Sheet) -> None:
    say = view.say
    names = _names(form)
    _check_names(
        view, form, taxonomy_of(sheet.data, sheet.place.taxonomy)["categories"], sheet.place.key
    )
    positive = form.get("positive_from")
    if positive and not re.fullmatch(r"0(\.\d{1,3})?|1(\.0{1,3})?", positive):
        form.errors["positive_from"] = say("0에서 1 사이로 적어 주세요.", "A number from 0 to 1.")
        return
    if not names["name_ko"]:
        return
    fields = _typed(form, sheet)
    if not any(fields[name] for name in ("ko", "en", "asked", "areas", "complaint_areas")) and (
        fields["positive_from"] is None
    ):
        form.errors.setdefault(
            "ko", say("찾을 말을 하나 이상 적어 주세요.", "Write one word at least.")
        )


def _check_names(view: View, form: Form, others: Iterable[Mapping[str, Any]], key: str) -> None:
    say = view.say
    names = _names(form)
    if not names["name_ko"]:
        form.errors["name_ko"] = say("이름을 적어 주세요.", "Write a name.")
        return
    for field in ("name_ko", "name_en"):
        if len(names[field]) > 60 or not names[field].isprintable():
            form.errors[field] = say("이름은 한 줄 60자까지입니다.", "60 characters, on one line.")
        elif any(one["key"] != key and one[field] == names[field] for one in others):
            form.errors[field] = say(
                "같은 이름이 이미 있습니다. 다른 이름을 적거나 그 분류를 고치세요.",
                "There is one of that name. Choose another, or change that one.",
            )


def _tried(view: View, form: Form, sheet: Sheet) -> Preview | None:
    """The words on what is stored. The form's errors say what cannot be tried."""
    words = _words(form, sheet)
    is_tag = not sheet.place.is_problem and sheet.place.taxonomy != AREA
    present = sheet.present or {}
    try:
        new_one = Finder(words, sheet.data, told=is_tag and form.get("told") == "yes")
        old = (
            Finder(words_of(present), sheet.data, told=is_tag and bool(present.get("told")))
            if sheet.present is not None
            else None
        )
    except InvalidInput as error:
        form.errors[ANYWHERE] = _refused(view.say, error)
        return None
    with view.services.database.read() as session:
        texts = newest(session, own=not is_tag)
    return preview(texts, new_one, old)


def _form(
    view: View, form: Form, sheet: Sheet, *, status: int = 200, tried: Preview | None = None
) -> Response:
    place, data = sheet.place, sheet.data
    if place.is_problem:
        title = _problem_name(view, data, place.key)
    elif sheet.present is not None:
        title = _both(view, sheet.present)[0]
    else:
        title = view.say("분류 추가", "Add a category")
    areas = [] if place.is_problem else taxonomy_of(data, AREA)["categories"]
    return view.render(
        "taxonomy.html",
        status,
        form=form,
        sheet=sheet,
        title=title,
        tried=tried,
        is_area=place.taxonomy == AREA and not place.is_problem,
        more=any(
            value and name.partition(".")[0] in REASONS for name, value in form.values.items()
        ),
        taxonomies=[(one["key"], _both(view, one)[0]) for one in data["taxonomies"]],
        areas=[("*", view.say("아무 주제", "Any topic"))]
        + [(one["key"], _both(view, one)[0]) for one in areas],
        referred=[
            f"{view.taxonomy_name(taxonomy)} › {view.tag_name(f'{taxonomy}:{key}')}"
            for taxonomy, key in (referring(data, place.key) if place.taxonomy == AREA else ())
        ],
    )


# --- one taxonomy --------------------------------------------------------------------------------


@router.get(HOME + "/add")
def new_taxonomy(view: PageView) -> Response:
    """The form of a taxonomy of one's own."""
    if view.rules.file:
        return view.go(HOME)
    return _taxonomy_form(view, Form(), None)


@router.post(HOME + "/add")
def add_taxonomy(view: PageView, form: Sent) -> Response:
    """Save it; its categories come next."""
    return _taxonomy_sent(view, form, None)


@router.get(HOME + "/t/{taxonomy}")
def edit_taxonomy(view: PageView, taxonomy: str) -> Response:
    """The form of a taxonomy's names."""
    if view.rules.file:
        return view.go(HOME)
    with view.services.database.read() as session:
        found = taxonomy_of(view.rules.current(session).data, taxonomy)
    values = {"name_ko": found["name_ko"], "name_en": found["name_en"]}
    return _taxonomy_form(view, Form(values | {"single": "yes" if found["single"] else ""}), found)


@router.post(HOME + "/t/{taxonomy}")
def change_taxonomy(view: PageView, taxonomy: str, form: Sent) -> Response:
    """Save its names."""
    with view.services.database.read() as session:
        found = taxonomy_of(view.rules.current(session).data, taxonomy)
    return _taxonomy_sent(view, form, found)


@router.post(HOME + "/t/{taxonomy}/remove")
def drop_taxonomy(view: PageView, taxonomy: str) -> Response:
    """Take it out with all its categories."""
    return _save(view, lambda data: remove_taxonomy(data, taxonomy), "")


def _taxonomy_sent(view: View, form: Form, present: Mapping[str, Any] | None) -> Response:
    if view.rules.file:
        return view.go(HOME)
    with view.services.database.read() as session:
        data = view.rules.current(session).data
    _check_names(view, form, data["taxonomies"], present["key"] if present else "")
    if form.errors:
        return _taxonomy_form(view, form, present, 422)
    taken = [one["key"] for one in data["taxonomies"]]
    key = present["key"] if present else new_key(_names(form)["name_en"], taken)
    fields: dict[str, Any] = _names(form)
    if key != AREA:
        fields["single"] = form.get("single") == "yes"
    try:
        done = _save(view, lambda now: put_taxonomy(now, key, fields), key)
    except InvalidInput as error:
        form.errors[ANYWHERE] = _refused(view.say, error)
        return _taxonomy_form(view, form, present, 422)
    return done if present else view.go(href(f"{HOME}/new", taxonomy=key), "rules-saved")


def _taxonomy_form(
    view: View, form: Form, present: Mapping[str, Any] | None, status: int = 200
) -> Response:
    return view.render(
        "taxonomy_names.html",
        status,
        form=form,
        present=present,
        title=_both(view, present)[0] if present else view.say("분류 체계 추가", "Add a taxonomy"),
        is_area=present is not None and present["key"] == AREA,
    )
