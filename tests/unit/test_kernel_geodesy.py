"""Datums against two independent implementations; distances against the ellipsoid; the grid's cells."""

from __future__ import annotations

import eviltransform
import numpy as np
import prcoords
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from huiyang.geodesy import (
    bd09_to_gcj02,
    distance_metres,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    grid_cell_500m,
    grid_cell_centre_wgs84,
    grid_cells_500m,
    wgs84_to_gcj02,
)

WGS84 = Geod(ellps="WGS84")
CHINA_LONGITUDES = st.floats(75, 134)
CHINA_LATITUDES = st.floats(18, 53)
CITY_LONGITUDES = st.floats(109.6, 110.99)
CITY_LATITUDES = st.floats(20.2, 21.99)


@given(CHINA_LONGITUDES, CHINA_LATITUDES)
def test_wgs84_to_gcj02_agrees_with_two_oracles(longitude: float, latitude: float):
    ours = wgs84_to_gcj02(longitude, latitude)
    oracle = prcoords.wgs_gcj((latitude, longitude))
    assert distance_metres(*ours, oracle[1], oracle[0]) < 1e-6
    # eviltransform shifts on a sphere of another radius: centimetres.
    oracle = eviltransform.wgs2gcj(latitude, longitude)
    assert distance_metres(*ours, oracle[1], oracle[0]) < 0.05


@given(CHINA_LONGITUDES, CHINA_LATITUDES)
def test_inverse_is_exact(longitude: float, latitude: float):
    back = gcj02_to_wgs84(*wgs84_to_gcj02(longitude, latitude))
    assert distance_metres(*back, longitude, latitude) < 0.001


def test_the_shift_at_zhanjiang():
    longitude, latitude = 110.36, 21.27
    east, north = wgs84_to_gcj02(longitude, latitude)
    assert distance_metres(longitude, latitude, longitude, north) == pytest.approx(265, abs=3)
    assert north < latitude
    assert distance_metres(longitude, latitude, east, latitude) == pytest.approx(466, abs=3)
    assert east > longitude


def test_points_outside_china_stay():
    assert wgs84_to_gcj02(-2.35, 53.42) == (-2.35, 53.42)
    assert gcj02_to_wgs84(-2.35, 53.42) == (-2.35, 53.42)


@given(st.lists(st.tuples(CITY_LONGITUDES, CITY_LATITUDES), min_size=1, max_size=20))
def test_arrays_agree_with_numbers(points: list[tuple[float, float]]):
    longitudes, latitudes = np.array(points).T
    for transform in (wgs84_to_gcj02, gcj02_to_wgs84):
        together = np.column_stack(transform(longitudes, latitudes))
        assert np.array_equal(together, np.array([transform(*point) for point in points]))
    assert grid_cells_500m(longitudes, latitudes).tolist() == [grid_cell_500m(*point) for point in points]


@given(CITY_LONGITUDES, CITY_LATITUDES, CITY_LONGITUDES, CITY_LATITUDES)
def test_distance_is_that_of_the_ellipsoid_within_half_a_percent(
    longitude_a: float, latitude_a: float, longitude_b: float, latitude_b: float
):
    exact = WGS84.inv(longitude_a, latitude_a, longitude_b, latitude_b)[2]
    ours = distance_metres(longitude_a, latitude_a, longitude_b, latitude_b)
    assert ours == pytest.approx(exact, rel=0.005, abs=1e-6)
    assert ours == distance_metres(longitude_b, latitude_b, longitude_a, latitude_a)


@given(CITY_LONGITUDES, CITY_LATITUDES)
def test_a_cell_measures_500_metres_and_holds_its_points(longitude: float, latitude: float):
    cell = grid_cell_500m(longitude, latitude)
    centre_longitude, centre_latitude = grid_cell_centre_wgs84(cell)
    assert grid_cell_500m(centre_longitude, centre_latitude) == cell
    assert WGS84.inv(longitude, centre_latitude, centre_longitude, centre_latitude)[2] <= 253
    assert WGS84.inv(centre_longitude, latitude, centre_longitude, centre_latitude)[2] <= 250.5


def test_neighbouring_cells_are_500_metres_apart():
    row, column = 4664, 22955
    centre = grid_cell_centre_wgs84(f"N{row:05d}E{column:05d}")
    north = grid_cell_centre_wgs84(f"N{row + 1:05d}E{column:05d}")
    east = grid_cell_centre_wgs84(f"N{row:05d}E{column + 1:05d}")
    assert WGS84.inv(*centre, *north)[2] == pytest.approx(500, abs=4)
    assert WGS84.inv(*centre, *east)[2] == pytest.approx(500, abs=4)


def test_unknown_positions_have_no_cell():
    assert grid_cells_500m([110.4, np.nan, 110.4], [21.2, 21.2, np.nan]).tolist()[1:] == [None, None]
    for text in ("", "N1E2", "N04664E22955 ", "E22955N04664"):
        with pytest.raises(ValueError, match="grid cell"):
            grid_cell_centre_wgs84(text)


@given(CITY_LONGITUDES, CITY_LATITUDES)
def test_bd09_agrees_with_an_oracle_and_comes_back(longitude: float, latitude: float):
    expected = prcoords.gcj_bd((latitude, longitude))
    shifted = gcj02_to_bd09(longitude, latitude)
    assert shifted == pytest.approx((expected.lon, expected.lat), abs=1e-9)
    assert bd09_to_gcj02(*shifted) == pytest.approx((longitude, latitude), abs=1e-9)
