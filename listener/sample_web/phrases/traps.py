# ruff: noqa: E501 - a sentence is data and stays on its line
"""Posts that are awkward on purpose: adverts, look-alike names, markup, copies."""

from typing import Final

SPAM: Final[tuple[str, ...]] = (
    "[협찬] {b}에서 {food}{을/를} 제공받아 솔직하게 작성한 후기입니다. {food} 정말 신선하고 좋았어요 #협찬 #광고 {tag}",
    "#광고 {b} {food} 특가! 지금 링크에서 {won} 쿠폰 받으세요 https://nuri-coupon.example/{code}",
    "팔로우+RT 추첨 {n} 분께 {b} {won} 상품권 드립니다 {tag} #이벤트 #나눔",
    "{b} 체험단 모집합니다 (제품 제공) 신청은 프로필 링크 #체험단 #소정의원고료",
    "알바 구해요 집에서 하루 {bill} {b} 리뷰 작성 부업 문의는 쪽지 https://bu-up.example/{code}",
    "Get {won} off at {b}, limited codes: https://deal-fox.example/{code} #ad",
)
BOTNET: Final[tuple[str, ...]] = (
    "{b} 쿠폰 무료로 받는법 공개합니다 선착순 100명 https://free-pon.example/{code}",
    "요즘 다들 {b} 이렇게 싸게 사던데? 방법은 링크 https://free-pon.example/{code}",
)
LOOKALIKES: Final[tuple[tuple[str, str], ...]] = (
    ("ko", "누리마켓플레이스 입점 설명회 다녀왔는데 수수료가 (좀 세네|생각보다 괜찮네|제일 싸네)"),
    ("ko", "누리마켓플레이스 앱은 누가 만들었길래 이렇게 (느리냐|예쁘냐|복잡하냐)"),
    ("ko", "별누리마켓 이번 주말 {hood} 강변에서 열려요! 수공예 좋아하는 분들 오세요"),
    ("ko", "별누리마켓에서 산 도자기 컵 {very} 예쁨 {lol}"),
    ("ko", "누리마켓팅연구소 강의 들어본 사람? {n} 주 과정이라는데"),
    ("ko", "새해든샵이든 어디든 신년 세일 하는데 좀 알려줘"),
    ("en", "Nurimarketing is a silly name for an agency, {who} works there"),
    ("en", "Picked up a blue basket of {food} at the flea market in {hood}"),
    ("en", "our kids play bluebasketball on Fridays, yes that is what they call it"),
)
MARKUP: Final[tuple[str, ...]] = (
    "{b} 검색창에 <script>alert('누리')</script> 넣어봤는데 아무일도 없네 {lol}",
    "{b} 리뷰에 <img src=x onerror=alert(1)> 이런거 써도 되나요?",
    '{b} 주문번호 "><b>굵게</b> 이렇게 나옴 & 쿠폰 < 배송비 > 뭐임 {cry}',
    'Bug report for {b}: a name like <svg/onload=alert(2)> & "quotes" breaks the receipt page',
    "{b} {{7*7}} ${{7*7}} 이런 글자가 알림에 그대로 뜨는데 정상인가요",
)
UNRELATED: Final[tuple[tuple[str, str], ...]] = (
    ("ko", "오늘 {hood} 시장에서 {food} {won}에 샀다 {lol}"),
    ("ko", "{food} 어디서 사야 싱싱하지 요즘 다 별로던데"),
    ("ko", "냉장고 파먹기 {n} 일차 {food}만 남음"),
    ("ko", "새벽배송 기사님들 눈 오는데 조심하세요"),
    ("en", "Making {food} soup, {who} wants seconds"),
    ("en", "Farmers market in {hood} had the best {food} {when}"),
)
OWN_VOICE: Final[tuple[str, ...]] = (
    "이번 주 {b} 특가: {food}, {goods} 최대 {won} 할인! 앱에서 만나요 {tag}",
    "{food} 제철이 돌아왔어요. {b} 산지직송으로 신선하게 🚚 {tag}",
    "[안내] {b} 앱 점검이 오늘 밤 2시부터 30분간 있습니다. 이용에 참고 부탁드립니다.",
    "안녕하세요 {b}입니다. 불편을 드려 죄송합니다. 주문번호를 쪽지로 보내주시면 바로 확인하겠습니다.",
    "퀴즈! {b} 장바구니에 가장 많이 담긴 과일은? 댓글로 알려주세요 🍊 {tag}",
)
EDIT_NOTES: Final[tuple[str, ...]] = (
    "\n(추가) 판매자님이 연락 주셔서 다시 받았어요. 감사합니다.",
    "\n+ 수정: 다시 써보니 괜찮아서 점수 올립니다.",
    "\n[수정] {n} 주 써보고 남겨요. 처음보다 별로네요.",
    "\n--- 내용 추가합니다. 환불은 받았는데 사과는 없네요.",
    "\nEdit: they called me today and sorted it out.",
)
