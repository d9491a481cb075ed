"""Examples of the rules of partnerships and of corrections of them."""

from transforms.examples.example import Example
from transforms.examples.world import PARTNER, SCHOOL, SECOND_PARTNER, STRANGER, Partnership, World, utc

_NOBODY = World(training=())
_ROW = {"school_urn": "123456", "delivery_partner_id": PARTNER, "contract_period": "2025"}
_ONE = World(training=(), partnerships=(Partnership(),))

PARTNERSHIPS = (
    Example(
        "PARTNER-001",
        "A partnership is for one contract period.",
        {**_ROW, "contract_period": ""},
        {"contract_period": "2025"},
        _NOBODY,
    ),
    Example(
        "PARTNER-004",
        "DfE decides which contract periods there are.",
        {**_ROW, "contract_period": "2031"},
        {"contract_period": "2025"},
        _NOBODY,
    ),
    Example(
        "PARTNER-006",
        "New partnerships are made in contract periods that still take new participants.",
        {**_ROW, "contract_period": "2021"},
        {"contract_period": "2025"},
        _NOBODY,
    ),
    Example(
        "PARTNER-002",
        "A partnership is with one school.",
        {**_ROW, "school_urn": ""},
        {"school_urn": "123456"},
        _NOBODY,
    ),
    Example(
        "PARTNER-003",
        "A partnership says who trains at the school on your behalf.",
        {**_ROW, "delivery_partner_id": ""},
        {"delivery_partner_id": PARTNER},
        _NOBODY,
    ),
    Example(
        "PARTNER-005",
        "A contract period can be used from its first day.",
        {**_ROW, "contract_period": "2026"},
        world=_NOBODY,
        right_at=utc("2026-06-02T09:00:00Z"),
        holds="We received this file on 10 November 2025.",
    ),
    Example(
        "PARTNER-007",
        "We find a school by its URN.",
        {**_ROW, "school_urn": "999999"},
        {"school_urn": "123456"},
        _NOBODY,
    ),
    Example(
        "PARTNER-008",
        "DfE pays for training at schools that may have it.",
        _ROW,
        {"school_urn": "654321"},
        World(training=(), ineligible_schools=(SCHOOL,)),
        holds="This school cannot have funded training now; the other can.",
    ),
    Example(
        "PARTNER-009",
        "We find a delivery partner by its id.",
        {**_ROW, "delivery_partner_id": STRANGER},
        {"delivery_partner_id": PARTNER},
        _NOBODY,
    ),
    Example(
        "PARTNER-010",
        "DfE records which delivery partners work with you in each contract period.",
        {**_ROW, "contract_period": "2023"},
        {"contract_period": "2025"},
        World(training=(), disabled=()),
        holds="You work with this delivery partner from 2024.",
    ),
    Example(
        "PARTNER-011",
        "A school has one partnership with you in a contract period.",
        _ROW,
        world=_ONE,
        holds="You have a partnership with this school in 2025.",
    ),
    Example(
        "PARTNER-012",
        "A school that leads its training itself needs no lead provider.",
        _ROW,
        world=World(training=(), choice="school_led"),
        holds="This school has registered only people whose training it leads itself.",
    ),
)

_FIX = {"partnership_id": Partnership().id, "delivery_partner_id": SECOND_PARTNER}
PARTNERSHIP_CHANGES = (
    Example(
        "PARTNERUPD-001",
        "Without the id we cannot know which partnership you mean.",
        {**_FIX, "partnership_id": ""},
        {"partnership_id": Partnership().id},
        _ONE,
    ),
    Example(
        "PARTNERUPD-002",
        "The delivery partner is what a correction changes.",
        {**_FIX, "delivery_partner_id": ""},
        {"delivery_partner_id": SECOND_PARTNER},
        _ONE,
    ),
    Example(
        "PARTNERUPD-003",
        "We find a delivery partner by its id.",
        {**_FIX, "delivery_partner_id": STRANGER},
        {"delivery_partner_id": SECOND_PARTNER},
        _ONE,
    ),
    Example(
        "PARTNERUPD-004",
        "You can correct only your own partnerships.",
        {**_FIX, "partnership_id": STRANGER},
        {"partnership_id": Partnership().id},
        _ONE,
    ),
    Example(
        "PARTNERUPD-005",
        "DfE records which delivery partners work with you in each contract period.",
        _FIX,
        world=World(training=(), partnerships=(Partnership(),), pairings=((PARTNER, 2025), (SECOND_PARTNER, 2024))),
        holds="You work with this delivery partner in 2024, and not in 2025.",
    ),
    Example(
        "PARTNERUPD-006",
        "A school has one partnership with you and a delivery partner.",
        {**_FIX, "delivery_partner_id": PARTNER},
        {"delivery_partner_id": SECOND_PARTNER},
        _ONE,
        holds="This partnership is with that delivery partner.",
    ),
)
