"""What codes are called on screen, in Korean and English, and what a user can do about them."""

from __future__ import annotations

from listener.collect.health import WORDS, Words
from listener.types import FlagKind, Kind, Label, Outcome

Pair = tuple[str, str]  # Korean, English

UNSCORED = "unscored"

LABELS: dict[str, Pair] = {
    Label.POSITIVE: ("긍정", "Positive"),
    Label.NEUTRAL: ("중립", "Neutral"),
    Label.NEGATIVE: ("부정", "Negative"),
    Label.MIXED: ("복합", "Mixed"),
    Label.UNCERTAIN: ("불확실", "Uncertain"),
    UNSCORED: ("판정 안 함", "Not scored"),
}
KINDS: dict[str, Pair] = {
    Kind.POST: ("게시글", "Post"),
    Kind.COMMENT: ("댓글", "Comment"),
    Kind.REVIEW: ("리뷰", "Review"),
    Kind.ARTICLE: ("기사", "Article"),
    Kind.ANSWER: ("답변", "Answer"),
    Kind.TICKET: ("문의", "Ticket"),
    Kind.SURVEY: ("설문", "Survey"),
}
LANGUAGES: dict[str, Pair] = {
    "ko": ("한국어", "Korean"),
    "en": ("영어", "English"),
    "ja": ("일본어", "Japanese"),
    "zh": ("중국어", "Chinese"),
    "de": ("독일어", "German"),
    "fr": ("프랑스어", "French"),
    "es": ("스페인어", "Spanish"),
    "und": ("알 수 없음", "Unknown"),
}
FLAGS: dict[str, Pair] = {
    FlagKind.SPONSORED: ("협찬·광고 표시", "Sponsored"),
    FlagKind.PROMOTION: ("홍보", "Promotion"),
    FlagKind.BOT: ("반복 게시", "Repeated"),
}
COPIES: dict[str, Pair] = {
    "exact": ("같은 글", "the same text"),
    "near": ("거의 같은 글", "nearly the same text"),
    "syndicated": ("같은 제목의 기사", "the same headline"),
}
COUNTS: dict[str, Pair] = {
    "posts": ("글", "Posts"),
    "stories": ("이야기", "Stories"),
    "authors": ("작성자", "Authors"),
}
GAPS: dict[str, Pair] = {
    "window": ("원본이 더 이상 보여 주지 않음", "the source no longer shows it"),
    "page-cap": ("한 번에 읽을 수 있는 양을 넘음", "more than one run may read"),
    "rate-limit": ("원본의 요청 제한", "the source's rate limit"),
    "budget": ("정해 둔 사용량 소진", "the quota was used up"),
    "outage": ("원본 또는 이 서비스의 중단", "the source or this service was down"),
}
EVENTS: dict[str, Pair] = {
    "alert.opened": ("급증 시작", "Spike began"),
    "alert.escalated": ("급증 심화", "Spike got worse"),
    "alert.reminder": ("미확인 (다시 알림)", "Not seen yet"),
    "alert.resolved": ("급증 해소", "Spike ended"),
    "alert.acknowledged": ("확인됨", "Acknowledged"),
    "alert.digest": ("모아 알림", "Digest"),
    "source.failing": ("수집 이상", "Collecting fails"),
    "source.reminder": ("수집 이상 (다시 알림)", "Collecting still fails"),
    "source.recovered": ("수집 복구", "Collecting again"),
    "test": ("시험 알림", "Test"),
}
HISTORY: dict[str, Pair] = {  # of an alert
    "opened": ("알림이 열렸습니다", "Opened"),
    "told": ("사람들에게 알렸습니다", "People were told"),
    "escalated": ("더 심해져 다시 알렸습니다", "Got worse and was told again"),
    "raised": ("더 심해져 다시 확인이 필요합니다", "Got worse: somebody has to see it again"),
    "reopened": ("다시 시작되었습니다", "Began again"),
    "reminded": ("아무도 확인하지 않아 다시 알렸습니다", "Nobody had seen it: reminded"),
    "step": ("다음 담당에게 알렸습니다", "Handed on to the next in the chain"),
    "resolved": ("해소되었습니다", "Resolved"),
    "acknowledged": ("확인했습니다", "Seen"),
    "assigned": ("담당을 정했습니다", "Assigned"),
    "snoozed": ("미뤘습니다", "Put off"),
    "muted": ("규칙을 조용히 했습니다", "Its rules were muted"),
    "planned": ("계획된 일로 표시했습니다", "Marked as planned"),
    "marked": ("맞는 알림이었는지 표시했습니다", "Marked"),
    "taught": ("규칙이 배웠습니다", "Its rules have learnt"),
    "note": ("메모", "Note"),
}
VERDICTS: dict[str, Pair] = {
    "right": ("맞는 알림", "Rightly told"),
    "false": ("잘못된 알림", "False alarm"),
    "planned": ("계획된 일", "Planned"),
}
OUTBOX: dict[str, Pair] = {
    "pending": ("보내는 중", "Being sent"),
    "sent": ("전송됨", "Sent"),
    "dead": ("포기함", "Given up"),
    "held": ("미뤄 둠", "Held back"),
    "digested": ("모아서 보냄", "In a digest"),
    "withdrawn": ("보내지 않음", "Withdrawn"),
}
WANTS: dict[str, Pair] = {
    "both": ("급증과 수집 이상", "Spikes and sources that fail"),
    "alerts": ("급증만", "Spikes only"),
    "notices": ("수집 이상만", "Sources that fail only"),
}
PLANNED: dict[str, Pair] = {
    "campaign": ("캠페인·행사", "Campaign"),
    "launch": ("출시·발표", "Launch"),
    "other": ("그 밖의 일", "Something else"),
}
NOTICES: dict[str, Pair] = {
    "open": ("계속됨", "Lasting"),
    "recovered": ("복구됨", "Recovered"),
    "closed": ("끝남", "Over"),
}
SEVERITIES: dict[str, Pair] = {
    "high": ("심각", "Severe"),
    "medium": ("주의", "Notable"),
    "low": ("낮음", "Minor"),
}
ORIGINS: dict[str, Pair] = {
    "term": ("글에 나온 말", "Words in the text"),
    "watch": ("수집 대상 자체가 이 브랜드의 것", "Found at a place that belongs to the brand"),
}
MATCHES: dict[str, Pair] = {
    "terms": ("브랜드 이름이 나오는 글만", "Only what names the brand"),
    "all": ("모든 글 (우리 상품·채널 페이지)", "Everything (our own product or channel)"),
}
PRECISIONS: dict[str, Pair] = {
    "day": ("날짜만 알려짐", "only the day is known"),
    "none": ("원본이 시각을 알려 주지 않음", "the source tells no time"),
}


# Why a gap stays, and what becomes of it.
UNFILLED: dict[str, Pair] = {
    "window": (
        "원본이 그 시간의 글을 더 이상 보여 주지 않아 채울 수 없습니다.",
        "It cannot be filled: the source does not show that time any more.",
    ),
    "page-cap": (
        "원본이 더 깊이 보여 주지 않아 채우지 못했습니다.",
        "It could not be filled: the source does not show further down.",
    ),
    "rate-limit": (
        "요청 제한 때문에 읽지 못했고, 그 사이 원본에서 밀려났습니다.",
        "It could not be read because of the rate limit, and is out of reach by now.",
    ),
    "budget": (
        "사용량이 다해 읽지 못했고, 그 사이 원본에서 밀려났습니다.",
        "It could not be read within the budget, and is out of reach by now.",
    ),
    "outage": (
        "멈춰 있던 동안의 글이 원본에서 밀려나 채울 수 없습니다.",
        "It cannot be filled: what was said meanwhile is out of the source's reach.",
    ),
}


def health_of(code: str) -> Words:
    """What is said of an outcome or state; an unknown one reads as failed."""
    return WORDS.get(code) or WORDS[Outcome.FAILED]
