"""The form in which audit events are hashed: nothing can change without changing the hash."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SM3, Hash
from hypothesis import given
from hypothesis import strategies as st

from operational_app.audit.canonical import (
    EVENT_COLUMNS,
    FORMAT,
    NO_HEAD,
    BatchDigest,
    SealValues,
    event_digest,
)
from operational_app.audit.heads import HeadFile, KeptHead, Unreadable

NAMES = tuple(EVENT_COLUMNS[FORMAT])
values = st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
events = st.fixed_dictionaries(dict.fromkeys(NAMES, values))


@given(events, st.sampled_from(NAMES), values)
def test_any_changed_field_changes_the_hash(event, name, other):
    changed = event | {name: other}
    is_same = event[name] == other and type(event[name]) is type(other)
    assert (event_digest(event) == event_digest(changed)) is is_same


@given(events, st.sampled_from(NAMES), st.sampled_from(NAMES), st.text(st.characters(exclude_categories=["Cs"])))
def test_text_cannot_move_from_one_field_to_the_next(event, name, other, text):
    if name != other:
        here = event | {name: f"x{text}", other: "y"}
        there = event | {name: "x", other: f"{text}y"}
        assert (event_digest(here) == event_digest(there)) is (text == "")


def test_what_is_missing_is_not_hashed_as_nothing():
    with pytest.raises(KeyError):
        event_digest(dict.fromkeys(NAMES[1:]))


def test_the_published_form_gives_the_digest():
    """Whoever has no software of ours but SM3 can check an event by the module's words."""
    event = dict.fromkeys(NAMES) | {
        "id": 7, "happened_at": "2026-11-23 08:00:00.123456", "action": "登录\"", "details": '{"a": 1.50}',
    }  # fmt: skip
    text = (
        '{"account_id":null,"action":"登录\\"","change_txid":null,"details":"{\\"a\\": 1.50}",'
        '"happened_at":"2026-11-23 08:00:00.123456","id":7,"outcome":null,"recorded_at":null,"remote_address":null,'
        '"target_id":null,"target_table":null}'
    )
    sm3 = Hash(SM3())
    sm3.update(b"\0" + text.encode())
    assert event_digest(event) == sm3.finalize()


def _batch(*pairs: tuple[int, bytes]) -> bytes:
    digest = BatchDigest()
    for event_id, its_digest in pairs:
        digest.add(event_id, its_digest)
    return digest.value()


def test_a_batch_knows_its_events_and_their_order():
    one, two = (1, b"a" * 32), (2, b"b" * 32)
    assert len({_batch(one, two), _batch(two, one), _batch(one), _batch((1, two[1]), (2, one[1])), _batch()}) == 5


@given(st.sampled_from(["number", "format", "first_event_id", "last_event_id", "event_count"]), st.integers(0, 2**40))
def test_a_head_covers_every_number_of_its_seal(name, value):
    seal = SealValues(3, 1, 10, 12, 3, b"e" * 32, NO_HEAD, "2026-11-23 08:00:00")
    changed = SealValues(**{**vars(seal), name: value})
    assert (changed.head() == seal.head()) is (changed == seal)


@pytest.mark.parametrize(
    ("name", "value"),
    [("events_digest", b"f" * 32), ("previous_head", b"f" * 32), ("sealed_at", "2026-11-23 08:00:00.000001")],
)
def test_a_head_covers_digest_predecessor_and_time(name, value):
    seal = SealValues(3, 1, 10, 12, 3, b"e" * 32, NO_HEAD, "2026-11-23 08:00:00")
    assert SealValues(**{**vars(seal), name: value}).head() != seal.head()


class TestHeadFile:
    AT = "2026-11-23 08:00:00.123456"

    def test_heads_are_found_again(self, tmp_path: Path):
        heads = HeadFile(tmp_path / "heads")
        assert heads.last() is None and list(heads.read()) == []
        for number in range(1, 100):
            heads.append(number, bytes([number]) * 32, self.AT, create=True)
        assert heads.last() == KeptHead(99, b"\x63" * 32)
        assert list(heads.read()) == [KeptHead(number, bytes([number]) * 32) for number in range(1, 100)]
        assert os.stat(heads.path).st_mode & 0o777 == 0o600

    def test_a_torn_line_is_written_anew(self, tmp_path: Path):
        heads = HeadFile(tmp_path / "heads")
        heads.append(1, b"a" * 32, self.AT, create=True)
        whole = heads.path.read_bytes()
        heads.append(2, b"b" * 32, self.AT, create=False)
        line = heads.path.read_bytes().removeprefix(whole)
        for length in range(len(line)):
            heads.path.write_bytes(whole + line[:length])
            assert heads.last() == KeptHead(1, b"a" * 32)
            assert list(heads.read()) == [KeptHead(1, b"a" * 32)]
            heads.append(2, b"b" * 32, self.AT, create=False)
            assert list(heads.read()) == [KeptHead(1, b"a" * 32), KeptHead(2, b"b" * 32)]

    def test_a_broken_line_is_reported(self, tmp_path: Path):
        heads = HeadFile(tmp_path / "heads")
        for number in (1, 2, 3):
            heads.append(number, b"a" * 32, self.AT, create=True)
        lines = heads.path.read_bytes().split(b"\n")
        heads.path.write_bytes(b"\n".join([lines[0], b"2 nothing", *lines[2:]]))
        assert list(heads.read()) == [KeptHead(1, b"a" * 32), Unreadable(2), KeptHead(3, b"a" * 32)]

    def test_a_medium_that_is_gone_is_not_made_anew(self, tmp_path: Path):
        with pytest.raises(FileNotFoundError):
            HeadFile(tmp_path / "heads").append(7, b"a" * 32, self.AT, create=False)
        with pytest.raises(FileNotFoundError):
            HeadFile(tmp_path / "no" / "disk" / "heads").append(7, b"a" * 32, self.AT, create=True)
        assert list(tmp_path.iterdir()) == []
