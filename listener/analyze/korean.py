"""Where a Korean noun ends within a written word: particles, endings, and lists of exceptions.

Without a dictionary of morphemes three things tell a noun: which particles and which endings its
other forms in the same texts take, the agreement of particles with the last sound, and short lists
of nouns that look inflected (광고, 화면, 만족도).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from listener.analyze.words import CLEAR_PARTICLES, KOREAN_STOP

FIRST, LAST = "가", "힣"


class End(Enum):
    """What stands behind the noun of a written word."""

    OPEN = "open"  # nothing: the phrase may go on
    WEAK = "weak"  # nothing, and never anything: a noun before nouns only (거품 용기), if any
    CLOSED = "closed"  # a particle, the copula or a verb made of the noun: the phrase ends
    NONE = "none"  # there is no noun


class Cut(NamedTuple):
    """A written word as noun and what follows; ``noun`` is empty where there is none."""

    noun: str
    end: End


NO_NOUN: Final = Cut("", End.NONE)

_PARTICLES: Final = sorted(
    {
        *CLEAR_PARTICLES,
        *("이", "가", "에", "의", "도", "만", "로", "와", "과", "랑", "나", "이나", "하고", "께"),
        *("에서만", "에만", "까지도", "까지만", "부터는", "이라는", "라는", "이라", "라도", "라고"),
        *("에서의", "로의", "로는", "로도", "로만", "으로만", "로서", "으로서", "로써", "으로써"),
        *("에게는", "한테는", "과는", "와는", "이랑은", "만은", "만이", "만을", "보다도", "보다는"),
        *("뿐", "뿐만", "대로", "치고", "이란", "란", "엔", "에선", "으론", "론", "님께", "이며"),
        *(
            "든지",
            "이든",
            "이야",
            "로부터",
            "으로부터",
            "에서부터",
            "조차도",
            "마저",
            "마저도",
            "커녕",
        ),
    },
    key=lambda particle: (-len(particle), particle),
)
_BY_LAST: Final[Mapping[str, tuple[str, ...]]] = {
    last: tuple(one for one in _PARTICLES if one[-1] == last)
    for last in {particle[-1] for particle in _PARTICLES}
}
# Those that only stand after nouns: they tell a noun from a verb. 은, 는, 도, 만 follow both.
_NOMINAL: Final = frozenset(
    """
    이 가 을 를 에 에서 에서는 에서도 으로 로 의 와 과 하고 에게 한테 까지 부터 이나 처럼 보다 이랑
    밖에 조차 마다 에는 에도 엔 으로는 로는 으로도
    """.split()
)
# After a consonant, after a vowel.
_AFTER_CONSONANT: Final = frozenset(
    "이 은 을 과 으로 이나 이랑 이라 이라는 이라고 이라도 이란 이며 이든 이야 으로는 으로도 "
    "으로만 으로서 으로써 으로부터".split()
)
_AFTER_VOWEL: Final = frozenset("가 는 를 와 나 랑 라는 란 라도 라고".split())
_AFTER_VOWEL_OR_L: Final = frozenset("로 로는 로도 로만 로서 로써 로부터 론".split())

_COPULA: Final = re.compile(
    r"(이에요|예요|이예요|에요|입니다|입니까|인가요|이네요|이었[가-힣]*|였[가-힣]{1,3}|이라서|라서|"
    r"인데|인데요|인데도|이지만|이구요|이고요|이고|이니|이니까|이라니|이죠|이던데|임|일까요|인지|"
    r"인듯|이더라고요|이더라|이었습니다|뿐이네요|뿐이에요|이잖아요|이긴|이다|일듯)$"
)
# Verbs made of a noun: 환불하다, 누락되다, 거절당하다, 환불받다, 반복시키다.
_LIGHT: Final = re.compile(
    r"(하|해|했|한|할|함|합|하셨|하신|하시|되|돼|됐|된|될|됨|됩|받|시키|시켜|시켰|시킨|당하|"
    r"당해|당했|당한|"
    r"드리|드려|드렸)[가-힣]*$"
)
_LIGHT_WHOLE: Final = re.compile(
    r"(?:하|해|했|한|할|함|합|되|돼|됐|된|될|됨|됩|받|시키|시켜|시켰|시킨|당하|당해|당했|당한|"
    r"드리|드려|드렸)"
    r"(?:|는|던|지|고|면|며|서|게|기|나|네|니|자|길|은|을|음|요|다|까|여|야|려|아|으면|아서|"
    r"아요|아도|았[가-힣]*|"
    r"지만|는데|는데도|던데|[가-힣]?도록|거나|려고|려면|려는데|더니|니까|면서|자마자|느라|나요|"
    r"네요|세요|셔요|지요|죠|"
    r"는지|[가-힣]?습니다|니다|습니까|니까요|는데요|거든요|더라고요|더라구요|던가요|대요|래요|"
    r"ㄴ다고|다고|다는|라고|라는|"
    r"라며|셨[가-힣]*|시[가-힣]*|신[가-힣]*|었[가-힣]*|겠[가-힣]*|어[가-힣]*|여[가-힣]*|"
    r"는[가-힣]{0,2}|지[가-힣도를는은]{0,2}|"
    r"기[가-힣]{0,2}|고[가-힣]{0,2}|게[가-힣]{0,2}|주[가-힣]*|줘[가-힣]*|줬[가-힣]*|준[가-힣]*|"
    r"줄[가-힣]*|달[가-힣]*|"
    r"놓[가-힣]*|버[가-힣]*|봤[가-힣]*|보[가-힣]*|봐[가-힣]*|볼[가-힣]*|야[가-힣]{0,3}|도)$"
)

# Endings of verbs and adjectives of which no noun makes use, or hardly any.
_ENDING: Final = re.compile(
    r"(?:니다|니까|니까요|습니당|지만|지만은|는데|는데도|는데요|은데|은데요|던데|텐데|어서|아서|"
    r"여서|면서|면서도|으면|다면|라면서|"
    r"려고|려면|려는|으려고|도록|거나|든가|더니|더라|더라고요|더라구요|자마자|느라|느라고|는지|"
    r"은지|던지|을지|을까|을게|"
    r"는다|은다|았다|었다|겠다|했다|없이|없음|있음|않음|좋음|싫음|많음|같음|없다|있다|없고|있고|"
    r"없는|있는|없어|있어|없네|있네|"
    r"죠|쥬|냐|냐고|다고|다는|다며|다가|다니|다만|거든|잖아|구나|군요|네여|어여|아여|"
    r"어지|아지|워지|러지|려지|어진|아진|워진|려진|러진|려서|와서|워서|져서|겨서|켜서|쳐서|"
    r"로운|러운|려운|까운|거운|가운|다운받|스러운|스럽[가-힣]*|스러[가-힣]+|적으로|적인|"
    r"적이[가-힣]*)$"
)
# One syllable that ends verbs and adjectives as a rule; nouns with it are listed, or are known by
# the particles they take.
_SHORT_ENDING: Final = frozenset(
    "요 다 고 게 네 까 어 아 여 워 와 해 돼 져 려 써 봐 줘 며 히 든 던 죠".split()
)
_LINKING_VOWELS: Final = frozenset("ㅏㅐㅓㅔㅕㅘㅝ")

# Endings that tell, when they stand behind a stem, that it is a verb's.
_VERBAL: Final = (
    *(
        "고",
        "지",
        "네요",
        "는데",
        "면",
        "니까",
        "게",
        "던",
        "지만",
        "려고",
        "자",
        "도록",
        "거나",
        "더니",
    ),
    *("기", "나요", "는지", "면서", "세요", "습니다", "었어요", "아요", "어요", "ㄴ다", "는"),
)

# Bound and function words, adverbs, pronouns, times and fillers: never a part of a phrase.
STOP: Final = KOREAN_STOP | frozenset(
    """
    이번 저번 지난 지난번 다음 다음번 이후 이전 이전에 이후로 이후에 동안 중에 도중 채로 때마다
    만에 전에 후에 뒤에 앞으로 갑자기 자꾸 자주 계속 금방 바로 당장 아예 전혀 절대 제발 일단 우선
    먼저 미리 따로 서로 함께 혼자 스스로 항상 매번 언제나 가끔 종종 요즘 최근 최근에 예전 옛날 나중
    나중에 아까 방금 이미 이제야 드디어 결국 마침내 역시나 정말로 진심 진심으로 솔직히 사실 사실상
    아마 어쩌면 설마 만약 만일 비록 물론 특히 특별히 오히려 차라리 도대체 대체 하도 워낙 꽤 상당히
    굉장히 무척 몹시 약간 살짝 거의 대부분 대체로 보통 원래 본래 별로 그다지 그닥 딱히 굳이 괜히
    일부러 억지로 모든 각각 각자 여러 여러분 몇몇 다른 다른거 아무 아무것 아무것도 아무도 아무리
    누구 누군가 뭔가 무엇 무언가 이건 그건 저건 이게 그게 저게 이걸 그걸 뭘 뭔 이래 그래 저래
    이렇게 그렇게 저렇게 어떻게 이런거 그런거 이러한 그러한 그러나 그러니 그러니까 그래도 그러면
    그럼 그런지 따라서 또한 게다가 더구나 심지어 아무튼 어쨌든 하여튼 암튼 그나마 겨우 고작 해야
    해도 했던 하루 이틀 사흘 며칠 한달 한번 두번 세번 한 두 세 네 다섯 여섯 하나 둘 셋 넷 첫 첫번째
    번째 반 몇 개 번 명 시간째 정작 애초 애초에 막상 부디 평소 어차피 조만간 가득 마냥 거야 따라
    그나저나 하지 하러 하기 되기 할지 할수 줘야 봐야 보러 그렇지 이러니 가라 마라 제법 오로지 따위
    한번쯤 여러번 어째 허나 참으로 알수 볼만 이리 본 또다른 아무런 중간중간 등등 하긴 달라 저걸
    밖에 까지 대신 그저 그런건 이번엔 잠깐 너무너무 얼마전 뭐라 에라이 할말 이것저것 여기저기 몰라
    애들 다들 남들 지들 쟤들 얘들 당신 엄청난 어이 말그대로 까지는 더이상 한가지 여러가지 한데
    이토록 오랫만 오랜만 근래 앞뒤 그니까 뭔지 웬만 왠만 월요일 화요일 수요일 목요일 금요일 토요일
    일요일 주말 평일 아침 점심 저녁 새벽에 오전 오후 밤 낮 올해 작년 내년 매일 매주 매달 월 일 년
    시 분 초 주 달 원 만원 천원 오늘도 내일도 어제도 지금도 지금까지 여태 여전히 그동안 그때 이때
    저는요 제가요 나도 저도 내 니 너 그 그녀 얘 걔 쟤 자기 본인 남 사람들 분들 님 씨 여기서 거기서
    어디서 없이 있이 같음 처럼 만큼 정도로 때문 때문인지 대해서 관해서 관련해서 통해서 위해서 위한
    대한 관한 의한 따른 인한 수도 줄 듯 척 뻔 편 적 점 바 데 중 뿐 채 측 겸 내내 쪽 곳 것들 거라
    건지 거든요 건데 걸로 건가요 겁니다 거예요 빨리 천천히 열심히 조용히 완전 완전히 확실히 분명히
    정확히 제대로 그대로 마음대로 맘대로 나름 은근 은근히 대충 꼭 막 확 쭉 싹 푹 팍 쏙 쓱 헐 와 아
    오 음 흠 어 앗 응 네네 예 아니 아니요 안녕 안녕하세요 감사합니다 감사 죄송 부탁 제목 내용 안되
    못하 잘못 오래 조금씩 하나씩 점점 더욱 더더욱 훨씬 가장 제일 최대한 최소한 되게 엄청 엄청나게
    겁나 존나 핵 왕 짱 급 노 굿 최고 최악 대박 만족 불만족 추천 비추 강추 실망 후회 짜증 화 기분
    느낌 생각 마음 맘 상황 경우 문제점 이유 처음 마지막 끝 시작 전부 일부 전체 나머지 이상 이하
    미만 초과 가량 쯤 여개 건 만족도가 매우만족 예상 덕분 탓 김에 겸사
    """.split()
) - {"시작", "개"}

# Nouns that look as if they ended in a particle or an ending.
NOUNS: Final = frozenset(
    """
    속도 온도 태도 강도 난이도 완성도 만족도 정도 제도 지도 한도 각도 밝기 농도 습도 밀도 순도 의도
    시도 인도 파도 철도 선호도 인지도 신뢰도 친절도 해상도 활용도 채도 명도 용도 빈도 고도 위도
    수도 경도 투명도 인도어 평가 추가 물가 원가 국가 휴가 참가 작가 증가 허가 정가 할인가 최저가
    단가 특가 가격가 효과 결과 사과 성과 경과 통과 초과 과과 안과 치과 내과 외과 학과 도로 통로
    경로 진로 피로 회로 문의 회의 동의 주의 협의 이의 유의 합의 강의 정의 편의 호의 고의 거의 상의
    하의 예의 임의 고양이 어린이 차이 사이 놀이 종이 길이 높이 아이 먹이 깊이 넓이 이이 나이 거리
    구이 떡볶이 볶이 목걸이 귀걸이 옷걸이 깔창이 손잡이 미끄럼방지 오이 게이 페이 간편페이 스테이
    디스플레이 플레이 리플레이 딜레이 스프레이 블루레이 트레이 빵떡이 만이 토이 보이 갤럭시 광고
    창고 사고 재고 보고 최고가 경고 참고 신고 중고 권고 로고 냉장고 금고 망고 판매고 원고 공고 예고
    출고 입고 재입고 배송예고 물고 투고 냉동고 잔고 카고 백업고 화면 라면 냉면 표면 측면 장면 전면
    후면 쫄면 노면 가면 비빔면 수면 지면 도면 대면 비대면 당면 정면 단면 밀면 짜장면 우동면 컵라면
    생라면 방면 반면 외면 내면 페이지 홈페이지 공지 편지 이미지 메시지 봉지 방지 유지 해지 패키지
    휴지 반지 바지 가지 단지 토지 먼지 강아지 정지 금지 폐지 여지 처지 의지 마사지 소시지 중지 차지
    요금지 상품지 설문지 시험지 간지 벽지 장난감지 감지 인지 저지 부지 양지 거지 아버지 돼지 오렌지
    브릿지 배지 뱃지 청바지 스펀지 한지 물티슈지 가게 무게 몸무게 휴게 집게 두께 바다 판다 사이다
    소다 캐나다 필요 수요 개요 소요 동요 주요 동네 그네 안네 언어 영어 한국어 단어 검색어 국어 연어
    광어 문어 상어 금지어 용어 번역어 제어 경어 일본어 중국어 외국어 히어로 에어 헤어 스토어
    앱스토어 플레이스토어 소프트웨어 하드웨어 펌웨어 타이어 미디어 아이디어 드라이어 캐리어 배리어
    육아 카메라 파우더 이해 피해 오해 올해 방해 손해 화해 공해 견해 조해 재해 침해 여아 유아 남아
    소아 치아 피아노 마카롱 티켓팅 기와 영화와 화와 샤워 파워 타워 팔로워 플라워 서버 순서 부서
    설명서 계약서 문서 도서 견적서 영수증서 신청서 보증서 인증서 증서 질서 정서 용서 센서 프로세서
    콘센서 디스펜서 보고서 확인서 사용설명서 레깅스 취급주의서 지침서 쿠폰 주문 시간 기간 회원 직원
    상담원 전원 지원 자원 인원 요원 공원 병원 학원 의원 후원 화원 인증번호 제한 권한 기한 역할 분할
    유통기한 유효기한 무한 최소한도 북한 남한 할인 확인 디자인 로그인 온라인 오프라인 라인 원인
    승인 메인 와인 체인 코인 법인 주인 노인 애인 인테리어디자인 가이드라인 개인 사인 포인트 사용
    다음달 다운 다운로드 카운터 기운 행운 마운드 라운드 사운드 은행 음료 마늘 하늘 비늘 오늘의집
    물건 조건 사건 안건 우선순위 세일 메일 이메일 파일 프로필 타일 스타일 모바일 과일 생일 휴일
    요일 기일 매일유업 연말 주말특가 양말 비밀 거울 서울 가을 마을 얼굴 동굴 이불 환불 별점 비율
    환율 효율 교환율 할인율 배율 요율 규율 개발 출발 발 이발 신발 폭발 반발 재발 증발 가발 앱알림
    품질 물질 재질 성질 체질 저질 머리카락 마음 얼음 믿음 모임 게임 프레임 타임 책임 위임 신임 담임
    후임 조임 쓰임 움직임 느낌표 꺼짐 끊김 튕김 버벅임 떨림 흔들림 울림 밀림 알림 알람 스팸 그림
    크림 선크림 아이스크림 걸음 졸음 소음 녹음 발음 복음 처음처럼 냄새 세트 기능 하자 사용자 이용자
    소비자 글자 상자 과자 의자 모자 피자 여자 남자 혼자만 판매자 개발자 관리자 운영자 환자 기자
    투자 이자 감자 숫자 문자 한자 장바구니 바구니 주머니 어머니 할머니 비니 미니 하나은행 누나 라나
    바나나 안나 사나 만나 나라 카드나라 파라 드라마 카메라맨 분야 시야 이야기 대야 매장 사장 시장
    포장 통장 공장 고장 저장 권장 성장 연장 확장 이하나 수거 증거 근거 과거 선거 제거 철거 자전거
    먹거리 볼거리 즐길거리 걸이 배터리 갤러리 액세서리 카테고리 라이브러리 메모리 수리 처리 정리
    관리 대리 요리 조리 분리 금리 심리 논리 도리 소리 목소리 거리두기 자리 머리 다리 허리 보기 후기
    세탁기 청소기 건조기 정수기 선풍기 공기 청정기 기기 크기 향기 사기 환기 전기 인기 경기 시기
    위기 연기 계기 무기 고기 물고기 닭고기 소고기 돼지고기 비행기 이야기책 감기 변기 복사기 계산기
    충전기 면도기 가습기 제습기 정기 주기 용기 동기 후배기 초기 장기 단기 만기 분기 표기 국가기
    모기 보기좋 택시 혹시나 표시 접시 도시 낙시 낚시 전시 출시 게시 지시 다시마 즉시 일시 임시 동시
    무시 실시 상시 수시 몹시나 과제 문제 결제 숙제 어제오늘 경제 해제 삭제 통제 규제 면제 공제 세제
    강제 실제 국제 형제 쿠키 위키 키 하자보수 반려 배려 우려 염려 격려 독려 고려 권고려 초기화
    활성화 전화 대화 영화 만화 변화 강화 약화 소화 운동화 실내화 문화 최적화 자동화 상품화 번호
    기호 보호 선호 신호 취향 방향 영향 음향 성향 내용물 하루치 오류 종류 물류 의류 주류 서류 체류
    보류 분류 교류 음식물 실물 선물 건물 사물 동물 식물 이물 이물질 첫인상 인상 배상 보상 영상
    동영상 음성 입장 퇴장 등장 주장 품절 계절 시절 관절 거절 좌절 명절 예절 시스템 아이템 데이터
    캐릭터 필터 스티커 프린터 모니터 센터 마케터 라이더 도어 웨어 케어 스킨케어 헤어케어 카페 슬립
    매니저 주인공 회사 기사 행사 조사 검사 심사 공사 의사 이사 식사 인사 감사제 판매사 택배사
    항공사 여행사 통신사 카드사 은행사 제조사 사은품 보험사 운송사 대행사 협력사 결제사
    """.split()
)

# Nouns of one syllable that phrases are made of.
ONE: Final = frozenset(
    """
    앱 옷 맛 값 물 책 문 앞 폰 색 향 양 답 잠 줄 팩 병 캔 컵 핀 방 집 칸 창 글 말 돈 선 면 빵 떡
    국 밥 술 차 배 발 손 눈 목 몸 살 털 침 칼 솔 통 봉 판 틀 끈 천 실 못 벽 층 길 역 섬 강 산 숲
    꽃 잎 씨 렉 키 팁 탭 톡 콜 룸 홀 존 쇼 쿡 캠 뷰 펌 컬 봇
    """.split()
)

# Stems of states and feelings: 친절하다, 불편하다 tell how, not what.
_STATES: Final = frozenset(
    """
    친절 불친절 불편 편리 편안 편 이상 부실 엉뚱 비슷 필요 가능 불가능 중요 깨끗 따뜻 시원 복잡
    간단 다양 충분 부족 저렴 정확 부정확 훌륭 완벽 확실 솔직 유명 특별 똑같 행복 답답 짜증 당황
    황당 억울 궁금 피곤 건강 안전 만족 불만족 실망 후회 추천 비추 감사 죄송 미안 축하 고민 걱정 심
    독 강 약 급 편하 착 순 진 연 과 무 허술 조잡 미흡 꼼꼼 촉촉 건조 탄탄 단단 튼튼 든든 쫄깃 바삭
    달달 담백 느끼 깔끔 지저분 허전 심심 지루 섬세 예민 민감 둔감 신선 싱싱 상당 굉장 대단 무난
    평범 소중 귀중 당연 분명 명확 불명확 애매 모호 어색 자연 부자연 성실 불성실 무성의 무책임 무례
    공손 정중 익숙 능숙 서툴 화려 단순 심플 쾌적 아늑 넉넉 빡빡 답답해 찝찝 꿉꿉 눅눅 축축 뻑뻑
    매끈 부드 거칠 뻔 뻔뻔 한심 허무 허탈 불쾌 유쾌 상쾌 통쾌 불안 안심 든든해 괜찮 조심 잘못 오래
    사랑 좋아 싫어 원 위 대 통 향 정 못 안 잘 같이 그 이 저 어떠 아무러 이러 그러 저러 왜 해야
    제대로 가격대비 열심히 꾸준 뭉개 부탁 말씀 이야기 얘기 생각 기대 시작 계속 지속 덜 더 다 또
    """.split()
) - {"기대"}

_VERBS: Final = frozenset(
    """
    나오 보이 모르 기다리 바뀌 바꾸 사라지 열리 닫히 눌리 누르 끊기 끊어지 생기 맞 틀리 걸리 빠지
    부러지 찢어지 떨어지 올라가 올라오 내려가 내려오 들어가 들어오 나가 가져가 가져오 돌아가 돌아오
    움직이 붙이 보내 받 먹이 만들 부르 고르 오르 내리 버리 마시 느끼 지키 시키 당기 넘기 옮기 즐기
    맡기 숨기 남기 이기 잠기 벗기 씻기 찾 쓰 가 오 사 파 타 주 자 서 피 열 닫 읽 듣 걷 묻 놀 살 알
    울 웃 입 잡 잃 잊 있 없 같 좋 싫 많 적 작 크 높 낮 넓 좁 길 짧 늦 빠르 느리 비싸 싸 예쁘 나쁘
    아프 기쁘 슬프 바쁘 힘들 어렵 쉽 무겁 가볍 뜨겁 차갑 맵 달 짜 맛있 맛없 멋있 재미있 재밌 재미없
    괜찮 귀찮 두껍 얇 굵 가늘 새 낡 늙 젊 어리 밝 어둡 시끄럽 더럽 부드럽 거칠 미끄럽 무섭 아쉽
    그립 외롭 새롭 해롭 까다롭 번거롭 놓치 다치 고치 망치 끼치 미치 마치 거치 부딪치 넘치 비치 튕기
    녹 썩 상하 터지 깨지 꺼지 켜지 퍼지 늘어나 줄어들 커지 작아지 드러나 일어나 벗어나 지나 만나
    끝나 혼나 떠나 나타나 어긋나 고장나 화나 짜증나 냄새나 소리나 던지 만지 가지 이어지 느껴지
    벌어지 구하 정하 통하 변하 원하 위하 대하 못하 잘하 당하 다하 보여주 알려주 도와주 해주 봐주
    돌려주 갈아타 알아보 물어보 찾아보
    """.split()
)

# What a root takes to be a state (친절한, 친절하게) or an act (환불하는, 환불해 주).
_OF_ROOT: Final = re.compile(
    r"(?:한|하다|하게|함|하네요?|해요|하고|한데|하며|하지만|합니다|하는|한다|하려[가-힣]*|"
    r"해주[가-힣]*|해줘[가-힣]*|하세요|하러|하자|"
    r"하라[가-힣]*|하던데?|하는데|했더니|할게요|할까요)$"
)
_ACTS: Final = re.compile("하는|한다|하려|해주|해줘|하세요|하러|하자|하라|했더니|할게요|할까요")

# Verbs, adverbs and bits of sentences by how they begin or end, whatever else occurs.
_NEVER: Final = re.compile(
    r"^(?:있|없|않|싶|됐|했|봤|같아|같은|안(?:되|됨|돼|된|될|나|와|해|하|맞|먹|보|좋|가)|"
    r"못(?:하|해|한|함|했|할))|^(.{1,2})$|"
    r"(?:듯|인지|는지|런지|싶[가-힣]|으나|어라|아라|여라|으니|다니|더니|나니|보니|라니|자니|"
    r"[았었했됐봤갔왔났겠렸졌켰쳤]지|어도|아도|봐도|돼도|려도|"
    r"져도|워도|와도|써도|줘도|슴|라운|겨운|서운|쉬운|끄러운|[가-힣]{2,}적|"
    r"[었았했됐봤갔왔났겠렸졌켰쳤]음|ㅋ|ㅎ)$"
)

_DEPENDENT: Final = re.compile(
    r"^(?:수|것|거|게|걸|건|점|적|후|뒤|지|채|채로|줄|편|듯|때|뻔|만큼|정도|필요|중|동안|대로|"
    r"데|곳|경우|이유|순간|날)"
    r"(?:[가이은는을를도만에의로]|[가-힣]{1,3})?$"
)
_NEGATION: Final = re.compile(r"^(?:않|못|말|마세요|마시|마라|아니)")


_SURE: Final = 3  # particles that a noun of one syllable takes
_OFTEN: Final = 7  # times that a noun is met before it is taken amiss that it never takes one
_OFTEN_N: Final = 4  # the same for words that end like 빠른


class Lexicon:
    """Tells nouns in the written words of one body of texts, by the forms that occur in it.

    ``forms`` are all its written words, as often as they occur, in lower case.
    """

    def __init__(self, forms: Iterable[str]) -> None:
        nominal: dict[str, set[str]] = {}
        verbal: dict[str, set[str]] = {}
        described: dict[str, set[str]] = {}  # roots, with the forms that states have
        told: dict[str, set[str]] = {}  # and with those that only acts have
        counts = Counter(form for form in forms if is_hangul(form))
        for form in counts:
            for particle in _BY_LAST.get(form[-1], ()):
                if particle in _NOMINAL and _fits(form, particle):
                    nominal.setdefault(form[: -len(particle)], set()).add(particle)
            for ending in _VERBAL:
                if form.endswith(ending) and len(form) > len(ending):
                    verbal.setdefault(form[: -len(ending)], set()).add(ending)
            made = _OF_ROOT.search(form)
            if made is not None and made.start() >= 2:
                kind = told if _ACTS.match(made[0]) else described
                kind.setdefault(form[: made.start()], set()).add(made[0])
        self._nominal: Mapping[str, set[str]] = nominal
        self._verbal: Mapping[str, set[str]] = verbal
        self._described: Mapping[str, set[str]] = described
        self._told: Mapping[str, set[str]] = told
        self._counts = counts
        self._cut = lru_cache(maxsize=100_000)(self._find)

    def cut(self, form: str, following: str = "") -> Cut:
        """The noun of a written word; ``following`` is the written word behind it, "" = none."""
        if following and form not in NOUNS and self._leads(form, following):
            return self._made_of_noun(form) or NO_NOUN
        return self._cut(form)

    def _find(self, form: str) -> Cut:
        if form in STOP:
            return NO_NOUN
        if _NEVER.search(form):
            return self._made_of_noun(form) or NO_NOUN
        if form in NOUNS or form in ONE:
            return Cut(form, End.OPEN)
        copula = _COPULA.search(form)
        if copula is not None:
            stem = form[: copula.start()]
            if self._may_be_noun(stem) and _agrees_copula(stem, copula[0]):
                noun, end = self._particle(stem) or Cut(stem, End.CLOSED)
                return NO_NOUN if end is End.NONE or self._is_verb(noun) else Cut(noun, End.CLOSED)
        particle = self._particle(form)
        if particle is not None:
            return particle
        made = self._made_of_noun(form)
        if made is not None:
            return made
        if self._is_verb(form):
            return NO_NOUN
        if not self._may_be_noun(form):
            return NO_NOUN
        if self._never_inflected(form):
            return NO_NOUN if _final(form[-1]) == "ㄴ" else Cut(form, End.WEAK)
        return Cut(_singular(form), End.OPEN)

    def _leads(self, form: str, following: str) -> bool:
        """Whether it is a verb because of what follows: 바꿀 수, 신청한 지, 맞지 않다."""
        last = _final(form[-1])
        if form[-1] == "지" and _NEGATION.match(following):
            return form not in NOUNS
        if form.endswith(("지도", "지를", "지는")) and _NEGATION.match(following):
            return form[:-1] not in NOUNS
        return last in ("ㄹ", "ㄴ") and bool(_DEPENDENT.match(following)) and not self._takes(form)

    def _particle(self, form: str) -> Cut | None:
        whole = len(self._nominal.get(form, ())) if form not in self._verbal else 0
        for particle in _BY_LAST.get(form[-1], ()):
            if not _fits(form, particle):
                continue
            stem = form[: -len(particle)]
            if whole >= 2 and whole >= len(self._nominal.get(stem, ())):
                return None  # 망고, which is met as 망고를 and 망고가, is no 망 and 고
            if stem in STOP:
                return NO_NOUN
            if particle == "만" and stem[-1] == "지" and not self._known(stem):
                continue  # 잔잔하지만
            if stem in NOUNS or stem in ONE:
                return Cut(stem, End.CLOSED)
            shared = particle not in _NOMINAL
            is_noun = self._may_be_noun(stem) and not self._is_verb(stem)
            if not is_noun and (shared or not self._is_state(stem)):
                continue
            if shared and self._more_verbal(stem):
                return NO_NOUN
            return Cut(_singular(stem), End.CLOSED)
        return None

    def _made_of_noun(self, form: str) -> Cut | None:
        """반품했습니다 -> 반품; None where it is no verb of this kind."""
        for light in _LIGHT.finditer(form):
            for start in range(light.start(), len(form)):
                stem = form[:start]
                if len(stem) < 2 or not _LIGHT_WHOLE.fullmatch(form[start:]):
                    continue
                if (
                    self._is_state(stem)
                    or stem in STOP
                    or (stem not in NOUNS and stem[-1] in "아어워려게지고히")
                ):
                    return NO_NOUN
                if form[start:] == form[start:][0] and self._takes(form):
                    return None
                if self._is_verb(stem) or stem in _VERBS:
                    return NO_NOUN
                return Cut(_singular(stem), End.CLOSED)
        return None

    def _is_state(self, root: str) -> bool:
        """Whether it tells how something is (지루하다) rather than what is done (반품하다)."""
        if root in _STATES:
            return True
        described = len(self._described.get(root, ()))
        nominal = len(self._nominal.get(root, ()))
        return described >= 2 and described > nominal and not self._told.get(root)

    def _is_verb(self, form: str) -> bool:
        if form in NOUNS:
            return False
        if form in _VERBS or self._is_state(form):
            return True
        if len(form) > 1 and form[-1] in "지고게네나면음는은을던도" and form[:-1] in _VERBS:
            return True
        if any(form.endswith(noun) for noun in _tails(form)):
            return False  # 배송사고, 결제화면
        if _ENDING.search(form) or _final(form[-1]) == "ㅆ":
            return True
        if len(form) >= 2 and form[-1] == "면" and _final(form[-2]) in ("", "ㄹ"):
            return not self._takes(form)
        if form[-1] in _SHORT_ENDING or _links(form) or _asks(form):
            return not self._takes(form)
        if form[-1] in "은는을를" or _final(form[-1]) == "ㅄ":
            return True
        if form[-1] in "한할된될" and len(form) == 2:
            return not self._takes(form)
        if form[-1] in "거건걸때" and len(form) > 2 and _final(form[-2]) in ("ㄴ", "ㄹ"):
            return True
        return self._more_verbal(form)

    def _known(self, stem: str) -> bool:
        return stem in NOUNS or any(_tails(stem)) or self._takes(stem)

    def _takes(self, form: str) -> bool:
        """Whether the whole form takes particles of nouns elsewhere: 망고를, 망고가."""
        return len(self._nominal.get(form, ())) >= 2

    def _more_verbal(self, stem: str) -> bool:
        verbal = len(self._verbal.get(stem, ()))
        return verbal >= 2 and verbal > len(self._nominal.get(stem, ()))

    def _may_be_noun(self, stem: str) -> bool:
        if not stem or stem in STOP or stem in _VERBS:
            return False
        return len(stem) >= 2 or stem in ONE or len(self._nominal.get(stem, ())) >= _SURE

    def _never_inflected(self, form: str) -> bool:
        """Whether a word that is met often never takes a particle: an adverb, or 빠른, 해준."""
        if self._nominal.get(form):
            return False
        often = self._counts[form]
        if _final(form[-1]) == "ㄴ":
            return often >= _OFTEN_N
        bare = not any(form + particle in self._counts for particle in "은는도만")
        return often >= _OFTEN and bare


def is_hangul(word: str) -> bool:
    """Whether the word ends in Hangul: it may have particles and endings."""
    return bool(word) and FIRST <= word[-1] <= LAST


def _tails(form: str) -> Iterable[str]:
    """The listed nouns of two and more syllables with which the form ends."""
    return (form[-n:] for n in (4, 3, 2) if len(form) > n and form[-n:] in NOUNS)


def _singular(noun: str) -> str:
    return noun[:-1] if noun.endswith("들") and len(noun) > 2 else noun


_VOWELS: Final = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS: Final[tuple[str, ...]] = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")


def _final(syllable: str) -> str:
    """The closing consonant of a syllable, "" = none or no Hangul."""
    if not FIRST <= syllable <= LAST:
        return ""
    return _FINALS[(ord(syllable) - ord(FIRST)) % 28]


def _links(form: str) -> bool:
    """예뻐서, 비싸서, 느려서: a bright or dark vowel and 서, unlike 부서, 문서, 설명서."""
    if len(form) < 2 or form[-1] != "서" or not FIRST <= form[-2] <= LAST or _final(form[-2]):
        return False
    return _VOWELS[(ord(form[-2]) - ord(FIRST)) % 588 // 28] in _LINKING_VOWELS


def _asks(form: str) -> bool:
    """비싼가요, 나쁜가."""
    stem = form.removesuffix("요")
    return len(stem) >= 2 and stem[-1] == "가" and stem != form and _final(stem[-2]) == "ㄴ"


def _fits(form: str, particle: str) -> bool:
    """Whether the form ends in the particle, as its last sound before asks for."""
    if not form.endswith(particle) or len(form) <= len(particle):
        return False
    before = form[-len(particle) - 1]
    if not FIRST <= before <= LAST:
        return True  # Latin letters and digits: nobody knows how they are read
    final = _final(before)
    if particle in _AFTER_CONSONANT:
        return bool(final) and not (particle.startswith("으로") and final == "ㄹ")
    if particle in _AFTER_VOWEL:
        return not final
    if particle in _AFTER_VOWEL_OR_L:
        return final in ("", "ㄹ")
    return True


def _agrees_copula(stem: str, copula: str) -> bool:
    if copula.startswith(("예요", "였", "라서", "에요")):
        return not _final(stem[-1]) or copula == "에요"
    return True
