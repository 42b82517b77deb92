"""The invented cast: brands, products, couriers and newsrooms. None of them exists."""

from dataclasses import dataclass
from typing import Final, Literal

Markup = Literal["json-ld", "json-ld-graph", "json-ld-plain", "microdata"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """A shop people talk about. `spellings` are weighted by how often they are repeated."""

    slug: str
    name: str
    english: str
    spellings: tuple[str, ...]
    english_spellings: tuple[str, ...]
    aliases: tuple[str, ...]
    hashtags: tuple[str, ...]
    handle: str
    user_id: str
    share: float
    own: bool = False


BRANDS: Final[tuple[Brand, ...]] = (
    Brand(
        slug="nurimarket",
        name="누리마켓",
        english="Nurimarket",
        spellings=(*("누리마켓",) * 12, "누리 마켓", "누리마켓 앱", "@nurimarket"),
        english_spellings=(*("Nurimarket",) * 6, "nurimarket", "Nuri Market", "@nurimarket"),
        aliases=("누리 마켓", "Nurimarket", "Nuri Market"),
        hashtags=("누리마켓", "nurimarket"),
        handle="nurimarket",
        user_id="2203894411",
        share=0.55,
        own=True,
    ),
    Brand(
        slug="haedenshop",
        name="해든샵",
        english="Haeden Shop",
        spellings=(*("해든샵",) * 10, "해든 샵", "@haedenshop"),
        english_spellings=(*("Haeden Shop",) * 5, "haedenshop", "Haedenshop", "@haedenshop"),
        aliases=("해든 샵", "Haeden Shop", "Haedenshop"),
        hashtags=("해든샵", "haedenshop"),
        handle="haedenshop",
        user_id="2918840027",
        share=0.24,
    ),
    Brand(
        slug="bluebasket",
        name="블루바스켓",
        english="Bluebasket",
        spellings=(*("블루바스켓",) * 8, "블루 바스켓", "Bluebasket", "@bluebasket_kr"),
        english_spellings=(*("Bluebasket",) * 6, "bluebasket", "@bluebasket_kr"),
        aliases=("블루 바스켓", "Bluebasket"),
        hashtags=("블루바스켓", "bluebasket"),
        handle="bluebasket_kr",
        user_id="3110457726",
        share=0.21,
    ),
)
BRAND: Final[dict[str, Brand]] = {brand.slug: brand for brand in BRANDS}
OWN: Final[Brand] = BRANDS[0]

OLD_COURIER: Final = "다온길택배"
NEW_COURIER: Final = "솔개로지스"
OLD_COURIER_EN: Final = "Daongil Express"
NEW_COURIER_EN: Final = "Solgae Logis"

# The sellers' page is a marketplace of its own, so that own and rival products share a site.
SHOP_NAME: Final = "다담장터"
FORUM_NAME: Final = "살림나눔터"
NEWS_NAME: Final = "나루뉴스"

OUTLETS: Final[tuple[str, ...]] = (
    "나루뉴스",
    "한들경제",
    "새길일보",
    "온빛타임즈",
    "The Hangang Ledger",
)
REPORTERS: Final[tuple[str, ...]] = ("윤서하", "강도윤", "백하린", "오시온", "문가람", "서이든")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product page. `markup` says which schema.org dialect its page speaks."""

    slug: str
    brand: str
    name: str
    english: str
    price: int
    markup: Markup
    weight: float
    blurb: str
    praise: tuple[str, ...]
    complaint: tuple[str, ...]
    noun: str
    edible: bool = True
    best: int = 5


PRODUCTS: Final[tuple[Product, ...]] = (
    Product(
        slug="morning-salad-box",
        brand="nurimarket",
        name="아침샐러드 박스 7팩",
        english="Morning Salad Box, 7 packs",
        price=27900,
        markup="json-ld",
        weight=1.4,
        noun="샐러드",
        blurb="새벽에 씻어 담은 일곱 가지 샐러드. 드레싱이 따로 들어 있습니다.",
        praise=(
            "채소가 (아삭아삭|살아있고|싱싱하고) 드레싱도 따로 와서 좋아요.",
            "아침마다 한 팩씩 먹으니 (속이 편해요|살이 조금 빠졌어요|하루가 가벼워요).",
            "구성이 매번 달라서 (질리지 않네요|골라 먹는 재미가 있어요).",
            "The leaves were crisp all week.",
        ),
        complaint=(
            "(로메인|양상추|치커리) 끝이 갈색으로 변해서 왔어요.",
            "물이 흥건해서 {n} 팩은 그대로 버렸습니다.",
            "양이 줄었어요. 뚜껑 열면 (반은 양상추|절반이 빈 공간)입니다.",
            "Two of the seven packs were slimy.",
        ),
    ),
    Product(
        slug="jeju-citrus-3kg",
        brand="nurimarket",
        name="돌담감귤 3kg",
        english="Stonewall Tangerines 3 kg",
        price=15900,
        markup="microdata",
        weight=1.1,
        noun="감귤",
        blurb="손으로 따서 그날 부친 노지 감귤입니다.",
        praise=(
            "(새콤달콤|달달)해서 앉은자리에서 열 개 먹었어요.",
            "껍질이 얇고 (알이 고르네요|과즙이 많아요).",
            "{who} 댁에 보냈는데 (너무 달다고|또 보내달라고) 하시네요.",
            "Sweet, thin skin, gone in two days.",
        ),
        complaint=(
            "바닥에 깔린 건 (곰팡이가 피었어요|다 터졌어요).",
            "신맛만 나고 (맹물 같아요|껍질이 두꺼워요).",
            "3kg라는데 재보니 (2.6kg|2.7kg)네요.",
            "Half the box was bruised.",
        ),
    ),
    Product(
        slug="soft-greek-yogurt",
        brand="nurimarket",
        name="순한 그릭요거트 4개입",
        english="Mild Greek Yogurt, 4 cups",
        price=11800,
        markup="json-ld-graph",
        weight=1.2,
        noun="요거트",
        blurb="우유와 유산균만으로 꾸덕하게 만들었습니다.",
        praise=(
            "(꾸덕꾸덕|쫀쫀)하고 시지 않아서 아이도 잘 먹어요.",
            "그래놀라 넣어 먹으면 (한 끼로 든든합니다|디저트가 따로 없어요).",
            "다른 데보다 (덜 달아서|진해서) 좋아요.",
            "Thick, mild, not too sour.",
        ),
        complaint=(
            "뚜껑이 (부풀어서|터져서) 왔어요. 무서워서 못 먹겠어요.",
            "예전보다 (묽어졌어요|시큼해졌어요). 만드는 곳이 바뀌었나요?",
            "한 컵이 (새서|쏟아져서) 상자가 난리가 났습니다.",
            "Runny, nothing like before.",
        ),
    ),
    Product(
        slug="forest-detergent",
        brand="nurimarket",
        name="숲향 세탁세제 2.5L",
        english="Forest Laundry Detergent 2.5 L",
        price=13500,
        markup="microdata",
        weight=0.8,
        noun="세제",
        edible=False,
        blurb="편백 향을 담은 액체 세제. 찬물에도 잘 녹습니다.",
        praise=(
            "향이 (은은해서|자연스럽고 오래가서) 빨래 갤 때 기분이 좋아요.",
            "찬물에도 (잘 녹고|찌꺼기 없고) 거품이 적당해요.",
            "아기 옷에 쓰는데 (트러블 없네요|순해요).",
            "Smells like a walk in the woods.",
        ),
        complaint=(
            "뚜껑이 안 잠겨서 (상자 안이 세제 범벅이에요|반이 샜어요).",
            "향이 (너무 독해서|인공적이라) 머리가 아파요.",
            "검은 옷에 (하얗게 남아요|얼룩이 져요).",
            "The cap was broken and it leaked.",
        ),
    ),
    Product(
        slug="aged-kimchi-stew-kit",
        brand="nurimarket",
        name="묵은지찌개 밀키트 2인분",
        english="Aged Kimchi Stew Kit for two",
        price=12900,
        markup="json-ld-plain",
        weight=1.2,
        best=10,
        noun="밀키트",
        blurb="2년 묵은지와 생고기를 담은 2인분 밀키트. 점수는 10점 만점으로 받습니다.",
        praise=(
            "국물이 (진짜 진해요|시원해요). 밥 두 공기 뚝딱했습니다.",
            "고기가 (두툼|신선)하고 묵은지가 푹 익었어요.",
            "물만 부으면 돼서 (캠핑|퇴근 후)에 딱이에요.",
            "Rich broth, easy to cook.",
        ),
        complaint=(
            "너무 (짜요|매워요). 물을 두 배로 넣었습니다.",
            "고기에서 (잡내가 나요|비린내가 나요).",
            "(두부|양념장)이 빠져 있었어요.",
            "Too salty, meat was all fat.",
        ),
    ),
    Product(
        slug="bamboo-tissue-24",
        brand="nurimarket",
        name="대나무 화장지 24롤",
        english="Bamboo Toilet Paper, 24 rolls",
        price=18900,
        markup="microdata",
        weight=0.7,
        noun="휴지",
        edible=False,
        blurb="형광물질 없는 세 겹 대나무 화장지.",
        praise=(
            "(도톰해서|부드럽고 먼지가 없어서) 계속 사요.",
            "한 롤이 (오래가요|길어요). 자주 안 갈아도 되네요.",
            "비닐 대신 종이 포장이라 (마음에 들어요|분리수거가 편해요).",
            "Soft and it lasts.",
        ),
        complaint=(
            "먼지가 (너무 날려요|심해요). 비염인데 못 쓰겠어요.",
            "예전보다 (얇아졌어요|심지가 굵어졌어요).",
            "포장이 찢어져서 (젖은 채로|더러워진 채로) 왔어요.",
            "Thinner than it used to be.",
        ),
    ),
    Product(
        slug="haeden-new-rice-10kg",
        brand="haedenshop",
        name="해든 햅쌀 10kg",
        english="Haeden New Rice 10 kg",
        price=38900,
        markup="json-ld",
        weight=1.0,
        noun="쌀",
        blurb="주문한 날 찧어 보내는 햅쌀.",
        praise=(
            "밥이 (윤기가 좌르르|찰져요). 반찬이 필요 없네요.",
            "도정일이 (어제|그저께)라 믿음이 갑니다.",
            "{who}도 쌀 바꿨냐고 물어봐요.",
            "Fresh rice, lovely smell.",
        ),
        complaint=(
            "(싸라기|깨진 쌀)가 너무 많아요.",
            "쌀벌레가 나왔어요. (기절할 뻔|환불해 주세요).",
            "작년보다 (퍼석해요|맛이 덜해요).",
            "Lots of broken grains.",
        ),
    ),
    Product(
        slug="haeden-soy-milk-24",
        brand="haedenshop",
        name="맷돌두유 24팩",
        english="Millstone Soy Milk, 24 packs",
        price=21900,
        markup="microdata",
        weight=0.8,
        noun="두유",
        blurb="국산 콩을 껍질째 갈았습니다.",
        praise=(
            "(고소하고|담백하고) 달지 않아 매일 마셔요.",
            "아침 대용으로 (든든|간편)합니다.",
            "콩 맛이 진해요. 어른들이 좋아하세요.",
            "Nutty and not sweet.",
        ),
        complaint=(
            "팩이 (터져서|눌려서) 상자가 다 젖었어요.",
            "콩 비린내가 (나요|심해요).",
            "빨대가 (몇 개 없어요|다 빠져 있어요).",
            "Several cartons leaked.",
        ),
    ),
    Product(
        slug="blue-cold-brew",
        brand="bluebasket",
        name="파랑 콜드브루 원액 1L",
        english="Blue Cold Brew Concentrate 1 L",
        price=14500,
        markup="json-ld",
        weight=0.9,
        noun="콜드브루",
        blurb="열여섯 시간 천천히 내린 원액.",
        praise=(
            "산미가 적고 (고소해요|묵직해요). 라떼로 최고.",
            "카페 안 가도 (되겠어요|돈 굳었네요).",
            "향이 (진하고|깔끔하고) 텁텁하지 않아요.",
            "Smooth, no bitterness, great with oat milk.",
        ),
        complaint=(
            "탄 맛이 (강해요|나요). 제 입엔 안 맞네요.",
            "뚜껑이 (새서|헐거워서) 커피 냄새가 진동해요.",
            "{n} 주 남은 걸 보내주셨네요. 이걸 언제 다 먹나요.",
            "Tastes burnt and the bottle leaked.",
        ),
    ),
    Product(
        slug="blue-hotel-towel-6",
        brand="bluebasket",
        name="호텔결 수건 6장",
        english="Hotel Weave Towels, set of 6",
        price=29900,
        markup="json-ld-plain",
        weight=0.7,
        noun="수건",
        edible=False,
        blurb="200g 두께의 면 수건 여섯 장.",
        praise=(
            "(도톰|폭신)하고 물기를 잘 먹어요.",
            "몇 번 빨아도 (보풀이 없어요|색이 그대로예요).",
            "집들이 선물로 (딱|좋아요)! 포장도 예뻐요.",
            "Thick and absorbent.",
        ),
        complaint=(
            "먼지가 (끝도 없이 나와요|검은 옷에 다 붙어요).",
            "한 장은 (올이 나가|실밥이 풀려) 있었어요.",
            "사진보다 (얇고|작고) 색도 달라요.",
            "Lint everywhere, even after five washes.",
        ),
    ),
)
PRODUCT: Final[dict[str, Product]] = {product.slug: product for product in PRODUCTS}
