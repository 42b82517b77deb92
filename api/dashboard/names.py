"""What codes are called on screen, in Korean and English, and what a user can do about them."""

from __future__ import annotations

from dataclasses import dataclass

from listener.types import Kind, Label, Outcome

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
    "alert.resolved": ("급증 해소", "Spike ended"),
    "test": ("시험 알림", "Test"),
}
OUTBOX: dict[str, Pair] = {
    "pending": ("보내는 중", "Being sent"),
    "sent": ("전송됨", "Sent"),
    "dead": ("포기함", "Given up"),
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


@dataclass(frozen=True, slots=True)
class Health:
    """A state of a watch: tone (good, wait, warn, bad, idle), its name, what it means, what to
    do.
    """

    tone: str
    name: Pair
    meaning: Pair
    advice: Pair


HEALTH: dict[str, Health] = {
    "new": Health(
        "wait",
        ("첫 수집 대기", "Waiting for its first run"),
        ("아직 한 번도 수집하지 않았습니다.", "It was not collected yet."),
        ("곧 시작합니다. 기다려 주세요.", "It starts soon."),
    ),
    "paused": Health(
        "idle",
        ("일시 중지", "Paused"),
        ("누군가 수집을 멈추었습니다.", "Somebody stopped it."),
        ("다시 수집하려면 ‘다시 시작’을 누르세요.", "Press “Resume” to collect again."),
    ),
    "late": Health(
        "warn",
        ("늦어지는 중", "Late"),
        ("제때 수집하지 못하고 있습니다.", "It was due a while ago and did not run."),
        (
            "수집기(listener work)가 실행 중인지 확인하세요.",
            "Check that the collector (listener work) is running.",
        ),
    ),
    Outcome.OK: Health(
        "good",
        ("정상", "Healthy"),
        ("빠짐없이 수집하고 있습니다.", "Everything is being collected."),
        ("", ""),
    ),
    Outcome.UNCHANGED: Health(
        "good",
        ("정상 (새 글 없음)", "Healthy (nothing new)"),
        ("원본에 새 글이 없습니다.", "The source has nothing new."),
        ("", ""),
    ),
    Outcome.SUSPECT: Health(
        "warn",
        ("확인 필요", "Suspicious"),
        (
            "글이 있던 곳에서 아무것도 읽히지 않습니다. 0건으로 세지 않습니다.",
            "There is nothing where there used to be posts. It is not counted as zero.",
        ),
        (
            "원본 페이지를 열어 글이 정말 없는지 확인하세요.",
            "Open the page and see whether the posts are really gone.",
        ),
    ),
    Outcome.RATE_LIMITED: Health(
        "warn",
        ("속도 제한", "Slowed down"),
        ("원본이 천천히 요청하라고 했습니다.", "The source asked us to slow down."),
        (
            "알아서 다시 시도합니다. 자주 일어나면 수집 간격을 늘리세요.",
            "It is retried by itself. If it happens often, collect less often.",
        ),
    ),
    Outcome.OUT_OF_BUDGET: Health(
        "warn",
        ("사용량 소진", "Quota used up"),
        ("이 기간의 API 사용량을 다 썼습니다.", "The API quota of this period is used up."),
        (
            "기간이 바뀌면 이어집니다. 급하면 요금제를 올리거나 간격을 늘리세요.",
            "It goes on with the next period. Raise the plan or collect less often.",
        ),
    ),
    Outcome.NEEDS_CREDENTIALS: Health(
        "bad",
        ("인증 필요", "Needs credentials"),
        (
            "API 키가 없거나, 틀리거나, 권한이 부족합니다.",
            "The API key is missing, wrong or too weak.",
        ),
        (
            "관리자에게 이 원본의 API 키 설정을 요청하세요.",
            "Ask your administrator to set the API key of this source.",
        ),
    ),
    Outcome.BLOCKED: Health(
        "bad",
        ("차단됨", "Refused"),
        (
            "원본이 수집을 거부합니다(robots.txt 또는 403). 우회하지 않습니다.",
            "The source refuses us (robots.txt or 403). We do not work around it.",
        ),
        (
            "원본의 공식 API나 허락을 받는 방법을 알아보세요.",
            "Look for an official API, or ask the site for permission.",
        ),
    ),
    Outcome.LAYOUT_CHANGED: Health(
        "bad",
        ("형식이 바뀜", "Layout changed"),
        (
            "페이지의 모양이 예전과 달라 읽지 못합니다.",
            "The page looks different and cannot be read.",
        ),
        (
            "주소가 맞는지 확인하고, 맞다면 관리자에게 알리세요.",
            "Check the address; if it is right, tell your administrator.",
        ),
    ),
    Outcome.GONE: Health(
        "bad",
        ("사라짐", "Gone"),
        ("이 주소는 더 이상 없습니다.", "This address no longer exists."),
        ("새 주소로 다시 추가하고 이것은 지우세요.", "Add the new address and remove this one."),
    ),
    Outcome.UNAVAILABLE: Health(
        "warn",
        ("연결 안 됨", "Not reachable"),
        ("원본이 응답하지 않습니다.", "The source does not answer."),
        (
            "알아서 다시 시도합니다. 오래가면 주소를 확인하세요.",
            "It is retried by itself. If it lasts, check the address.",
        ),
    ),
    Outcome.FAILED: Health(
        "bad",
        ("실패", "Failed"),
        (
            "수집 중 예상하지 못한 문제가 생겼습니다.",
            "Something unexpected happened while collecting.",
        ),
        (
            "관리자에게 아래의 자세한 내용을 알려 주세요.",
            "Show your administrator the details below.",
        ),
    ),
    Outcome.LOST: Health(
        "wait",
        ("넘겨줌", "Taken over"),
        ("다른 수집기가 이어받았습니다.", "Another collector took over."),
        ("", ""),
    ),
}


def health_of(code: str) -> Health:
    """The state's words; an unknown one reads as failed."""
    return HEALTH.get(code) or HEALTH[Outcome.FAILED]
