"""Where people live: villages with a weight and a centre.

Names and codes of divisions are real. Positions are not: no source at hand says where a town or village lies inside
its county, so centres are drawn at random inside the county's real boundary, each village near its town.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from huiyang.divisions import DivisionLevel, division_tree
from huiyang.geodesy import Coordinates, distance_metres, wgs84_to_gcj02
from huiyang.reference.boundaries import county_shapes_gcj02, random_points_in_county

_METRES_A_DEGREE = 110_700.0
_CANDIDATES_A_VILLAGE = 12


@dataclass(frozen=True)
class Places:
    """Villages, as arrays over the village list; towns and counties as positions in their own lists.

    Attributes:
        weight: relative number of elders within the county.
        is_urban: under a 街道.
        longitude, latitude: centre, WGS-84.
        radius: metres around the centre in which two thirds of its people live.
    """

    codes: list[str]
    names: list[str]
    town: np.ndarray
    county: np.ndarray
    is_urban: np.ndarray
    is_committee: np.ndarray
    weight: np.ndarray
    longitude: np.ndarray
    latitude: np.ndarray
    radius: np.ndarray
    town_codes: list[str]
    town_names: list[str]
    town_county: np.ndarray
    town_is_pseudo: np.ndarray
    town_longitude: np.ndarray
    town_latitude: np.ndarray
    county_codes: list[str]
    county_names: list[str]

    def scatter(self, village: np.ndarray, random: np.random.Generator) -> Coordinates:
        """A position (WGS-84) near the centre of each village, inside its county."""
        radius = self.radius[village] / _METRES_A_DEGREE
        longitude = self.longitude[village] + random.normal(0, 1, len(village)) * radius * 1.07
        latitude = self.latitude[village] + random.normal(0, 1, len(village)) * radius
        longitude_gcj02, latitude_gcj02 = wgs84_to_gcj02(longitude, latitude)
        shapes = county_shapes_gcj02()
        for position, code in enumerate(self.county_codes):
            rows = np.flatnonzero(self.county[village] == position)
            outside = rows[~shapely.contains_xy(shapes[code], longitude_gcj02[rows], latitude_gcj02[rows])]
            longitude[outside], latitude[outside] = self.longitude[village[outside]], self.latitude[village[outside]]
        return longitude, latitude


def make_places(random: np.random.Generator) -> Places:
    """The city's villages with centres and weights."""
    tree = division_tree()
    counties = tree.at_level(DivisionLevel.COUNTY)
    towns = tree.at_level(DivisionLevel.TOWN)
    villages = tree.at_level(DivisionLevel.VILLAGE)
    county_position = {county.code: i for i, county in enumerate(counties)}
    town_position = {town.code: i for i, town in enumerate(towns)}
    town = np.array([town_position[village.parent_code or ""] for village in villages])
    town_county = np.array([county_position[t.parent_code or ""] for t in towns])
    county = town_county[town]
    is_urban = np.array([t.name.endswith("街道") for t in towns])[town]
    is_committee = np.array([int(v.code[9:]) < 200 for v in villages])
    weight = random.lognormal(0, 0.45, len(villages)) * np.where(is_committee & ~is_urban, 1.5, 1.0)
    weight *= np.where(np.array([v.is_pseudo for v in villages]), 0.15, 1.0)
    town_longitude, town_latitude = np.zeros(len(towns)), np.zeros(len(towns))
    longitude, latitude = np.zeros(len(villages)), np.zeros(len(villages))
    for position, division in enumerate(counties):
        own_towns = np.flatnonzero(town_county == position)
        own_villages = np.flatnonzero(county == position)
        xs, ys = random_points_in_county(division.code, len(own_villages) * _CANDIDATES_A_VILLAGE, random)
        seats = _far_apart(xs, ys, len(own_towns))
        town_longitude[own_towns], town_latitude[own_towns] = xs[seats], ys[seats]
        apart = distance_metres(xs[:, None], ys[:, None], xs[seats][None, :], ys[seats][None, :])
        nearest = apart.argmin(axis=1)
        for rank, own_town in enumerate(own_towns):
            rows = np.flatnonzero(town == own_town)
            # The nearest candidates of the town's own area; a town with many villages reaches over the border.
            area = np.flatnonzero(nearest == rank)
            if len(area) < len(rows):
                area = apart[:, rank].argsort()[: len(rows) * 2]
            chosen = random.choice(area, len(rows), replace=False)
            longitude[rows], latitude[rows] = xs[chosen], ys[chosen]
    return Places(
        codes=[v.code for v in villages],
        names=[v.name for v in villages],
        town=town,
        county=county,
        is_urban=is_urban,
        is_committee=is_committee,
        weight=weight,
        longitude=longitude,
        latitude=latitude,
        radius=np.where(is_urban, 220.0, np.where(is_committee, 300.0, 450.0)),
        town_codes=[t.code for t in towns],
        town_names=[t.name for t in towns],
        town_county=town_county,
        town_is_pseudo=np.array([t.is_pseudo for t in towns]),
        town_longitude=town_longitude,
        town_latitude=town_latitude,
        county_codes=[c.code for c in counties],
        county_names=[c.name for c in counties],
    )


def _far_apart(longitude: np.ndarray, latitude: np.ndarray, count: int) -> np.ndarray:
    """Positions of `count` points, each the one farthest from those before it (farthest-point sampling)."""
    chosen = [0]
    nearest = distance_metres(longitude, latitude, longitude[0], latitude[0])
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, distance_metres(longitude, latitude, longitude[chosen[-1]], latitude[chosen[-1]]))
    return np.array(chosen)


def gcj02_to_bd09(longitude_gcj02: np.ndarray, latitude_gcj02: np.ndarray) -> Coordinates:
    """Baidu's second shift on top of GCJ-02, as published in every reconstruction of it."""
    x, y = np.asarray(longitude_gcj02, dtype=float), np.asarray(latitude_gcj02, dtype=float)
    turn = np.pi * 3000.0 / 180.0
    radius = np.hypot(x, y) + 0.00002 * np.sin(y * turn)
    angle = np.arctan2(y, x) + 0.000003 * np.cos(x * turn)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006
