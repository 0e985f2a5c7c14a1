"""Positions: the two datums of Chinese maps, distances, and the 500 m grid.

We store WGS-84 (CGCS2000 is the same here) and convert at the edges; public Chinese maps and our boundaries are in
GCJ-02, which lies 537 m off at Zhanjiang. Every parameter and column names its datum. All functions take numbers or
arrays, in degrees, longitude first.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import ArrayLike

#: Mean radius (IUGG), for great-circle distances.
EARTH_RADIUS_METRES = 6_371_008.8
GRID_CELL_METRES = 500

# GCJ-02 shifts points by sums of sines on the Krassowsky ellipsoid; constants as in every published reconstruction.
_KRASSOWSKY_A = 6_378_245.0
_KRASSOWSKY_E2 = 0.00669342162296594323
_INVERSE_ROUNDS = 4
#: The grid's columns are 500 m wide at this latitude: within 0.8 % from 20.1° to 22.0°, Zhanjiang's whole extent.
_GRID_LATITUDE = 21.1
_GRID_DEGREES_LATITUDE = GRID_CELL_METRES / 110_718.3  # metres of a degree of latitude at 21.1°, WGS-84
_GRID_DEGREES_LONGITUDE = GRID_CELL_METRES / 103_901.0  # metres of a degree of longitude at 21.1°, WGS-84
_GRID_CELL = re.compile(r"N(\d{5})E(\d{5})", re.ASCII)

Coordinates = tuple[np.ndarray, np.ndarray]


def wgs84_to_gcj02(longitude_wgs84: ArrayLike, latitude_wgs84: ArrayLike) -> Coordinates:
    """(longitude_gcj02, latitude_gcj02). Points outside China's bounding box come back as they are."""
    longitude, latitude = np.asarray(longitude_wgs84, dtype=float), np.asarray(latitude_wgs84, dtype=float)
    x, y = longitude - 105.0, latitude - 35.0
    root_x = np.sqrt(np.abs(x))
    common = (20 * np.sin(6 * np.pi * x) + 20 * np.sin(2 * np.pi * x)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root_x + common
    north += (20 * np.sin(np.pi * y) + 40 * np.sin(np.pi / 3 * y)) * 2 / 3
    north += (160 * np.sin(np.pi / 12 * y) + 320 * np.sin(np.pi / 30 * y)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root_x + common
    east += (20 * np.sin(np.pi * x) + 40 * np.sin(np.pi / 3 * x)) * 2 / 3
    east += (150 * np.sin(np.pi / 12 * x) + 300 * np.sin(np.pi / 30 * x)) * 2 / 3
    phi = np.radians(latitude)
    magic = 1 - _KRASSOWSKY_E2 * np.sin(phi) ** 2
    latitude_shift = np.degrees(north * magic**1.5 / (_KRASSOWSKY_A * (1 - _KRASSOWSKY_E2)))
    longitude_shift = np.degrees(east * np.sqrt(magic) / (_KRASSOWSKY_A * np.cos(phi)))
    in_china = (longitude >= 72.004) & (longitude <= 137.8347) & (latitude >= 0.8293) & (latitude <= 55.8271)
    return longitude + np.where(in_china, longitude_shift, 0.0), latitude + np.where(in_china, latitude_shift, 0.0)


def gcj02_to_wgs84(longitude_gcj02: ArrayLike, latitude_gcj02: ArrayLike) -> Coordinates:
    """(longitude_wgs84, latitude_wgs84): the exact inverse by fixed-point iteration, to less than a millimetre."""
    longitude, latitude = np.asarray(longitude_gcj02, dtype=float), np.asarray(latitude_gcj02, dtype=float)
    guess_longitude, guess_latitude = longitude, latitude
    for _ in range(_INVERSE_ROUNDS):
        shifted_longitude, shifted_latitude = wgs84_to_gcj02(guess_longitude, guess_latitude)
        guess_longitude = guess_longitude + (longitude - shifted_longitude)
        guess_latitude = guess_latitude + (latitude - shifted_latitude)
    return guess_longitude, guess_latitude


def gcj02_to_bd09(longitude_gcj02: ArrayLike, latitude_gcj02: ArrayLike) -> Coordinates:
    """(longitude_bd09, latitude_bd09), the datum of Baidu's maps."""
    x, y = np.asarray(longitude_gcj02, dtype=float), np.asarray(latitude_gcj02, dtype=float)
    turn = np.pi * 3000.0 / 180.0
    radius = np.hypot(x, y) + 0.00002 * np.sin(y * turn)
    angle = np.arctan2(y, x) + 0.000003 * np.cos(x * turn)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006


def bd09_to_gcj02(longitude_bd09: ArrayLike, latitude_bd09: ArrayLike) -> Coordinates:
    """(longitude_gcj02, latitude_gcj02): the exact inverse by fixed-point iteration."""
    longitude, latitude = np.asarray(longitude_bd09, dtype=float), np.asarray(latitude_bd09, dtype=float)
    guess_longitude, guess_latitude = longitude - 0.0065, latitude - 0.006
    for _ in range(_INVERSE_ROUNDS):
        shifted_longitude, shifted_latitude = gcj02_to_bd09(guess_longitude, guess_latitude)
        guess_longitude = guess_longitude + (longitude - shifted_longitude)
        guess_latitude = guess_latitude + (latitude - shifted_latitude)
    return guess_longitude, guess_latitude


def distance_metres(
    longitude_a: ArrayLike, latitude_a: ArrayLike, longitude_b: ArrayLike, latitude_b: ArrayLike
) -> np.ndarray:
    """Great-circle distance (haversine) between points of one and the same datum; 0.5 % off the ellipsoid at most."""
    phi_a, phi_b = np.radians(np.asarray(latitude_a, dtype=float)), np.radians(np.asarray(latitude_b, dtype=float))
    lambda_difference = np.radians(np.asarray(longitude_b, dtype=float) - np.asarray(longitude_a, dtype=float))
    half_chord = np.sin((phi_b - phi_a) / 2) ** 2 + np.cos(phi_a) * np.cos(phi_b) * np.sin(lambda_difference / 2) ** 2
    return 2 * EARTH_RADIUS_METRES * np.arcsin(np.minimum(1.0, np.sqrt(half_chord)))


def grid_cell_500m(longitude_wgs84: float, latitude_wgs84: float) -> str:
    """The 500 m cell of a position as text, `N<row>E<column>`; rows count from the equator, columns from 0°."""
    return str(grid_cells_500m([longitude_wgs84], [latitude_wgs84])[0])


def grid_cells_500m(longitude_wgs84: ArrayLike, latitude_wgs84: ArrayLike) -> np.ndarray:
    """`grid_cell_500m` of arrays; object array of text, None where a coordinate is NaN."""
    longitude, latitude = np.asarray(longitude_wgs84, dtype=float), np.asarray(latitude_wgs84, dtype=float)
    result = np.full(longitude.shape, None, dtype=object)
    known = ~(np.isnan(longitude) | np.isnan(latitude))
    rows = np.floor(latitude[known] / _GRID_DEGREES_LATITUDE).astype(int)
    columns = np.floor(longitude[known] / _GRID_DEGREES_LONGITUDE).astype(int)
    result[known] = [f"N{row:05d}E{column:05d}" for row, column in zip(rows.tolist(), columns.tolist(), strict=True)]
    return result


def grid_cell_centre_wgs84(cell: str) -> tuple[float, float]:
    """(longitude_wgs84, latitude_wgs84) of a cell's centre.

    Raises:
        ValueError: not a cell.
    """
    match = _GRID_CELL.fullmatch(cell)
    if match is None:
        raise ValueError(f"not a grid cell: {cell!r}")
    return (int(match[2]) + 0.5) * _GRID_DEGREES_LONGITUDE, (int(match[1]) + 0.5) * _GRID_DEGREES_LATITUDE
