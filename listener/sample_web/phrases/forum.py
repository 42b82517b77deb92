"""Forum threads and replies: longer, chattier, signed off like a household board."""

from typing import Final

TITLES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "ko": {
        "complaint": (
            "{b} {t} 때문에 너무 화나네요",
            "{b} {t} 저만 이런가요",
            "{b} {t} 후기 (비추)",
            "{b} 쓰시는 분들 {t} 어떠세요 ㅠㅠ",
            "{b} 이제 그만 쓰려고요",
            "{b} {t} 문제 해결하신 분",
            "하소연) {b} {t}",
        ),
        "praise": (
            "{b} {t} 칭찬해요",
            "{b} 추천합니다",
            "{b} {t} 후기 (내돈내산)",
            "{b} {food} 드셔보세요",
            "요즘 {b} 괜찮네요",
        ),
        "question": (
            "{b} {t} 질문이요",
            "{b} 써보신 분",
            "{b} {t} 아시는 분 계신가요?",
            "{b} {food} 어때요",
        ),
        "mixed": ("{b} 한달 써본 솔직 후기", "{b} 장단점", "{b} {t} 좋은데 아쉬운 점"),
        "neutral": (
            "{b} 장바구니 공유",
            "{b} vs {rival} 비교",
            "오늘 {b}에서 산 것들",
            "{b} 이용 {n}달째",
        ),
    },
    "en": {
        "complaint": ("{b} {t} problem", "Fed up with {b}", "{b} {t}: is it just me?"),
        "praise": ("Happy with {b}", "{b} {t} was great", "Recommend: {b} {food}"),
        "question": ("Question about {b} {t}", "New here, is {b} good?", "{b} {t}?"),
        "mixed": ("One month with {b}: pros and cons", "{b}, good and bad"),
        "neutral": ("My {b} haul", "{b} vs {rival}"),
    },
}
TOPIC_WORDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "ko": {
        "delivery": ("배송", "새벽배송", "택배", "포장"),
        "price": ("가격", "할인", "쿠폰", "멤버십 가격"),
        "quality": ("품질", "신선도", "상품 상태"),
        "service": ("고객센터", "상담", "응대"),
        "app": ("앱", "사이트", "로그인"),
        "payment": ("결제", "포인트", "카드 등록"),
        "availability": ("품절", "재입고", "결품"),
        "refund": ("환불", "반품", "교환"),
    },
    "en": {
        "delivery": ("delivery", "dawn delivery"),
        "price": ("prices", "coupons"),
        "quality": ("quality",),
        "service": ("customer service",),
        "app": ("app", "website"),
        "payment": ("payment", "points"),
        "availability": ("stock", "restock"),
        "refund": ("refund", "returns"),
    },
}
GREETINGS: Final[tuple[str, ...]] = (
    "안녕하세요 {hood} 사는 주부예요. ",
    "눈팅만 하다가 글 남겨요. ",
    "여기 글은 처음 써보네요. ",
    "늘 도움 받고 있어요. ",
    "아침부터 죄송해요. ",
    "퇴근길에 적어봅니다. ",
    "맘님들 ",
    "다들 장 어디서 보세요? ",
    "",
    "",
    "",
)
MIDDLES: Final[tuple[str, ...]] = (
    "{hood}{으로/로} 이사온 뒤로 {n}달째 쓰고 있거든요. ",
    "{who}{이/가} 추천해서 쓰기 시작했는데요. ",
    "한 번 시킬 때 {bill} 정도 써요. ",
    "원래는 {rival} 썼었어요. ",
    "맞벌이라 마트 갈 시간이 없어서요. ",
    "아이가 둘이라 자주 시켜요. ",
    "",
)
SIGN_OFFS: Final[tuple[str, ...]] = (
    " 다들 어떠신지 댓글 부탁드려요~",
    " 긴 글 읽어주셔서 감사합니다.",
    " 좋은 하루 보내세요 ^^",
    " 참고하시라고 올려요.",
    " 다른 분들 의견도 궁금해요.",
    "",
    "",
)
SAD_SIGN_OFFS: Final[tuple[str, ...]] = (
    " 그냥 답답해서 적어봤어요.",
    " 제가 예민한 걸까요?",
    " 저 같은 분 또 계신가요?",
    " 해결되면 다시 글 쓸게요.",
)
REPLIES: Final[dict[str, tuple[str, ...]]] = {
    "ko": (
        "저도 {when} 똑같았어요 {cry}",
        "전 괜찮던데 지역마다 다른가봐요",
        "{hood}{은/는} 문제 없어요~",
        "공감이요.. {food} 한번 당하고 안 사요",
        "정보 감사해요 {lol}",
        "{cs}에 사진 보내면 바로 처리해줘요",
        "저는 {rival}{으로/로} 갈아탔어요",
        "{rival}도 똑같아요 {lol}",
        "앱 지웠다 다시 깔아보세요",
        "오 저도 주문해볼게요 {lol}",
        "{who}도 좋다고 하더라고요",
        "그거 {pay}{으로/로} 하면 돼요",
        "저는 시킬 때마다 다 만족했어요 {lol}",
        "글쎄요 전 별로였어요",
        "윗분 말씀이 맞아요. {won} 차이면 그냥 쓰세요",
    ),
    "en": (
        "Same here {when}{ugh}",
        "Fine for me in {hood}",
        "Send {cs} a photo, they fix it",
        "Thanks, will try{yay}",
        "I moved to {rival} for that reason",
        "Reinstall the app, helped me",
        "Not my experience, {n} orders, all good",
    ),
}
