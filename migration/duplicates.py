"""One person, two records: finds pairs of elders, links what is certain, lists what a person must decide.

Pairs come from three blocks in the database: the same valid ID number; the same reading of the name, birth date and
town; the same phone and birth date. `judge` decides each from what both records say. A link keeps both rows and their
facts (`elders.elder_merge`); a link that someone reverted and a pair that someone rejected are never taken up again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import psycopg

from huiyang.field_crypto import get_field_crypto, row_context
from huiyang.identifiers import IdNumberStatus
from huiyang.settings import Settings
from migration.target import read_columns

#: From here on a pair is linked without asking; below `CANDIDATE_SCORE` it is not even listed.
CERTAIN_SCORE, CANDIDATE_SCORE = 0.95, 0.5

_PAIRS = """
with pair as (
    select a.id as elder_id, b.id as other_elder_id
    from elders.elder a join elders.elder b on b.id_number_index = a.id_number_index and b.id > a.id
    where a.id_number_status = 'valid' and b.id_number_status = 'valid'
    union
    select a.id, b.id
    from elders.elder a
    join elders.elder b
        on b.name_pinyin = a.name_pinyin and b.birth_date = a.birth_date
        and left(b.division_code, 9) = left(a.division_code, 9) and b.id > a.id
    union
    select a.id, b.id
    from elders.elder a
    join elders.elder b on b.phone_index = a.phone_index and b.birth_date = a.birth_date and b.id > a.id
    where a.phone_status = 'valid' and b.phone_status = 'valid'
)
select p.elder_id, p.other_elder_id
from pair p
where not exists (
    select 1 from elders.elder_merge m
    where (m.merged_id, m.survivor_id) in ((p.elder_id, p.other_elder_id), (p.other_elder_id, p.elder_id))
        or (m.reverted_at is null and m.merged_id in (p.elder_id, p.other_elder_id))
) and not exists (
    select 1 from migration.merge_candidate c
    where c.elder_id = p.elder_id and c.other_elder_id = p.other_elder_id
)
"""
_DETAILS = """
select id, name, name_pinyin, sex, birth_date, id_number_status, id_number_cipher, encode(id_number_index, 'hex'),
    encode(phone_index, 'hex'), division_code, address_cipher, registered_on, effective_at,
    num_nonnulls(name, birth_date, id_number_cipher, phone_cipher, address_cipher, longitude_wgs84, education,
        marital_status, photo_sha256)
from elders.elder where id = any(%s)
"""


class Evidence(StrEnum):
    """What speaks for or against one person; the value is stored."""

    SAME_ID = "same_id_number"
    ID_TYPO = "id_number_differs_by_a_typo"
    ID_MISSING = "an_id_number_is_missing"
    ID_INVALID = "an_id_number_is_invalid"
    OTHER_ID = "two_valid_id_numbers"
    SAME_NAME = "same_name"
    SAME_READING = "same_reading_of_the_name"
    NAME_TYPO = "name_differs_by_a_typo"
    OTHER_NAME = "different_names"
    SAME_BIRTH = "same_birth_date"
    OTHER_SEX = "different_sex"
    SAME_PHONE = "same_phone"
    SAME_ADDRESS = "same_address"
    SAME_VILLAGE = "same_village"


@dataclass(frozen=True)
class Record:
    """What an elder's record says; texts in the clear."""

    elder_id: int
    name: str | None
    name_pinyin: str | None
    sex: str
    birth_date: date | None
    id_number_status: str
    id_number: str | None
    id_number_index: str | None
    phone_index: str | None
    division_code: str
    address: str | None
    registered_on: date
    effective_at: datetime
    filled: int


@dataclass(frozen=True)
class Verdict:
    score: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class DuplicateCounts:
    """Pairs looked at, records linked to a survivor, pairs left to a person."""

    pairs: int
    merged: int
    candidates: int


def judge(a: Record, b: Record) -> Verdict:
    """How sure it is that two records are one person, 0 to 1, and why.

    A valid ID number (its check character holds) is one person's, so it decides with any name that resembles; a number
    typed into the wrong record shows in a name that does not. Without two valid numbers, name and birth date need a
    witness: the phone, the address, or the other number being this one mistyped.
    """
    found = [*_id_evidence(a, b), _name_evidence(a, b)]
    if a.birth_date is not None and a.birth_date == b.birth_date:
        found.append(Evidence.SAME_BIRTH)
    known_sexes = {a.sex, b.sex} - {"unknown"}
    if len(known_sexes) == 2:
        found.append(Evidence.OTHER_SEX)
    if a.phone_index is not None and a.phone_index == b.phone_index:
        found.append(Evidence.SAME_PHONE)
    if _same_address(a.address, b.address):
        found.append(Evidence.SAME_ADDRESS)
    if a.division_code == b.division_code:
        found.append(Evidence.SAME_VILLAGE)
    return Verdict(_score(frozenset(found)), tuple(found))


def _id_evidence(a: Record, b: Record) -> list[Evidence]:
    statuses = (a.id_number_status, b.id_number_status)
    valid = [status == IdNumberStatus.VALID for status in statuses]
    if all(valid):
        return [Evidence.SAME_ID if a.id_number_index == b.id_number_index else Evidence.OTHER_ID]
    found = []
    if a.id_number and b.id_number and is_typo(a.id_number, b.id_number):
        found.append(Evidence.ID_TYPO)
    if IdNumberStatus.MISSING in statuses:
        found.append(Evidence.ID_MISSING)
    if any(not ok and status != IdNumberStatus.MISSING for ok, status in zip(valid, statuses, strict=True)):
        found.append(Evidence.ID_INVALID)
    return found


def _name_evidence(a: Record, b: Record) -> Evidence:
    if a.name is not None and a.name == b.name:
        return Evidence.SAME_NAME
    if a.name_pinyin and a.name_pinyin == b.name_pinyin:
        return Evidence.SAME_READING
    if a.name and b.name and is_typo(a.name, b.name):
        return Evidence.NAME_TYPO
    return Evidence.OTHER_NAME


def _score(found: frozenset[Evidence]) -> float:
    E = Evidence
    resembles = bool(found & {E.SAME_NAME, E.SAME_READING, E.NAME_TYPO})
    reads_alike = bool(found & {E.SAME_NAME, E.SAME_READING})
    witnesses = len(found & {E.SAME_PHONE, E.SAME_ADDRESS, E.ID_TYPO})
    if E.SAME_ID in found:
        return 0.99 if resembles else 0.6
    if E.OTHER_SEX in found:
        return 0.1
    if E.OTHER_ID in found:
        return 0.5 if reads_alike and E.SAME_PHONE in found and E.SAME_ADDRESS in found else 0.1
    if E.SAME_BIRTH not in found:
        return 0.3
    if reads_alike:
        if witnesses:
            return 0.97 if witnesses == 1 else 0.99
        return 0.8 if E.SAME_VILLAGE in found else 0.6
    if E.NAME_TYPO in found and witnesses:  # twins share birth, phone and home: only the number tells them apart
        return 0.96 if E.ID_TYPO in found and witnesses >= 2 else 0.7
    return 0.2


def is_typo(a: str, b: str) -> bool:
    """Whether one becomes the other by one character exchanged, dropped or added, or two neighbours swapped."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    if len(a) == len(b):
        swapped = len(rest_a) >= 2 and rest_a[0] == rest_b[1] and rest_a[1] == rest_b[0] and rest_a[2:] == rest_b[2:]
        return rest_a[1:] == rest_b[1:] or swapped
    return rest_a[1:] == rest_b if len(a) > len(b) else rest_b[1:] == rest_a


def _same_address(a: str | None, b: str | None) -> bool:
    """Equal, or one cut off: at least twelve characters, which is beyond city, county and town."""
    if not a or not b:
        return False
    shorter, longer = sorted((a, b), key=len)
    return a == b or (len(shorter) >= 12 and longer.startswith(shorter))


def survivor_first(records: Sequence[Record]) -> list[Record]:
    """The record that stays first: a valid ID number, then more filled fields, then the older one."""
    return sorted(
        records,
        key=lambda r: (r.id_number_status != IdNumberStatus.VALID, -r.filled, r.registered_on, r.elder_id),
    )


def link_duplicates(connection: psycopg.Connection, settings: Settings, run_id: int, source_id: int) -> DuplicateCounts:
    """Finds, links and lists duplicate elders, in one transaction.

    Args:
        source_id: the elders' source; ledger entries of linked records become `merged`.
    """
    # Fresh tables have no statistics yet; nested loops over a million rows are what a wrong guess costs.
    connection.execute("set local enable_nestloop = off")
    connection.execute("set local work_mem = '256MB'")
    pairs = list(zip(*read_columns(connection, _PAIRS), strict=True))
    connection.execute("set local enable_nestloop = on")
    records = _read_records(connection, settings, sorted({elder_id for pair in pairs for elder_id in pair}))
    verdicts = {pair: judge(records[pair[0]], records[pair[1]]) for pair in pairs}
    clusters = _clusters([pair for pair, verdict in verdicts.items() if verdict.score >= CERTAIN_SCORE])
    cluster_of = {elder_id: number for number, cluster in enumerate(clusters) for elder_id in cluster}
    merged: list[tuple[int, int, datetime]] = []
    for cluster in clusters:
        survivor, *others = survivor_first([records[elder_id] for elder_id in cluster])
        merged += [(survivor.elder_id, r.elder_id, max(r.effective_at, survivor.effective_at)) for r in others]
    candidates = [
        (pair, verdict)
        for pair, verdict in sorted(verdicts.items())
        if CANDIDATE_SCORE <= verdict.score < CERTAIN_SCORE
        and (pair[0] not in cluster_of or cluster_of.get(pair[0]) != cluster_of.get(pair[1]))
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into elders.elder_merge (survivor_id, merged_id, merged_at, reason, effective_at)"
            " values (%s, %s, now(), '数据迁移：同一人重复建档', %s)",
            merged,
        )
        cursor.executemany(
            "insert into migration.merge_candidate (run_id, elder_id, other_elder_id, score, evidence)"
            " values (%s, %s, %s, %s, %s)",
            [(run_id, *pair, round(v.score, 3), [e.value for e in v.evidence]) for pair, v in candidates],
        )
    connection.execute(
        "update migration.ledger set outcome = 'merged'"
        " where source_id = %s and target_no = 0 and outcome = 'loaded' and target_id = any(%s)",
        [source_id, [merged_id for _, merged_id, _ in merged]],
    )
    connection.commit()
    return DuplicateCounts(len(pairs), len(merged), len(candidates))


def _read_records(connection: psycopg.Connection, settings: Settings, ids: list[int]) -> dict[int, Record]:
    crypto = get_field_crypto(settings)
    records = {}
    for row in zip(*read_columns(connection, _DETAILS, [ids]), strict=True):
        (elder_id, name, pinyin, sex, birth, status, id_cipher, id_index, phone_index, division, address_cipher,
         registered_on, effective_at, filled) = row  # fmt: skip
        id_number, address = (
            None if cipher is None else crypto.decrypt(cipher, row_context("elders.elder", column, elder_id))
            for column, cipher in (("id_number_cipher", id_cipher), ("address_cipher", address_cipher))
        )
        records[elder_id] = Record(
            elder_id, name, pinyin, sex, birth, status, id_number, id_index, phone_index, division, address,
            registered_on, effective_at, filled,
        )  # fmt: skip
    return records


def _clusters(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Connected records, each cluster ascending."""
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in pairs:
        parent[root(b)] = root(a)
    clusters: dict[int, list[int]] = {}
    for node in sorted(parent):
        clusters.setdefault(root(node), []).append(node)
    return list(clusters.values())
