"""A few items placed by hand around the start, so that every demo meets them within minutes."""

import random
from dataclasses import replace
from datetime import timedelta

from listener.sample_web import voice
from listener.sample_web.catalogue import BRANDS, OWN, PRODUCT
from listener.sample_web.channels import Writer
from listener.sample_web.model import Edit, Item, Plan
from listener.sample_web.people import People


def staged(plan: Plan, people: People) -> list[Item]:
    """Edits that happen while one watches, a back-dated article, and markup on each channel."""
    rng = random.Random(f"{plan.seed}:{plan.start.isoformat()}:staged")
    writer = Writer(rng, people)
    return [
        *_edits(writer, plan),
        *_late(writer, plan),
        *_markup(writer, plan),
        *_press(writer, plan),
        *_paid(writer, plan),
    ]


def _edits(writer: Writer, plan: Plan) -> list[Item]:
    items = []
    for minute, slug, before, after, stars in (
        (
            -22,
            "soft-greek-yogurt",
            "오늘 온다던 요거트가 아직 안 왔어요. 배송조회도 안 됩니다.",
            "오늘 온다던 요거트가 아직 안 왔어요. 배송조회도 안 됩니다.\n"
            "(수정) 방금 분실됐다고 연락 왔네요. 환불 신청했어요. 너무 실망입니다.",
            1,
        ),
        (
            -9,
            "haeden-new-rice-10kg",
            "쌀에서 돌이 나왔어요. 이 상할 뻔했습니다.",
            "쌀에서 돌이 나왔어요. 이 상할 뻔했습니다.\n"
            "+ 판매자가 바로 전화 주시고 새로 보내주셨어요. 응대는 좋아서 별 하나 올립니다.",
            3,
        ),
    ):
        at = plan.start + timedelta(minutes=minute)
        product = PRODUCT[slug]
        topic = "delivery" if product.brand == OWN.slug else "quality"
        item = writer.product_review(at, product, before, "ko", "complaint", topic, 1)
        edit = Edit(plan.start + timedelta(minutes=6 - minute / 5), after, stars)
        items.append(replace(item, edit=edit))
    at = plan.start + timedelta(minutes=-15)
    text = "누리마켓 배송 못 받으신 분들 지역 좀 적어주세요. 저는 송파입니다."
    thread = writer.thread(
        at, "누리마켓 배송 안 온 지역 모아봐요", text, "ko", OWN, "delivery", "complaint"
    )
    extra = "\n\n(추가) 댓글 보니 수원, 일산도 안 왔다네요. 솔개로지스 허브가 막혔다고 해요."
    edit = Edit(plan.start + timedelta(minutes=8), text + extra)
    return [*items, replace(thread, edit=edit)]


def _late(writer: Writer, plan: Plan) -> list[Item]:
    """An article and a review that turn up long after the date they carry."""
    shown = plan.start + timedelta(minutes=11)
    article = writer.report(
        shown,
        '누리마켓, 이달 말 배송사 변경… "새벽배송 더 빨라진다"',
        "누리마켓이 새벽배송 협력사를 바꾼다. 회사는 배송 권역이 넓어지고 "
        "도착 시각이 30분 빨라질 것으로 기대했다. "
        "업계에서는 초기 혼선을 우려하는 목소리도 나온다.",
        "ko",
        OWN,
    )
    review = writer.product_review(
        plan.start + timedelta(minutes=17),
        PRODUCT["bamboo-tissue-24"],
        "지난주에 쓴 후기인데 이제 올라가네요. 휴지는 도톰하고 좋습니다.",
        "ko",
        "praise",
        "quality",
        5,
    )
    return [
        replace(article, published=shown - timedelta(hours=26)),
        replace(review, published=review.published - timedelta(days=6, hours=3)),
    ]


def _press(writer: Writer, plan: Plan) -> list[Item]:
    """A press release that one newsroom after the other prints."""
    at = plan.start - timedelta(hours=7, minutes=10)
    first = writer.report(
        at,
        f"{OWN.name}, 김포에 세 번째 물류센터… 새벽배송 권역 두 배로",
        f"{OWN.name}이 경기 김포에 세 번째 물류센터를 열었다. 하루 6만 상자를 처리하는 규모로, "
        "새벽배송 권역이 수도권 서부와 인천까지 두 배로 넓어진다. 회사는 냉장 차량 120대를 새로 "
        "들이고 지역에서 400명을 뽑는다고 밝혔다.",
        "ko",
        OWN,
    )
    minutes = (26, 49, 95, 170, 260, 385)
    return [first, *(writer.copy(at + timedelta(minutes=m), first) for m in minutes)]


def _paid(writer: Writer, plan: Plan) -> list[Item]:
    """Sponsored posts, which say so, and an offer that one account posts again and again."""
    items = []
    for hours, title, text in (
        (
            30,
            f"{OWN.name} 밀키트 솔직 후기",
            f"{OWN.name} 밀키트로 저녁 차렸어요. 재료가 손질돼 있어 15분이면 끝나네요.\n\n"
            "※ 업체로부터 제품을 무상으로 제공받아 작성한 후기입니다.",
        ),
        (
            11,
            "새벽배송 샐러드 일주일 먹어 본 이야기",
            f"{OWN.name} 샐러드 구독 일주일 차! 채소가 싱싱해서 아침이 즐거워요.\n\n"
            f"{OWN.name} 서포터즈 활동으로 소정의 원고료를 받았습니다.",
        ),
        (
            3,
            f"체험단으로 만난 {OWN.name} 과일 상자",
            f"체험단에 선정되어 {OWN.name} 과일 상자를 받아 봤어요. 딸기가 특히 달아요.",
        ),
    ):
        at = plan.start - timedelta(hours=hours, minutes=20)
        items.append(writer.thread(at, title, text, "ko", OWN, "quality", "praise"))
    offer = writer.thread(
        plan.start - timedelta(hours=5),
        f"{OWN.name} 할인코드 나눕니다",
        f"{OWN.name} 첫 구매 역대급 할인! 추천인 코드 넣으면 만 원 적립, 선착순 마감 임박이라 "
        "서두르세요. 아래 링크 클릭하고 오픈채팅으로 오시면 바로 알려 드려요.",
        "ko",
        OWN,
        "price",
        "neutral",
    )
    again = (plan.start - timedelta(minutes=m) for m in (230, 140, 55))
    return [
        *items,
        offer,
        *(replace(offer, id=writer.id_for("forum", at), appears=at, published=at) for at in again),
    ]


def _markup(writer: Writer, plan: Plan) -> list[Item]:
    """Harmless text that would run as code wherever somebody forgets to escape it."""
    at = plan.start - timedelta(hours=3)
    script = "<script>document.title='sample'</script>"
    text = f"누리마켓 리뷰창에 {script} 썼더니 글자 그대로 나오네요 ㅋㅋ </script><b>굵게</b> & 끝"
    tweet = writer.dressed_tweet(at, OWN, text, "ko", "neutral", "markup", ())
    review = writer.product_review(
        at, PRODUCT["morning-salad-box"], text, "ko", "neutral", "markup", 4
    )
    thread = writer.thread(
        at,
        "누리마켓 <b>공지</b> & 질문",
        # This forum lets markup through, as some do: the feed itself carries a live script tag.
        f"<p>누리마켓 공지 보셨어요?</p>{script}"
        "<img src=x onerror=\"document.title='x'\"><p>앱이 느려요</p>",
        "ko",
        OWN,
        "app",
        "complaint",
    )
    haeden = BRANDS[1]
    slots = voice.slots_for(writer.rng, "ko", haeden)
    spoken = writer.own_voice(
        plan.start + timedelta(minutes=4),
        haeden,
        f"{haeden.name} <3 여러분 & 좋은 하루! {slots['tag'][0]}",
    )
    return [tweet, review, replace(thread, raw_html=True), spoken]
