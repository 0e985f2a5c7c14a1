"""The synthesised persons, before any file is written: exact against the census, and like people."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date

import numpy as np
import pytest

from huiyang.identifiers import IdNumberStatus, check_id_numbers
from huiyang.reference import REFERENCE_DIR
from huiyang.reference.boundaries import counties_at
from huiyang.settings import Scale
from migration.sample import people
from migration.sample.assessments import ITEM_MAXIMA, level_of
from migration.sample.calendar import LAST_DAY
from migration.sample.places import Places, gcj02_to_bd09, make_places
from migration.sample.population import DECEASED, LIVING, MARRIED, Population, age_cells, make_population

Cell = tuple[str, str, str]


def census_cells() -> Counter[Cell]:
    """60+ by county, sex and age group, read from the reference file without the code under test."""
    with (REFERENCE_DIR / "ref_census_2020.csv").open(encoding="utf-8") as handle:
        return Counter(
            {
                (row["county_code"], row["sex"], row["age_group"]): int(row["population"])
                for row in csv.DictReader(handle)
                if int(row["age_from"]) >= 60
            }
        )


def age_on_last_day(born: np.ndarray) -> np.ndarray:
    """Whole years by the calendar, the way a person counts."""
    last = LAST_DAY.astype(date)
    years = born.astype("datetime64[Y]").astype(int) + 1970
    month_day = (
        (born.astype("datetime64[M]").astype(int) % 12 + 1) * 100
        + (born - born.astype("datetime64[M]")).astype(int)
        + 1
    )
    return last.year - years - (month_day > last.month * 100 + last.day)


def cells_of(population: Population, places: Places) -> Counter[Cell]:
    living = population.status == LIVING
    age = age_on_last_day(population.born[living])
    group = np.where(age >= 85, "85+", [f"{a}-{a + 4}" for a in (age // 5 * 5).tolist()])
    return Counter(
        zip(
            np.array(places.county_codes)[population.county[living]].tolist(),
            np.where(population.sex[living] == people.MALE, "male", "female").tolist(),
            group.tolist(),
            strict=True,
        )
    )


@pytest.fixture(scope="module")
def places() -> Places:
    return make_places(np.random.default_rng(1))


@pytest.fixture(scope="module")
def census(places: Places) -> Population:
    return make_population(Scale.CENSUS, places, np.random.default_rng(2))


def test_census_is_met_to_the_person(census: Population, places: Places) -> None:
    expected = census_cells()
    assert sum(expected.values()) == 1_171_973
    assert cells_of(census, places) == expected


def test_city_is_the_census_scaled_up_in_every_cell() -> None:
    cells, census = age_cells(Scale.CITY), age_cells(Scale.CENSUS)
    assert cells.sum() == 1_460_000
    assert np.abs(cells - census * (1_460_000 / 1_171_973)).max() < 1
    assert (cells > census).all()


def test_demo_is_a_hundredth_of_every_cell() -> None:
    cells, census = age_cells(Scale.DEMO), age_cells(Scale.CENSUS)
    assert cells.sum() == 11_720
    assert np.abs(cells - census / 100).max() < 1


def test_id_numbers_are_right_unlike_and_agree_with_the_person(census: Population) -> None:
    numbers = people.id_texts(census.id_body).to_pylist()
    assert len(set(numbers)) == census.count
    checked = check_id_numbers(numbers)
    assert (checked["status"] == IdNumberStatus.VALID).all()
    assert (checked["sex"] == np.where(census.sex == people.MALE, "male", "female")).all()
    assert (np.array(checked["birth_date"], dtype="datetime64[D]") == census.born).all()
    assert checked["abolished_division"].mean() > 0.3
    assert not checked["unknown_province"].any()


def test_couples_are_mutual_of_two_sexes_of_one_home_and_near_in_age(census: Population) -> None:
    married = np.flatnonzero(census.spouse >= 0)
    spouse = census.spouse[married]
    assert (census.spouse[spouse] == married).all()
    assert (census.sex[married] != census.sex[spouse]).all()
    assert (census.marital[married] == MARRIED).all()
    for shared in (census.household, census.village, census.longitude, census.latitude, census.house_number):
        assert (shared[married] == shared[spouse]).all()
    husbands = married[census.sex[married] == people.MALE]
    older = (census.born[census.spouse[husbands]] - census.born[husbands]).astype(int) / 365.25
    assert 0.5 < np.median(older) < 4
    assert np.abs(older).max() < 12.1
    assert Counter(np.bincount(census.household).tolist()).keys() == {1, 2}


def test_everyone_is_registered_from_sixty_on_and_before_dying(census: Population) -> None:
    age_then = (census.registered - census.born).astype(int) / 365.2425
    assert age_then.min() > 59.9
    assert (census.registered <= LAST_DAY).all()
    dead = census.status == DECEASED
    assert (census.registered[dead] < census.died[dead]).all()
    assert np.isnat(census.died[~dead]).all()
    assert (census.died[dead] <= LAST_DAY).all()


def test_illness_disability_and_widowhood_grow_with_age(census: Population) -> None:
    groups = range(6)
    disabled = [(census.ability[census.age_group == g] >= 2).mean() for g in groups]
    ill = [(census.diseases[census.age_group == g] > 0).mean() for g in groups]
    widowed = [(census.marital[census.age_group == g] == 4).mean() for g in groups]
    for shares in (disabled, ill, widowed):
        assert shares == sorted(shares)
    assert disabled[0] < 0.03 < 0.2 < disabled[-1]


def test_homes_lie_in_their_county(census: Population, places: Places) -> None:
    sample = np.random.default_rng(3).choice(census.count, 20_000, replace=False)
    found = counties_at(census.longitude[sample], census.latitude[sample])
    assert (found == np.array(places.county_codes)[census.county[sample]]).all()


def test_names_follow_the_region_and_sex(census: Population) -> None:
    names = census.names.take(list(range(20_000))).to_pylist()
    lengths = Counter(len(name) for name in names)
    assert set(lengths) <= {2, 3, 4}
    assert lengths[3] > lengths[2] > lengths[4]
    most = Counter(name[0] for name in names).most_common(3)
    assert most[0][0] == "陈"
    women = census.sex[:20_000] == people.FEMALE
    ends_in_girl = np.array([name.endswith(("娣", "妹", "英", "兰")) for name in names])
    assert ends_in_girl[women].mean() > 10 * ends_in_girl[~women].mean()


def test_places_have_every_village_and_lie_apart(places: Places) -> None:
    assert len(places.codes) == len(set(places.codes)) == 1_992
    assert len(set(zip(places.longitude.tolist(), places.latitude.tolist(), strict=True))) > 1_950
    found = counties_at(places.longitude, places.latitude)
    assert (found == np.array(places.county_codes)[places.county]).all()


def test_bd09_of_a_published_point() -> None:
    # Tiananmen in GCJ-02 and BD-09, as in the published conversions (single-step formula, 1e-5).
    longitude, latitude = gcj02_to_bd09(np.array([116.404]), np.array([39.915]))
    assert longitude[0] == pytest.approx(116.41036949371029, abs=1e-9)
    assert latitude[0] == pytest.approx(39.92133699351021, abs=1e-9)


@pytest.mark.parametrize(
    ("total", "dementia", "mental", "events", "comatose", "level"),
    [
        (90, False, False, 0, False, 0),
        (89, False, False, 0, False, 1),
        (66, False, False, 1, False, 1),
        (65, False, False, 0, False, 2),
        (46, False, False, 0, False, 2),
        (45, False, False, 0, False, 3),
        (30, False, False, 0, False, 3),
        (29, False, False, 0, False, 4),
        (90, True, False, 0, False, 1),
        (66, True, True, 2, False, 2),  # steps do not stack
        (0, True, False, 0, False, 4),  # and stop at the last level
        (90, False, False, 0, True, 4),
    ],
)
def test_level_of_the_standard(
    total: int, dementia: bool, mental: bool, events: int, comatose: bool, level: int
) -> None:
    found = level_of(*(np.array([v]) for v in (total, dementia, mental, events, comatose)))
    assert found.tolist() == [level]


def test_items_of_the_standard_add_up() -> None:
    assert [ITEM_MAXIMA[a:b].sum() for a, b in ((0, 8), (8, 12), (12, 21), (21, 26))] == [32, 15, 28, 15]
