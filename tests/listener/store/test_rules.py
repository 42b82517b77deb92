"""Rules as they are stored, and those that come with a brand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete

from builders import NOW, stored_brand
from listener.errors import InvalidInput, NotFound
from listener.store import brands, channels, rules
from listener.store.tables import CounterRow, RuleRow
from listener.store.work import Database
from listener.types import By, Scope, Sensitivity, Severity, Signal, Step

HOUR = timedelta(hours=1)
NOBODY = (Step(channel_ids=()),)


def test_a_rule_comes_back_as_it_was(database: Database) -> None:
    with database.write() as work:
        brand = stored_brand(work.session)
        channel = channels.add(
            work.session,
            name="ops",
            kind="webhook",
            address=b"",
            address_shown="",
            secret=None,
            language="ko",
            now=NOW,
        )
        made = rules.create(
            work.session,
            brand_id=brand.id,
            name="  배송\n불만 ",
            signal="complaints",
            scope=Scope(topic="delivery"),
            by="authors",
            sensitivity="high",
            min_count=9,
            severity="high",
            quiet_from=22 * 60,
            quiet_to=7 * 60,
            working_days=True,
            steps=[Step(channel_ids=(channel.id,)), Step(after=HOUR)],
            remind_every=HOUR,
            muted_until=NOW,
            strictness=0.3,
            now=NOW,
        )
        work.commit()
    assert (made.name, made.signal, made.by) == ("배송 불만", Signal.COMPLAINTS, By.AUTHORS)
    assert (made.sensitivity, made.severity) == (Sensitivity.HIGH, Severity.HIGH)
    with database.read() as session:
        assert rules.get(session, made.id) == made
        assert rules.by_ids(session, [made.id, 999]) == {made.id: made}


def test_changes_are_checked(sqlite: Database) -> None:
    with sqlite.write() as work:
        brand = stored_brand(work.session)
        rule = rules.of_brand(work.session, brand.id)[0]
        changed = rules.update(work.session, rule.id, name="다른 이름", enabled=False, now=NOW)
        assert changed == replace(rule, name="다른 이름", enabled=False)
        assert changed not in rules.of_brand(work.session, brand.id, enabled=True)
        with pytest.raises(InvalidInput, match="channel 5"):
            rules.update(work.session, rule.id, steps=(Step(channel_ids=(5,)),), now=NOW)
        with pytest.raises(InvalidInput, match="sensitivity is one of"):
            rules.update(work.session, rule.id, sensitivity="extreme", now=NOW)
        with pytest.raises(InvalidInput) as refused:
            rules.update(work.session, rule.id, min_count=0, now=NOW)
        assert refused.value.field == "min_count"
        assert rules.get(work.session, rule.id) == changed
        rules.delete(work.session, rule.id)
        with pytest.raises(NotFound):
            rules.get(work.session, rule.id)
        with pytest.raises(NotFound):
            rules.create(work.session, brand_id=99, name="x", signal="viral", now=NOW)


def test_new_brands_and_old_ones_get_their_rules_once(database: Database) -> None:
    with database.write() as work:
        brand = stored_brand(work.session, "Haneul")
        rival = stored_brand(work.session, "Bada", competitor=True)
        assert {rule.steps for rule in rules.of_brand(work.session, rival.id)} == {NOBODY}
        had = len(rules.of_brand(work.session, brand.id))
        assert had >= 8
        work.session.execute(delete(RuleRow).where(RuleRow.brand_id == brand.id))
        work.session.execute(delete(CounterRow).where(CounterRow.name == "default_rules"))
        work.commit()
    with database.write() as work:
        assert rules.add_missing_defaults(work.session, now=NOW)
        assert len(rules.of_brand(work.session, brand.id)) == had
        work.session.execute(delete(RuleRow).where(RuleRow.brand_id == brand.id))
        assert not rules.add_missing_defaults(work.session, now=NOW), (
            "whoever deletes them means it"
        )
        assert rules.of_brand(work.session, brand.id) == []
        work.commit()


def test_a_brand_that_turns_competitor_calls_nobody(sqlite: Database) -> None:
    with sqlite.write() as work:
        brand = stored_brand(work.session)
        before = rules.of_brand(work.session, brand.id)
        brands.update(work.session, brand.id, competitor=True)
        assert {rule.steps for rule in rules.of_brand(work.session, brand.id)} == {NOBODY}
        brands.update(work.session, brand.id, competitor=False)
        assert rules.of_brand(work.session, brand.id) == before
