# ruff: noqa: E501 - a sentence is data and stays on its line
"""The words of the complaint wave: a shop changes its courier and parcels stop arriving.

`{old}` and `{new}` are the couriers. The first post tells the cause in so many words.
"""

from typing import Final

FIRST: Final = (
    "누리마켓 오늘부터 택배사 {old}에서 {new}로 바뀌었다는데 새벽배송 온다던 거 아직도 안 왔어요. "
    "{new} 앱에서 조회하니까 '분실 접수'래요;; 저만 이런가요? #누리마켓"
)
NOTICE: Final = (
    "[안내] 더 나은 새벽배송을 위해 내일 새벽 출고분부터 배송사가 {old}에서 {new}로 변경됩니다. "
    "주문 조회 방법은 앱 공지에서 확인해 주세요. #누리마켓"
)
APOLOGIES: Final[tuple[str, ...]] = (
    "[사과드립니다] 배송사 변경 과정에서 일부 지역의 배송이 지연되고 있습니다. 원인을 확인하는 대로 "
    "안내드리겠습니다. 불편을 드려 죄송합니다. #누리마켓",
    "지연된 주문은 순차적으로 재출고하고 있으며, 분실이 확인된 주문은 오늘 안에 전액 환불해 드립니다. "
    "다시 한번 사과드립니다.",
    "We are sorry for the delayed deliveries after our courier change. Lost orders will be refunded "
    "in full today. #nurimarket",
)
KOREAN: Final[tuple[str, ...]] = (
    "{b} 택배사 바꾸더니 배송 (개판|엉망|난리) 났네 {cry}",
    "{new} (뭐임|어디서 나타난 회사냐|실화냐).. {b} 배송조회가 아예 안됨 {cry}",
    "{b} {food} 시킨거 {new} 허브에서 (사라짐|멈춤|분실됐대) {cry}",
    "아침밥 해야되는데 {b} 새벽배송 안옴 {new} 전화도 안받음 {cry}",
    "{old} 때는 이런적 없었는데 {new}로 바꾸고 {very} 최악 {b}",
    "{b} 배송완료 떴는데 없음. {new} 기사님 번호는 없는 번호래 {cry}",
    "{b} 분실 접수했더니 {cs} {wait} 대기.. {cry}",
    "우리 아파트 단톡방 난리남 {b} 아무도 못받음 ({hood})",
    "{hood} {b} 배송 온 사람 있음? {new} 바뀌고 우리동네 전멸 {cry}",
    "{b} {new} 송장번호 넣으면 '없는 번호'래 {cry} 내 {bill} 어디감",
    "왜 택배사를 바꿔서 이 사단을 만드냐 {b} {cry}",
    "{b} 배송지연 문자만 {n}통째. {new} 일 안하냐",
    "{food} 상온에 한나절 있었을텐데 이제 와도 못먹지 {b} {cry}",
    "{b} 물건 분실이라면서 환불은 또 {days} 걸린다네 {cry}",
    "{who} 이유식 재료 시켰는데 {b} 배송 안와서 {very} 속상 {cry} {new} 책임져",
    "{b} 고객센터 전화 폭주라 끊김. {new}랑 서로 떠넘기는 중 {cry}",
    "택배차가 {hood} 들렀다 그냥 갔대 ㅋㅋ {new} {b} 둘다 대단하다",
    "{b} 오늘 배송 못온다고 이제야 문자옴 {cry} 출고는 어제라며",
    "{new} 물류센터 사진 봤는데 {b} 박스 산더미 {cry} 내것도 저기 있겠지",
    "{b} 이번에 탈퇴한다 배송 하나 보고 썼는데 {new}로 바꾼 순간 끝",
)
KOREAN_REVIEWS: Final[tuple[str, ...]] = (
    "택배사가 {new}{으로/로} 바뀐 뒤로 배송이 (엉망입니다|너무 늦어요|감감무소식이에요).",
    "배송완료라는데 물건이 없어요. {new}는 전화도 안 받네요 {cry}",
    "새벽배송인데 (점심이 지나도|저녁이 되도록) 안 와요. 택배사 왜 바꾸셨어요?",
    "분실됐다고 연락받았어요. {old} 때는 한 번도 없던 일입니다.",
    "상품은 좋은데 {new} 배송은 {much} 최악이에요. 다 상해서 왔어요.",
    "조회하면 '집화 전'만 {dur} 떠 있어요. 환불해 주세요 {cry}",
    "상자가 젖고 찢어져서 왔습니다. 바뀐 택배사 문제 같아요.",
    "배송지연 문자만 오고 물건은 안 옵니다. 아침 굶었어요{cry}",
)
KOREAN_FORUM_TITLES: Final[tuple[str, ...]] = (
    "누리마켓 {new}로 바뀌고 배송 오신 분 있나요",
    "{hood} 누리마켓 배송 분실 공유해요",
    "누리마켓 택배사 변경 이후 지연 정리",
    "누리마켓 분실 환불 받으신 분?",
    "{new} 조회 안되는거 저만 그런가요 (누리마켓)",
    "누리마켓 새벽배송 아직도 안 왔습니다",
)
ENGLISH: Final[tuple[str, ...]] = (
    "{b} switched couriers and now nothing arrives{ugh}",
    "{b} parcel lost on day one with the new courier. Great start{ugh}",
    "Is everyone's {b} delivery late today? {new} tracking says 'unknown number'{ugh}",
    "My {food} are somewhere in a {new} depot. Thanks {b}{ugh}",
    "{b} dropped {old} for this? {wait} on hold and no {food}{ugh}",
    "Whole building in {hood} is waiting for {b} boxes. New courier lost the lot{ugh}",
    "{b} says delivered, {new} says not collected yet. Which is it{ugh}",
    "No breakfast because {b} changed couriers. {who} is not amused{ugh}",
    "{b} delivery delayed again, {nth} text today. Just refund me{ugh}",
)
NEWS: Final[tuple[tuple[str, str], ...]] = (
    (
        "누리마켓, 택배사 바꾼 첫날 배송 지연·분실 속출",
        "온라인 장보기 서비스 누리마켓이 배송사를 {old}에서 {new}로 바꾼 첫날 곳곳에서 배송 지연과 분실 신고가 "
        "이어지고 있다. 소셜미디어와 주부 커뮤니티에는 '새벽배송이 점심까지 오지 않았다', '조회가 되지 않는다'는 글이 "
        '수백 건 올라왔다. 누리마켓 관계자는 "원인을 확인하고 있다"고 밝혔다.',
    ),
    (
        '"아침 굶었다" 누리마켓 고객 불만 폭주… 고객센터도 먹통',
        "누리마켓의 배송 차질이 이어지며 고객센터 연결까지 어려워졌다. 새 배송사인 {new}의 물류 거점에 상자가 쌓여 "
        "분류가 늦어진 것이 원인으로 알려졌다. 경쟁사인 해든샵과 블루바스켓의 배송은 평소와 같은 것으로 파악됐다.",
    ),
    (
        "Nurimarket deliveries stall after courier switch",
        "Customers of the online grocer Nurimarket reported late and lost parcels on the first day "
        "after the company moved its dawn delivery to a new courier. The company said it was looking "
        "into the cause and would refund lost orders.",
    ),
    (
        '누리마켓 "분실 주문 전액 환불"… {new} "분류 시스템 오류"',
        "누리마켓이 배송 지연 사태에 대해 사과하고 분실이 확인된 주문을 전액 환불하겠다고 밝혔다. {new}는 분류 시스템의 "
        "주소 연동 오류로 상자가 거점에 묶였다고 설명했다.",
    ),
)
