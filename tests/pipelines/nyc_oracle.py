"""What the tables of nyc_flights must be, computed by DuckDB from the package's own CSVs. Knows nothing of `etl`."""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.support.oracle import TableOracle

_FOLDER = Path(__file__).parents[2] / "pipelines" / "nyc_flights"
FIRST, LAST = dt.date(2013, 1, 1), dt.date(2013, 12, 31)
_MIN_DELAY = 15

_TABLES = {
    "flights_checked": """
        SELECT f.year, f.month, f.day, f.time_hour, f.time_hour + to_minutes(f.minute) AS scheduled_at, f.carrier, a.name AS carrier_name,
               f.flight, f.tailnum, p.manufacturer, p.model, p.seats, f.origin, f.dest, d.name AS dest_name, f.dep_time, f.dep_delay,
               f.arr_delay, f.air_time, f.distance
        FROM flights f LEFT JOIN airlines a USING (carrier) LEFT JOIN airports d ON f.dest = d.faa LEFT JOIN planes p ON f.tailnum = p.tailnum
        WHERE f.dep_time IS NOT NULL""",
    "flights_clean": "SELECT * FROM flights_checked WHERE dest_name IS NOT NULL",
    "flights_quarantine": """
        SELECT 'known_destination' AS _etl_reason, NULL::VARCHAR AS _etl_input, NULL::VARCHAR AS _etl_record, * FROM flights_checked WHERE dest_name IS NULL
        UNION ALL BY NAME SELECT 'malformed' AS _etl_reason, 'flights' AS _etl_input, record AS _etl_record FROM garbled_flights""",
    "weather_checked": """
        SELECT origin, time_hour, temp, (temp - 32) * 5 / 9 AS temp_celsius, humid, wind_dir, wind_speed, wind_speed * 0.44704 AS wind_metres_per_second,
               precip, visib
        FROM weather WHERE temp IS NOT NULL""",
    "weather_clean": "SELECT * FROM weather_checked WHERE wind_speed < 100",
    "weather_quarantine": """
        SELECT 'plausible_wind' AS _etl_reason, NULL::VARCHAR AS _etl_input, NULL::VARCHAR AS _etl_record, * FROM weather_checked
        WHERE coalesce(wind_speed >= 100, true)
        UNION ALL BY NAME SELECT 'malformed' AS _etl_reason, 'weather' AS _etl_input, record AS _etl_record FROM garbled_weather""",
    "plane_latest_flight": """
        SELECT tailnum, scheduled_at, carrier, flight, origin, dest, dep_delay FROM flights_clean WHERE tailnum IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY tailnum ORDER BY scheduled_at DESC, carrier DESC, flight DESC, origin DESC, dest DESC, dep_delay DESC NULLS LAST) = 1""",
    "delay_by_hour": f"""
        SELECT * FROM (SELECT origin, time_hour, count(*) AS departures, count(*) FILTER (dep_delay >= {_MIN_DELAY}) AS late_departures,
                              avg(dep_delay) AS mean_delay FROM flights_clean GROUP BY ALL)
        LEFT JOIN (SELECT origin, time_hour, avg(temp) AS temp, avg(wind_speed) AS wind_speed, max(precip) AS precip, avg(visib) AS visib
                   FROM weather_clean GROUP BY ALL) USING (origin, time_hour)""",
    "busiest_routes": """
        SELECT origin, dest, dest_name, count(*) AS flights, count(DISTINCT carrier) AS carriers, avg(air_time) AS mean_air_time
        FROM flights_clean GROUP BY ALL""",
    "carrier_punctuality": f"""
        SELECT carrier, carrier_name, count(*) AS flights, avg(CASE WHEN dep_delay < {_MIN_DELAY} THEN 1.0 ELSE 0.0 END) AS on_time_share,
               avg(dep_delay) AS mean_departure_delay, avg(arr_delay) AS mean_arrival_delay
        FROM flights_clean GROUP BY ALL""",
}
_FLOATS = {
    "weather_clean": ("temp_celsius", "wind_metres_per_second"),
    "weather_quarantine": ("temp_celsius", "wind_metres_per_second"),
    "delay_by_hour": ("mean_delay", "temp", "wind_speed", "visib"),
    "busiest_routes": ("mean_air_time",),
    "carrier_punctuality": ("on_time_share", "mean_departure_delay", "mean_arrival_delay"),
}
_PATHS = {
    "flights_clean": "tables/nyc_flights/flights_clean",
    "flights_quarantine": "quarantine/nyc_flights/flights_clean",
    "weather_clean": "tables/nyc_flights/weather_clean",
    "weather_quarantine": "quarantine/nyc_flights/weather_clean",
    "plane_latest_flight": "tables/nyc_flights/plane_latest_flight",
    "delay_by_hour": "tables/nyc_flights/delay_by_hour",
    "busiest_routes": "tables/nyc_flights/busiest_routes",
    "carrier_punctuality": "tables/nyc_flights/carrier_punctuality",
}


def landing() -> ModuleType:
    """The demo's landing program, loaded from its file."""
    spec = importlib.util.spec_from_file_location("nyc_landing", _FOLDER / "landing.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["nyc_landing"] = module
    spec.loader.exec_module(module)
    return module


class Oracle(TableOracle):
    """DuckDB over the package's data from FIRST to `last`, with the tables it must come to."""

    queries, paths, floats = _TABLES, _PATHS, _FLOATS

    def __init__(self, scratch: Path, last: dt.date = LAST) -> None:
        super().__init__()
        program = landing()
        data = program.data_folder()
        with zipfile.ZipFile(data / "flights.csv.zip") as archive:
            archive.extract("flights.csv", scratch)
        for name, file in (("flights", scratch / "flights.csv"), ("weather", data / "weather.csv")):
            self.duck.execute(
                f"CREATE TABLE {name} AS SELECT * FROM read_csv('{file}', nullstr='NA', sample_size=-1) WHERE make_date(year, month, day) <= DATE '{last}'"
            )
            # A garbled line is the day's first, cut off after its fourth field: every 30th day of the year.
            fields = [item[0] for item in self.duck.sql(f"DESCRIBE {name}").fetchall()][: program.GARBLED_FIELDS]
            cut = " || ',' || ".join(f"coalesce({field}::VARCHAR, 'NA')" for field in fields)
            self.duck.execute(
                f"""CREATE TABLE garbled_{name} AS SELECT {cut} AS record FROM
                (SELECT *, row_number() OVER (PARTITION BY year, month, day ORDER BY rowid) AS line FROM {name})
                WHERE line = 1 AND dayofyear(make_date(year, month, day)) % {program.GARBLED_EVERY_DAYS} = 0"""
            )
        for name in program.SNAPSHOTS:
            self.duck.execute(
                f"CREATE TABLE {name.removesuffix('.csv')} AS SELECT * FROM read_csv('{data / name}', nullstr='NA', sample_size=-1)"
            )
        self.make_tables()

    def counts(self) -> dict[str, dict[str, int]]:
        """What `etl run --json` must say of one batch: rows in, out, dropped, quarantined, merged."""
        clean, weather = self._count("flights_clean"), self._count("weather_clean")
        planes = self._count("plane_latest_flight")
        tailed = self._count("flights_clean WHERE tailnum IS NOT NULL")
        return {
            "flights_clean": _counts(
                self._count("flights") + self._count("garbled_flights"),
                clean,
                self._count("flights WHERE dep_time IS NULL"),
                self._count("flights_quarantine"),
            ),
            "weather_clean": _counts(
                self._count("weather") + self._count("garbled_weather"),
                weather,
                self._count("weather WHERE temp IS NULL"),
                self._count("weather_quarantine"),
            ),
            "plane_latest_flight": _counts(clean, planes, 0, 0, tailed - planes),
            "delay_by_hour": _counts(clean + weather, self._count("delay_by_hour"), 0, 0),
            "busiest_routes": _counts(clean, self._count("busiest_routes"), 0, 0),
            "carrier_punctuality": _counts(clean, self._count("carrier_punctuality"), 0, 0),
        }

    def _count(self, relation: str) -> int:
        return int(self.duck.sql(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def _counts(read: int, written: int, dropped: int, quarantined: int, merged: int = 0) -> dict[str, int]:
    return {
        "rows_in": read,
        "rows_out": written,
        "rows_dropped": dropped,
        "rows_quarantined": quarantined,
        "rows_merged": merged,
    }


def reported(document: dict[str, Any]) -> dict[str, dict[str, int]]:
    """The counts of a run's JSON, in the same shape."""
    keys = ("rows_in", "rows_out", "rows_dropped", "rows_quarantined", "rows_merged")
    return {flow["flow"]: {key: flow[key] for key in keys} for flow in document["flows"]}
