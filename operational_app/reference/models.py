"""Tables of schema `reference`. Sources and licences: `huiyang/reference/README.md`."""

from __future__ import annotations

from datetime import date

from sqlalchemy import BigInteger, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from operational_app.core.base import Base, Code, Tracked, coded


class DivisionLevel(Code):
    CITY = "city", "地级市"
    COUNTY = "county", "县（市、区）"
    TOWN = "town", "镇街"
    VILLAGE = "village", "村社"


class Division(Base):
    """区划 division: a node of the statutory tree, 12 digits (city to village)."""

    __tablename__ = "division"
    __table_args__ = {"schema": "reference"}

    division_code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str]
    full_name: Mapped[str]  # 湛江市赤坎区寸金街道…: two towns share a name, so lists show this
    level: Mapped[DivisionLevel] = mapped_column(coded(DivisionLevel))
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("reference.division.division_code"), index=True)
    is_pseudo: Mapped[bool] = mapped_column(server_default="false")  # statistical unit, not an administration


class ReportingUnit(Base):
    """An overlay on the tree that the bureau reports separately (湛江经开区, 奋勇高新区)."""

    __tablename__ = "reporting_unit"
    __table_args__ = {"schema": "reference"}

    unit_code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str]


class ReportingUnitDivision(Base):
    """A town that belongs to a reporting unit."""

    __tablename__ = "reporting_unit_division"
    __table_args__ = {"schema": "reference"}

    unit_code: Mapped[str] = mapped_column(ForeignKey("reference.reporting_unit.unit_code"), primary_key=True)
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"), primary_key=True)


class CensusPopulation(Base):
    """Census 2020, resident population (常住人口) by county, sex and five-year age group."""

    __tablename__ = "census_population"
    __table_args__ = {"schema": "reference"}

    county_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"), primary_key=True)
    sex: Mapped[str] = mapped_column(Text, primary_key=True)
    age_group: Mapped[str] = mapped_column(Text, primary_key=True)
    population: Mapped[int] = mapped_column(BigInteger)


class DueRegister(Tracked, Base):
    """An outside register of what is due: licensed institutions, registered beds. The denominator of completeness."""

    __tablename__ = "due_register"
    __table_args__ = {"schema": "reference"}

    theme: Mapped[str]
    register_name: Mapped[str]
    register_key: Mapped[str]  # the key in that register, e.g. a credit code
    division_code: Mapped[str] = mapped_column(ForeignKey("reference.division.division_code"))
    due_from: Mapped[date]
    due_until: Mapped[date | None]
