"""County boundaries as shapes: which county a position lies in, and random positions for the sample.

The shapes are those for display (see build.py): right to some 200 m, no cadastre.
"""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import shapely
from numpy.typing import ArrayLike

from huiyang.geodesy import Coordinates, gcj02_to_wgs84, wgs84_to_gcj02
from huiyang.reference import COUNTY_BOUNDARIES_FILE

#: Points are drawn from a county's bounding box until enough lie inside; 雷州 fills about half of its box.
_OVERDRAW = 2.5


@cache
def county_shapes_gcj02() -> dict[str, shapely.MultiPolygon]:
    """MultiPolygon (degrees, GCJ-02) by 12-digit county code."""
    features = json.loads(COUNTY_BOUNDARIES_FILE.read_text(encoding="utf-8"))["features"]
    shapes = {feature["properties"]["county_code"]: shapely.geometry.shape(feature["geometry"]) for feature in features}
    shapely.prepare(list(shapes.values()))
    return shapes


def counties_at(longitude_wgs84: ArrayLike, latitude_wgs84: ArrayLike) -> np.ndarray:
    """The 12-digit code of the county that each position lies in; object array of text, None outside the city."""
    longitude, latitude = wgs84_to_gcj02(longitude_wgs84, latitude_wgs84)
    result = np.full(longitude.shape, None, dtype=object)
    for county_code, shape in county_shapes_gcj02().items():
        result[shapely.contains_xy(shape, longitude, latitude)] = county_code
    return result


def random_points_in_county(county_code: str, count: int, random: np.random.Generator) -> Coordinates:
    """(longitude_wgs84, latitude_wgs84) of `count` points, evenly spread inside the county.

    Raises:
        KeyError: no county of the city.
    """
    shape = county_shapes_gcj02()[county_code]
    west, south, east, north = shape.bounds
    found = np.empty((0, 2))
    while len(found) < count:
        drawn = random.uniform((west, south), (east, north), (int((count - len(found)) * _OVERDRAW) + 16, 2))
        found = np.concatenate([found, drawn[shapely.contains_xy(shape, drawn[:, 0], drawn[:, 1])]])
    return gcj02_to_wgs84(found[:count, 0], found[:count, 1])
