"""The elders: who lives where, how old, with whom, how able, how ill, on what support. Persons, not yet records.

Counts of the living on file come from the census of 2020 (usual residents by county, sex and five-year group): at
scale `census` every cell is met to the person, as if the census had been taken on the export's last day.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from huiyang.reference import read_reference
from huiyang.settings import Scale
from migration.sample import people
from migration.sample.calendar import FIRST_DAY, LAST_DAY, random_days
from migration.sample.columns import Column, join, pick
from migration.sample.people import FEMALE, MALE
from migration.sample.places import Places
from migration.sample.volumes import DEMO_SHARE, VOLUMES

AGE_GROUPS = ("60-64", "65-69", "70-74", "75-79", "80-84", "85+")
#: Persons on file beside the living residents, as shares of these.
DECEASED_SHARE = 0.04
MOVED_SHARE = 0.008

LIVING, DECEASED, MOVED = 0, 1, 2
#: Marital status (old platform's code).
SINGLE, MARRIED, DIVORCED, WIDOWED = 1, 2, 3, 4
#: Living arrangement (old platform's code).
ALONE, WITH_SPOUSE, WITH_CHILDREN, WITH_OTHERS, IN_INSTITUTION = 1, 2, 3, 4, 5
#: Object category (old platform's code).
TEKUN, DIBAO, DIBIAN, YOUFU, JISHENG, ORDINARY = 1, 2, 3, 4, 5, 9

#: Relative mortality by age group, for the deceased on file.
_MORTALITY = np.array([1.0, 1.6, 2.7, 4.6, 8.0, 16.0])
#: Ability levels 0 (intact) to 4 (complete disability) by age group; shaped after published surveys, a setting.
_ABILITY = np.array(
    [
        [0.962, 0.022, 0.008, 0.005, 0.003],
        [0.938, 0.036, 0.013, 0.008, 0.005],
        [0.893, 0.062, 0.022, 0.014, 0.009],
        [0.815, 0.105, 0.039, 0.024, 0.017],
        [0.690, 0.165, 0.070, 0.044, 0.031],
        [0.510, 0.225, 0.120, 0.085, 0.060],
    ]
)
_WIDOWED = {
    MALE: np.array([0.03, 0.05, 0.09, 0.14, 0.23, 0.40]),
    FEMALE: np.array([0.08, 0.15, 0.26, 0.40, 0.56, 0.76]),
}
#: Illiterate, primary, lower secondary, upper secondary, college, university: by age group, men and women.
_EDUCATION = {
    MALE: np.array(
        [[2, 34, 42, 16, 4, 2], [4, 44, 34, 13, 3, 2], [8, 54, 25, 9, 2.5, 1.5],
         [14, 58, 18, 7, 2, 1], [22, 58, 12, 5, 2, 1], [34, 52, 8, 4, 1, 1]], dtype=float),
    FEMALE: np.array(
        [[9, 48, 31, 9, 2, 1], [16, 53, 22, 7, 1.5, 0.5], [28, 53, 13, 4.5, 1, 0.5],
         [43, 46, 7, 3, 0.7, 0.3], [58, 36, 4, 1.5, 0.3, 0.2], [72, 25, 2, 0.7, 0.2, 0.1]], dtype=float),
}  # fmt: skip

#: Chronic diseases in the order of the old platform's codes, with prevalence at 60–64 and at 85+.
DISEASES = (
    ("01", "高血压", 0.40, 0.62),
    ("02", "糖尿病", 0.14, 0.19),
    ("03", "冠心病", 0.06, 0.20),
    ("04", "脑卒中", 0.03, 0.12),
    ("05", "慢性阻塞性肺病", 0.05, 0.13),
    ("06", "骨关节病", 0.16, 0.30),
    ("07", "老年痴呆", 0.006, 0.17),
    ("08", "恶性肿瘤", 0.014, 0.028),
    ("09", "精神障碍", 0.012, 0.014),
    ("10", "骨折史", 0.025, 0.11),
    ("11", "白内障", 0.06, 0.32),
    ("12", "慢性肾病", 0.025, 0.07),
)
DEMENTIA, MENTAL = 6, 8
HYPERTENSION, DIABETES = 0, 1


@dataclass
class Population:
    """Persons on file: the living residents first, then the deceased, then those who moved away. Arrays over persons.

    Attributes:
        village: position in `Places`.
        sex: 1 man, 2 woman.
        born, registered, died, moved: days; NaT where it did not happen.
        spouse: position of the spouse on file, -1 where none.
        household: serial of the household.
        surname: position in `people.surnames()`.
        id_body: first 17 digits of the ID number.
        mobile: number, 0 where none.
        ability: level 0 (intact) to 4 (complete disability), as last assessed or asked.
        diseases: a bit per entry of `DISEASES`.
        category, second_category: why supported; `second_category` is 0 where none.
        longitude, latitude: of the home, WGS-84.
    """

    village: np.ndarray
    county: np.ndarray
    sex: np.ndarray
    age_group: np.ndarray
    born: np.ndarray
    registered: np.ndarray
    status: np.ndarray
    died: np.ndarray
    moved: np.ndarray
    marital: np.ndarray
    living: np.ndarray
    spouse: np.ndarray
    household: np.ndarray
    surname: np.ndarray
    given: tuple[Column, Column]
    id_body: np.ndarray
    mobile: np.ndarray
    ability: np.ndarray
    diseases: np.ndarray
    education: np.ndarray
    category: np.ndarray
    second_category: np.ndarray
    longitude: np.ndarray
    latitude: np.ndarray
    house_number: np.ndarray

    @property
    def count(self) -> int:
        return len(self.village)

    @cached_property
    def names(self) -> Column:
        """Full names."""
        return join(pick(people.surnames()[0], self.surname), *self.given)

    def age_on(self, day: np.datetime64) -> np.ndarray:
        """Years, with decimals."""
        return (day - self.born).astype(int) / 365.2425

    def birthday(self, years: int) -> np.ndarray:
        """The day on which each person turns so many years."""
        return _years_before(self.born, np.full(self.count, -years))


def age_cells(scale: Scale) -> np.ndarray:
    """The living elders on file per county (by code) × sex (men, women) × age group, as integers.

    At scale `census` the census itself; otherwise the census times a factor, rounded by largest remainders so that the
    total is exact.
    """
    census = read_reference("ref_census_2020")
    census = census[census["age_group"].isin(AGE_GROUPS)]
    table = census.pivot_table(index="county_code", columns=["sex", "age_group"], values="population", aggfunc="sum")
    cells = np.stack([table[sex][list(AGE_GROUPS)].to_numpy() for sex in ("male", "female")], axis=1).astype(np.int64)
    if scale is Scale.CENSUS:
        return cells
    total = VOLUMES[scale].elders or round(int(cells.sum()) * DEMO_SHARE)
    exact = cells * (total / cells.sum())
    result = np.floor(exact).astype(np.int64)
    largest = np.argsort(-(exact - result).ravel(), kind="stable")[: total - int(result.sum())]
    result.ravel()[largest] += 1
    return result


def make_population(scale: Scale, places: Places, random: np.random.Generator) -> Population:
    """Everyone on file."""
    county, sex, age_group, status = _cells_to_persons(age_cells(scale), random)
    count = len(county)
    born, died, moved = _dates(age_group, status, random)
    registered = _registration_days(born, died, moved, random)
    village = _villages(county, places, random)
    marital = _marital(sex, age_group, status, random)
    spouse = _couples(village, sex, born, marital, status, random)
    household = _households(spouse)
    _, weights = people.surnames()
    living = _living_arrangement(marital, spouse, random)
    longitude, latitude = places.scatter(village, random)
    house_number = random.integers(1, 260, count)
    second = np.flatnonzero((spouse >= 0) & (spouse < np.arange(count)))
    for shared in (longitude, latitude, house_number, living):
        shared[second] = shared[spouse[second]]
    category, second_category = _categories(sex, age_group, marital, random)
    diseases = _diseases(age_group, random)
    # Nobody with dementia is assessed as intact.
    ability = np.maximum(_weighted(_ABILITY[age_group], random), diseases >> DEMENTIA & 1)
    return Population(
        village=village,
        county=county,
        sex=sex,
        age_group=age_group,
        born=born,
        registered=registered,
        status=status,
        died=died,
        moved=moved,
        marital=marital,
        living=living,
        spouse=spouse,
        household=household,
        surname=_village_surnames(village, sex, places, weights, random),
        given=people.given_names(sex, born, random),
        id_body=people.id_numbers(people.id_prefixes(county, places.county_codes, random), born, sex),
        mobile=np.where(random.random(count) < 0.93 - 0.11 * age_group, people.mobiles(count, random), 0),
        ability=ability,
        diseases=diseases,
        education=_education(sex, age_group, random),
        category=category,
        second_category=second_category,
        longitude=longitude,
        latitude=latitude,
        house_number=house_number,
    )


def _cells_to_persons(cells: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, ...]:
    flat = cells.ravel()
    cell = np.repeat(np.arange(flat.size), flat)
    random.shuffle(cell)
    living = len(cell)
    mortality = np.broadcast_to(_MORTALITY, cells.shape).ravel() * flat
    gone = random.choice(flat.size, round(living * DECEASED_SHARE), p=mortality / mortality.sum())
    away = random.choice(flat.size, round(living * MOVED_SHARE), p=flat / flat.sum())
    cell = np.concatenate([cell, gone, away])
    status = np.repeat([LIVING, DECEASED, MOVED], [living, len(gone), len(away)])
    county, sex, age_group = np.unravel_index(cell, cells.shape)
    return county, sex + 1, age_group, status


def _dates(
    age_group: np.ndarray, status: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Days of birth, death and moving away. Age counts on the last day, of those gone on the day they went."""
    count = len(age_group)
    never = np.full(count, np.datetime64("NaT"), dtype="datetime64[D]")
    died, moved = never.copy(), never.copy()
    gone = status == DECEASED
    died[gone] = random_days(
        np.full(gone.sum(), np.datetime64("2021-06-01")), np.full(gone.sum(), LAST_DAY - 12), random
    )
    away = status == MOVED
    moved[away] = random_days(np.full(away.sum(), FIRST_DAY), np.full(away.sum(), LAST_DAY - 5), random)
    counted_on = np.where(gone, died, np.where(away, moved, LAST_DAY))
    # Within a group the younger years are a little fuller; beyond 85 ages thin out.
    within = 5 * (1 - np.sqrt(1 - random.random(count) * 0.75)) / (1 - np.sqrt(0.25))
    beyond = np.minimum(random.exponential(4.0, count), 22.5)
    extra = np.where(age_group == len(AGE_GROUPS) - 1, beyond, np.minimum(within, 4.999))
    years = 60 + 5 * age_group + np.floor(extra).astype(int)
    latest = _years_before(counted_on, years)
    earliest = _years_before(counted_on, years + 1) + 1
    return random_days(earliest, latest, random), died, moved


def _years_before(days: np.ndarray, years: np.ndarray) -> np.ndarray:
    """The same calendar day so many years earlier; 29 February becomes the 28th."""
    months = days.astype("datetime64[M]")
    day_of_month = (days - months).astype(int)
    target = months - years * 12
    length = ((target + 1).astype("datetime64[D]") - target.astype("datetime64[D]")).astype(int)
    return target.astype("datetime64[D]") + np.minimum(day_of_month, length - 1)


def _registration_days(
    born: np.ndarray, died: np.ndarray, moved: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """More than half came with the first imports; the others since, from their sixtieth birthday on."""
    count = len(born)
    imported = random.random(count) < 0.55
    drawn = np.where(
        imported,
        np.datetime64("2019-03-01") + random.integers(0, 900, count),
        np.datetime64("2021-08-01") + random.integers(0, 1910, count),
    )
    sixty = _years_before(born, np.full(count, -60))
    registered = np.where(drawn < sixty, sixty + random.integers(0, 180, count), drawn)
    last = np.where(np.isnat(died), np.where(np.isnat(moved), LAST_DAY, moved - 20), died - 20)
    before_leaving = np.maximum(last - random.integers(0, 900, count), np.minimum(sixty, last))
    return np.where(registered > last, before_leaving, registered)


def _villages(county: np.ndarray, places: Places, random: np.random.Generator) -> np.ndarray:
    village = np.zeros(len(county), dtype=np.int64)
    for position in range(len(places.county_codes)):
        rows = np.flatnonzero(county == position)
        own = np.flatnonzero(places.county == position)
        weights = places.weight[own] / places.weight[own].sum()
        village[rows] = random.choice(own, len(rows), p=weights)
    return village


def _marital(sex: np.ndarray, age_group: np.ndarray, status: np.ndarray, random: np.random.Generator) -> np.ndarray:
    draw = random.random(len(sex))
    widowed = np.where(sex == MALE, _WIDOWED[MALE][age_group], _WIDOWED[FEMALE][age_group])
    single = np.where(sex == MALE, 0.045, 0.006)
    divorced = np.where(sex == MALE, 0.014, 0.010)
    return np.select(
        [draw < widowed, draw < widowed + single, draw < widowed + single + divorced],
        [WIDOWED, SINGLE, DIVORCED],
        MARRIED,
    )


def _couples(
    village: np.ndarray,
    sex: np.ndarray,
    born: np.ndarray,
    marital: np.ndarray,
    status: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """Marries the married within each village, by age: wives are some two years younger."""
    spouse = np.full(len(village), -1, dtype=np.int64)
    eligible = (marital == MARRIED) & (status == LIVING)
    day = born.astype(np.int64)
    men, women = np.flatnonzero(eligible & (sex == MALE)), np.flatnonzero(eligible & (sex == FEMALE))
    men = men[np.lexsort((day[men] + random.normal(0, 500, len(men)), village[men]))]
    women = women[np.lexsort((day[women] - 800 + random.normal(0, 500, len(women)), village[women]))]
    starts_men = np.searchsorted(village[men], np.arange(village.max() + 2))
    starts_women = np.searchsorted(village[women], np.arange(village.max() + 2))
    pairs = np.minimum(np.diff(starts_men), np.diff(starts_women))
    within = np.arange(pairs.sum()) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    husbands = men[np.repeat(starts_men[:-1], pairs) + within]
    wives = women[np.repeat(starts_women[:-1], pairs) + within]
    together = (np.abs(day[husbands] - day[wives]) < 12 * 365) & (random.random(len(husbands)) < 0.93)
    spouse[husbands[together]], spouse[wives[together]] = wives[together], husbands[together]
    return spouse


def _households(spouse: np.ndarray) -> np.ndarray:
    head = np.where(spouse >= 0, np.minimum(spouse, np.arange(len(spouse))), np.arange(len(spouse)))
    return np.unique(head, return_inverse=True)[1]


def _living_arrangement(marital: np.ndarray, spouse: np.ndarray, random: np.random.Generator) -> np.ndarray:
    draw = random.random(len(marital))
    with_spouse = (marital == MARRIED) | (spouse >= 0)
    alone = np.select([marital == WIDOWED, marital == SINGLE, marital == DIVORCED], [0.28, 0.72, 0.5], 0.0)
    return np.where(
        with_spouse,
        np.where(draw < 0.58, WITH_SPOUSE, WITH_CHILDREN),
        np.where(draw < alone, ALONE, np.where(draw < alone + (1 - alone) * 0.88, WITH_CHILDREN, WITH_OTHERS)),
    )


def _village_surnames(
    village: np.ndarray, sex: np.ndarray, places: Places, weights: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Rural villages have a leading surname (a clan's), strongest among men; women marry in."""
    leading = random.choice(len(weights), len(places.codes), p=weights)
    clan = np.where(places.is_urban, 0.0, random.uniform(0.2, 0.75, len(places.codes)))
    strength = clan[village] * np.where(sex == MALE, 1.0, 0.15)
    drawn = random.choice(len(weights), len(village), p=weights)
    return np.where(random.random(len(village)) < strength, leading[village], drawn)


def _weighted(probabilities: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One position per row of probabilities."""
    cumulative = probabilities.cumsum(axis=1)
    draw = random.random(len(probabilities)) * cumulative[:, -1]
    return (draw[:, None] >= cumulative).sum(axis=1)


def _diseases(age_group: np.ndarray, random: np.random.Generator) -> np.ndarray:
    bits = np.zeros(len(age_group), dtype=np.int64)
    for position, (_, _, young, old) in enumerate(DISEASES):
        prevalence = young + (old - young) * (age_group / (len(AGE_GROUPS) - 1)) ** 1.6
        bits |= (random.random(len(age_group)) < prevalence).astype(np.int64) << position
    return bits


def _education(sex: np.ndarray, age_group: np.ndarray, random: np.random.Generator) -> np.ndarray:
    probabilities = np.where((sex == MALE)[:, None], _EDUCATION[MALE][age_group], _EDUCATION[FEMALE][age_group])
    return _weighted(probabilities, random) + 1


def _categories(
    sex: np.ndarray, age_group: np.ndarray, marital: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    count = len(sex)
    draw = random.random(count)
    tekun = np.where(marital == SINGLE, 0.22, np.where(marital == WIDOWED, 0.008, 0.002))
    bounds = np.stack(
        [
            tekun,
            np.full(count, 0.034),
            np.full(count, 0.010),
            np.where(sex == MALE, 0.020, 0.004),
            np.full(count, 0.005),
        ]
    ).cumsum(axis=0)
    category = np.select([draw < bound for bound in bounds], [TEKUN, DIBAO, DIBIAN, YOUFU, JISHENG], ORDINARY)
    second = np.where((category == DIBAO) & (random.random(count) < 0.05), YOUFU, 0)
    second = np.where((category == TEKUN) & (random.random(count) < 0.03), YOUFU, second)
    return category, second
