# ruff: noqa: E501 - a sentence is data and stays on its line
"""Headlines and bodies of the invented news site; most are dull, as most news is."""

from typing import Final

KOREAN: Final[tuple[tuple[str, str], ...]] = (
    (
        "{b}, {hood}에 새 물류센터… 새벽배송 권역 넓힌다",
        "{b}{이/가} {hood}에 {size} 규모의 물류센터를 연다. 회사는 {month}부터 새벽배송 권역을 {n} 개 구로 넓힐 계획이라고 밝혔다.",
    ),
    (
        "{b}, {quarter} 매출 {pct} 늘어",
        "{b}{은/는} {quarter} 매출이 지난해 같은 기간보다 {pct} 늘었다고 밝혔다. {cat} 주문이 크게 늘었다는 설명이다.",
    ),
    (
        "[현장] '장보기 앱' 전쟁… {b}·{rival} 할인 맞불",
        "{cat}{을/를} 두고 {b}{과/와} {rival}의 할인 경쟁이 뜨겁다. 두 회사는 {month}까지 {pct} 할인 행사를 이어간다.",
    ),
    (
        "{b}, 포장재 {pct} 줄인다… 종이 완충재 도입",
        "{b}{이/가} 비닐 완충재를 종이로 바꾼다. 회사는 연말까지 포장재를 {pct} 줄이겠다고 했다.",
    ),
    (
        "{b} 앱 개편… '{cat} 코너' 신설",
        "{b}{이/가} 앱을 개편하고 {cat} 코너를 새로 열었다. 자주 사는 상품을 한 번에 담는 기능도 더했다.",
    ),
    (
        "{b}, {hood} 농가와 손잡고 {cat} 직거래",
        "{b}{은/는} {hood} 여러 농가와 협약을 맺고 {cat}{을/를} 산지에서 바로 들여온다.",
    ),
    (
        "{b} 멤버십 가격 조정… 소비자 반응 엇갈려",
        "{b}{이/가} {month}부터 멤버십 월 회비를 {won} 올린다. 혜택도 함께 늘린다고 했지만 이용자 반응은 엇갈린다.",
    ),
    (
        "{cat} 값 {pct} 뛰어… {b} 등 온라인몰 '비상'",
        "{hood} 산지의 작황 부진으로 {cat} 값이 {pct} 올랐다. {b}{을/를} 비롯한 온라인몰은 물량 확보에 나섰다.",
    ),
    (
        "[인사] {b}",
        "◇ {b} ▲ 물류본부장 {person} ▲ 상품본부장 {person2}",
    ),
    (
        "{b}, 고객 개인정보 보호 인증 받아",
        "{b}{이/가} 개인정보 보호 관리체계 인증을 받았다. 회사는 {month}까지 로그인 보안도 강화한다고 말했다.",
    ),
    (
        "[기자수첩] {b} {n} 달 써보니",
        "{hood}에 사는 기자가 {n} 달 동안 {b}{으로/로} 장을 봤다. {cat}{은/는} 만족스러웠지만 {cat2} 값은 동네 시장이 나았다.",
    ),
    (
        "{b}, {hood}서 팝업 매장… {cat} 무료 시식",
        "{b}{이/가} 이번 주말 {hood}에서 팝업 매장을 연다. {cat} 시식과 {won} 할인 쿠폰 행사가 마련된다.",
    ),
)
MARKET: Final[tuple[tuple[str, str], ...]] = (
    (
        "{hood} 전통시장, 야간 개장 {pct} 손님 늘어",
        "{hood} 전통시장이 야간 개장을 시작한 뒤 손님이 {pct} 늘었다. 상인회는 {cat} 행사를 준비한다.",
    ),
    (
        "{month} 장바구니 물가 {pct} 올라",
        "{month} 장바구니 물가가 지난달보다 {pct} 올랐다. {cat}{과/와} {cat2} 값이 크게 뛰었다.",
    ),
    ("1인 가구 늘며 소포장 {cat} 인기", "1인 가구가 늘면서 소포장 {cat} 판매가 {pct} 늘었다."),
    (
        "택배 물동량 {pct} 증가… {quarter} 통계",
        "{quarter} 택배 물동량이 {pct} 늘었다. 새벽배송이 성장을 이끌었다.",
    ),
)
ENGLISH: Final[tuple[tuple[str, str], ...]] = (
    (
        "{b} to open {hood} fulfilment centre",
        "{b} said it will open a {size} fulfilment centre in {hood} and extend dawn delivery to {n} more districts.",
    ),
    (
        "{b} sales rise {pct} in {quarter}",
        "Sales at {b} rose {pct} in {quarter} on strong demand for {cat}, the company said.",
    ),
    (
        "{b} and {rival} in price fight over {cat}",
        "Online grocers {b} and {rival} are cutting prices of {cat} by up to {pct}.",
    ),
    (
        "{b} cuts packaging by {pct}",
        "{b} will replace plastic cushioning with paper and cut packaging by {pct}.",
    ),
    (
        "{b} adds English to its app",
        "{b} has added English menus to its app, citing demand from residents of {hood}.",
    ),
    (
        "What we bought: a month on {b}",
        "Our reporter in {hood} shopped on {b} for a month. The {cat} were good, the {cat2} pricey.",
    ),
)
SLOTS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "ko": {
        "size": ("축구장 두 개", "3만㎡", "1만 2천㎡", "지하 2층 지상 5층"),
        "month": ("다음 달", "연말", "내년 1월", "이달 말", "오는 봄"),
        "quarter": ("1분기", "2분기", "3분기", "상반기", "지난달"),
        "pct": ("8%", "12%", "17%", "23%", "31%", "4%", "9.4%", "15%", "27%"),
        "cat": (
            "신선식품",
            "과일",
            "밀키트",
            "생활용품",
            "반려동물용품",
            "채소",
            "정육",
            "수산물",
            "베이커리",
        ),
        "cat2": ("달걀", "우유", "두부", "배추", "쌀", "커피"),
        "person": ("한가온", "유다솔", "진해담", "표은결"),
        "person2": ("남이룸", "봉새솔", "국하람", "감도담"),
    },
    "en": {
        "size": ("30,000 m2", "12,000 m2", "five-storey"),
        "month": ("next month", "this winter", "January"),
        "quarter": (
            "the first quarter",
            "the second quarter",
            "the third quarter",
            "the first half",
        ),
        "pct": ("8%", "12%", "17%", "23%", "31%", "4%", "9.4%"),
        "cat": ("fresh food", "fruit", "meal kits", "vegetables", "household goods", "seafood"),
        "cat2": ("eggs", "milk", "rice", "coffee"),
    },
}
LEADS: Final[dict[str, tuple[str, ...]]] = {
    "ko": (
        "업계에 따르면 이번 움직임은 {quarter}부터 준비돼 왔다.",
        "전문가들은 {cat} 시장이 내년에도 커질 것으로 본다.",
        "이용자 반응은 아직 엇갈린다.",
        "회사 쪽은 자세한 수치를 밝히지 않았다.",
        "경쟁사들도 비슷한 계획을 검토하고 있다.",
        "소비자 단체는 꼼꼼한 비교를 당부했다.",
        "현장에서는 {hood} 주민의 관심이 높았다.",
    ),
    "en": (
        "The plan has been in the works since {quarter}.",
        "Analysts expect the market for {cat} to keep growing.",
        "The company gave no further figures.",
        "Rivals are weighing similar steps.",
        "Consumer groups advised shoppers to compare.",
    ),
}
