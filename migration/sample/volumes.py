"""How much of everything the export holds, by scale."""

from __future__ import annotations

from dataclasses import dataclass

from huiyang.settings import Scale

#: The city plan's 60+ at the end of 2024.
CITY_ELDERS = 1_460_000
DEMO_SHARE = 0.01


@dataclass(frozen=True)
class Volumes:
    """Target counts; those of elders and orders are met exactly, the others within a few per cent.

    Attributes:
        elders: living, resident, on file; None is the census.
        tracked_share: share of the finished orders with tracks, of those that started on or after `tracked_from`.
    """

    elders: int | None
    operators: int
    providers: int
    workers: int
    orders: int
    tracked_share: float
    tracked_from: str
    institutions: int
    beds: int
    residents: int
    family_beds: int
    day_care_elders: int
    vital_signs: int
    vital_persons: int
    photo_files: int
    #: Share of the facility network of the city.
    facility_share: float


VOLUMES = {
    Scale.CITY: Volumes(
        elders=CITY_ELDERS,
        operators=10,
        providers=180,
        workers=1_500,
        orders=1_000_000,
        tracked_share=1.0,
        tracked_from="2026-10-01",
        institutions=300,
        beds=30_000,
        residents=15_000,
        family_beds=40_000,
        day_care_elders=6_000,
        vital_signs=5_000_000,
        vital_persons=60_000,
        photo_files=240,
        facility_share=1.0,
    ),
    Scale.DEMO: Volumes(
        elders=None,
        operators=10,
        providers=24,
        workers=40,
        orders=10_000,
        tracked_share=0.3,
        tracked_from="2023-11-01",
        institutions=35,
        beds=3_000,
        residents=1_500,
        family_beds=400,
        day_care_elders=150,
        vital_signs=50_000,
        vital_persons=700,
        photo_files=240,
        facility_share=0.15,
    ),
    Scale.CENSUS: Volumes(
        elders=None,
        operators=10,
        providers=150,
        workers=1_200,
        orders=800_000,
        tracked_share=1.0,
        tracked_from="2026-10-01",
        institutions=300,
        beds=30_000,
        residents=15_000,
        family_beds=32_000,
        day_care_elders=5_000,
        vital_signs=4_000_000,
        vital_persons=48_000,
        photo_files=240,
        facility_share=1.0,
    ),
}
