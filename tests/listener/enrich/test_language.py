from __future__ import annotations

import subprocess
import sys

import pytest

from listener.enrich.language import LanguageDetector


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("배송이 너무 늦어요", "ko"),
        ("ㅋㅋㅋㅋ", "ko"),
        ("삼성 Galaxy S24 Ultra", "ko"),
        ("iPhone 15 Pro Max 케이스", "ko"),
        (
            "배송 왜 이래 https://example.com/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa @some_long_handle",
            "ko",
        ),
        ("The delivery is late again", "en"),
        ("I love 김치 so much and it was great", "en"),
        ("great app", "en"),
        ("refund!!", "en"),
        ("no problem", "en"),
        ("TERRIBLE SERVICE, NEVER AGAIN", "en"),
        ("最高でした", "ja"),
        ("很好", "zh"),
        ("Очень плохо", "ru"),
        ("Дуже погано, гроші не повернули", "uk"),
        ("سيء جدا", "ar"),
        ("สินค้าไม่ดี", "th"),
        ("schlechter Service", "de"),
        ("Die App ist schlecht", "de"),
        ("très bien", "fr"),
        ("Le service client est nul", "fr"),
        ("muy bueno", "es"),
        ("sangat kecewa", "id"),
        ("không tốt", "vi"),
    ],
)
def test_tells_the_language(detector: LanguageDetector, text: str, language: str) -> None:
    assert detector.detect(text) == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("El servicio de 누리마켓 es terrible y el producto llegó roto", "es"),
        ("No me gusta la app de 배민 para pedir", "es"),
        ("Le service de 누리마켓 est très lent et je ne suis pas content", "fr"),
        ("라메르 La Mer Crème de la Mer 크림 좋네요", "ko"),
        ("갤럭시 S24 Ultra Titanium Black 512GB 좋아요", "ko"),
    ],
)
def test_a_name_in_hangul_makes_no_korean_text(
    detector: LanguageDetector, text: str, language: str
) -> None:
    assert detector.detect(text) == language


@pytest.mark.parametrize(
    "text", ["", "   ", "12345", "😡😡", "!!!", "@shop #sale https://a.example/b", "Galaxy S24"]
)
def test_does_not_guess(detector: LanguageDetector, text: str) -> None:
    assert detector.detect(text) == "und"


def test_a_batch_answers_like_single_texts_in_order(detector: LanguageDetector) -> None:
    texts = [
        "배송",
        "",
        "the app is great",
        "𠮷野家",
        "\ud800 broken surrogate and the rest",
        "最高です",
    ] * 300
    assert detector.detect_batch(texts) == [detector.detect(t) for t in texts]


def test_korean_and_plain_english_need_no_statistical_model() -> None:
    code = (
        "import sys\n"
        "from listener.enrich.language import LanguageDetector\n"
        "d = LanguageDetector()\n"
        "assert d.detect_batch(['배송이 늦어요', 'the delivery is late']) == ['ko', 'en']\n"
        "assert 'py3langid' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
