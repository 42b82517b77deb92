"""A month of a small skin care brand, through the real write path: what dashboard tests look at.

Two brands, three watches, about 1,500 invented mentions in Korean and English, a courier crisis
nine days ago that is over, one that goes on, an outage of six hours, hostile HTML, an edit.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from listener.runtime.wiring import Services
from listener.store import access, brands, watches
from listener.store.watches import Ending
from listener.types import (
    Batch,
    Brand,
    Engagement,
    Gap,
    GapReason,
    Kind,
    MatchMode,
    Outcome,
    RawAuthor,
    RawItem,
    State,
)

EMAIL = "mina@example.com"
PASSWORD = "correct horse battery"
HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)> {{7*7}} 새벽결 </mark></p>'
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

_GOOD = (
    "새벽결 크림 진짜 촉촉하고 좋아요. 재구매했어요!",
    "새벽결 토너 순해서 민감한 피부에 추천합니다",
    "Saebyeok serum is lovely, my skin feels great",
    "선물로 새벽결 세트 샀는데 포장도 예쁘고 만족스러워요",
    "새벽결은 향이 은은해서 마음에 들어요",
)
_PLAIN = (
    "새벽결 신제품이 다음 달에 나온다고 한다",
    "새벽결에서 여름 한정 세트를 공개했다",
    "Saebyeok opened a store in Seongsu",
    "오늘 올리브영에서 새벽결 봤어요",
    "새벽결이랑 다른 브랜드 비교해 보려고요",
)
_BAD = (
    "새벽결 크림 가격이 너무 올라서 이제 못 사겠어요",
    "새벽결 고객센터 연락이 안 돼요. 답답합니다",
    "The Saebyeok app keeps crashing at checkout, terrible",
    "새벽결 펌프가 고장나서 왔어요. 환불해 주세요",
)
_CRISIS = (
    "새벽결 택배사 바뀌고 배송이 일주일째 안 와요. 환불해 주세요",
    "새벽결 배송 지연 너무 심해요, 새 택배사 최악입니다",
    "새벽결 주문했는데 새 택배사가 박스를 다 찌그러뜨려서 왔어요",
    "Saebyeok delivery is late again since they changed the courier, awful",
    "새벽결 배송 조회도 안 되고 고객센터는 전화를 안 받아요",
    "일주일째 배송 준비 중… 새벽결 택배사 왜 바꿨나요 정말 화나요",
)
_RIVAL = ("달빛초 에센스 괜찮네요 추천", "달빛초 배송이 늦어서 아쉬워요", "달빛초 신제품 나왔대요")


@dataclass(frozen=True)
class Story:
    """What was made."""

    own: Brand
    rival: Brand
    watch_ids: Sequence[int]
    hostile_id: str
    token: str


def tell(services: Services, *, now: datetime, language: str = "ko") -> Story:
    """Write the month into an empty database; ``token`` is of a login link."""
    own, rival, watch_ids, token = _set_up(services, now, language)
    items = sorted(_items(now), key=lambda one: one[1].published_at or now)
    before = now - 29 * DAY
    # The detector needs to live through it: old news opens no spike.
    for upto in (now - 9 * DAY - HOUR, now - 8 * DAY, now - DAY, now - 5 * timedelta(minutes=1)):
        for place, watch_id in enumerate(watch_ids):
            some = [
                raw
                for where, raw in items
                if where == place and before <= (raw.published_at or now) < upto
            ]
            _run(services, watch_id, some, upto, now)
        services.roll_up()
        services.watchdog.look(now=upto)
        before = upto
    _edit(services, watch_ids[0], now)
    _fail(services, watch_ids[3], now)
    services.roll_up()
    services.watchdog.look(now=now)
    return Story(own, rival, watch_ids, "hostile", token)


def _set_up(
    services: Services, now: datetime, language: str
) -> tuple[Brand, Brand, list[int], str]:
    start = now - 28 * DAY
    services.add_channel(
        name="마케팅팀 알림",
        address="https://hooks.example.com/alerts",
        kind="webhook",
        secret=None,
    )
    with services.database.write() as work:
        session = work.session
        own = brands.create(
            session, name="새벽결", aliases=["Saebyeok"], hashtags=["새벽결"], now=start
        )
        rival = brands.create(session, name="달빛초", competitor=True, now=start)
        made = [
            watches.create(
                session,
                source=source,
                params=params,
                match=match,
                every=timedelta(minutes=10),
                brand_id=brand.id if brand else None,
                label=label,
                now=start,
            ).id
            for source, params, match, brand, label in (
                ("x", {"mode": "search"}, MatchMode.TERMS, own, "X · 새벽결"),
                (
                    *("reviews", {"url": "https://shop.example/saebyeok"}, MatchMode.ALL),
                    *(own, "쇼핑몰 리뷰"),
                ),
                ("feed", {"url": "https://news.example/rss"}, MatchMode.TERMS, None, "뷰티뉴스"),
                (
                    "feed",
                    {"url": "https://forum.example/atom"},
                    MatchMode.TERMS,
                    None,
                    "화장품 포럼",
                ),
            )
        ]
        user = access.add_user(session, EMAIL, name="김민아", language=language, now=start)
        token = access.add_login_link(session, user.id, now=now)
        work.commit()
    return own, rival, made, token


def _items(now: datetime) -> list[tuple[int, RawItem]]:
    """(place of the watch, item)."""
    chance = random.Random(7)
    items: list[tuple[int, RawItem]] = []

    def add(where: int, at: datetime, text: str, **fields: object) -> None:
        number = len(items)
        author = f"user{chance.randrange(400)}"
        given: dict[str, object] = {
            "url": f"https://plaza.example/{number}",
            "author": RawAuthor(native_id=author, handle=author, name=author),
            "engagement": Engagement(likes=chance.randrange(30), replies=chance.randrange(5)),
        }
        items.append(
            (
                where,
                RawItem(
                    external_id=str(number),
                    text=f"{text} {chance.choice(_ENDS)}",
                    published_at=at,
                    **(given | fields),  # type: ignore[arg-type]
                ),
            )
        )

    for hour in range(28 * 24):
        at = now - 28 * DAY + hour * HOUR
        awake = 0.35 + 1.3 * (1 <= at.hour <= 14)  # UTC: the day in Seoul
        for _ in range(_poisson(chance, awake)):
            moment = at + timedelta(seconds=chance.randrange(3600))
            kind = chance.random()
            texts = _GOOD if kind < 0.45 else _PLAIN if kind < 0.8 else _BAD
            if chance.random() < 0.25:
                stars = 5 if texts is _GOOD else 3 if texts is _PLAIN else chance.choice((1, 2))
                add(
                    1,
                    moment,
                    chance.choice(texts),
                    kind=Kind.REVIEW,
                    rating=float(stars),
                    rating_min=1.0,
                    rating_max=5.0,
                )
            else:
                add(0 if chance.random() < 0.8 else 2, moment, chance.choice(texts))
        if chance.random() < 0.35:
            add(2, at + timedelta(minutes=chance.randrange(60)), chance.choice(_RIVAL))
    for began, length, size in ((now - 9 * DAY - 4 * HOUR, 3, 45), (now - 3 * HOUR, 3, 70)):
        for _ in range(size):
            moment = began + length * HOUR * chance.random() ** 0.8
            add(0, min(moment, now - timedelta(minutes=6)), chance.choice(_CRISIS))
    items.append(
        (
            2,
            RawItem(
                external_id="hostile",
                title="<b>새벽결</b> 소식",
                text=HOSTILE,
                kind=Kind.ARTICLE,
                url="javascript:alert(1)",
                author=RawAuthor(native_id="evil", handle="<i>evil</i>"),
                # The newest of all, so that the overview shows it at any hour.
                published_at=now - timedelta(minutes=5, seconds=1),
            ),
        )
    )
    return items


_ENDS = ("", "ㅠㅠ", "!!", "정말로", "…", "오늘 있었던 일이에요", "참고하세요", "다들 어떠세요?")


def _poisson(chance: random.Random, mean: float) -> int:
    number, left = 0, chance.expovariate(1.0)
    while left < mean:
        number += 1
        left += chance.expovariate(1.0)
    return number


def _run(
    services: Services, watch_id: int, items: Sequence[RawItem], upto: datetime, now: datetime
) -> None:
    """One run that brings these items, and (once) an outage of six hours on the forum."""
    with services.database.write() as work:
        claim = watches.claim(work.session, watch_id, now=upto, lease=HOUR)
        assert claim is not None
        watch = watches.load(work.session, watch_id, lambda _: {})
        covered_to = watches.get(work.session, watch_id).covered_to
        work.commit()
    gaps = ()
    if watch.label == "뷰티뉴스" and upto == now - DAY:
        gaps = (Gap(from_at=now - 3 * DAY - 6 * HOUR, to_at=now - 3 * DAY, why=GapReason.OUTAGE),)
    services.ingest.batch(
        Batch(items=tuple(items), state=State(), complete=True, gaps=gaps, requests=3),
        watch,
        claim,
        covered_to=covered_to,
        now=upto,
    )
    with services.database.write() as work:
        watches.finish(
            work.session,
            claim,
            Ending(outcome=Outcome.OK, complete=True, next_run_at=now + 5 * timedelta(minutes=1)),
            now=upto + timedelta(seconds=2),
        )
        work.commit()


def _edit(services: Services, watch_id: int, now: datetime) -> None:
    """Somebody changes a post."""
    with services.database.write() as work:
        claim = watches.claim(work.session, watch_id, now=now, lease=HOUR)
        assert claim is not None
        watch = watches.load(work.session, watch_id, lambda _: {})
        work.commit()
    first = RawItem(
        external_id="edited",
        text="새벽결 크림 배송이 너무 늦어요. 실망입니다.",
        url="https://plaza.example/edited",
        author=RawAuthor(native_id="u1", handle="mina", name="Mina"),
        published_at=now - 2 * HOUR,
        engagement=Engagement(likes=3, replies=1, shares=0),
    )
    second = replace(
        first,
        text="새벽결 크림 배송이 너무 늦었지만 오늘 받았어요. 크림은 좋네요.",
        engagement=Engagement(likes=41, replies=9, shares=4),
    )
    for item, at in ((first, now - HOUR), (second, now)):
        services.ingest.batch(
            Batch(items=(item,), state=State(), complete=True, requests=1),
            watch,
            claim,
            covered_to=None,
            now=at,
        )
    with services.database.write() as work:
        watches.finish(
            work.session,
            claim,
            Ending(outcome=Outcome.OK, complete=True, next_run_at=now + timedelta(minutes=10)),
            now=now,
        )
        work.commit()


def _fail(services: Services, watch_id: int, now: datetime) -> None:
    """The forum is down."""
    with services.database.write() as work:
        claim = watches.claim(work.session, watch_id, now=now, lease=HOUR)
        assert claim is not None
        watches.finish(
            work.session,
            claim,
            Ending(
                outcome=Outcome.UNAVAILABLE,
                complete=False,
                next_run_at=now + timedelta(minutes=20),
                code="unavailable",
                error="forum.example does not answer: HTTP 503.",
                hint="It is tried again by itself.",
                gap=GapReason.OUTAGE,
            ),
            now=now,
        )
        work.commit()
