"""What the tables of machine_health must be, computed by DuckDB from the landed files. Knows nothing of `etl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.support.oracle import TableOracle

_SENSORS = ("temperature", "vibration", "pressure", "rpm", "current_draw")
_TABLES = {
    "checked": """
        SELECT r.machine_id, m.line, m.model, r.read_at, CAST(r.read_at AS DATE) AS day, temperature, vibration, pressure, rpm, current_draw,
               concat_ws(', ', CASE WHEN m.model IS NULL THEN 'known_machine' END,
                         CASE WHEN NOT temperature BETWEEN -40 AND 200 THEN 'plausible_temperature' END,
                         CASE WHEN vibration < 0 THEN 'plausible_vibration' END,
                         CASE WHEN pressure < 0 THEN 'plausible_pressure' END) AS reason
        FROM readings r LEFT JOIN machines m USING (machine_id)""",
    "readings_clean": "SELECT * EXCLUDE reason FROM checked WHERE reason = ''",
    "readings_quarantine": """
        SELECT reason AS _etl_reason, NULL::VARCHAR AS _etl_input, NULL::VARCHAR AS _etl_record, * EXCLUDE reason FROM checked WHERE reason <> ''
        UNION ALL BY NAME SELECT 'malformed' AS _etl_reason, 'readings' AS _etl_input, record AS _etl_record FROM garbled""",
    "machine_status": """
        SELECT DISTINCT * FROM readings_clean
        QUALIFY row_number() OVER (PARTITION BY machine_id ORDER BY read_at DESC) = 1""",
    "machine_quarters": """
        SELECT machine_id, time_bucket(INTERVAL 15 MINUTES, read_at) AS quarter, count(DISTINCT read_at)::INTEGER AS readings,
               max(vibration) AS vibration, max(temperature) AS temperature, min(pressure) AS pressure
        FROM readings_clean GROUP BY ALL""",
    "service_hours": """
        SELECT machine_id, unnest(generate_series(date_trunc('hour', started_at), date_trunc('hour', ended_at), INTERVAL 1 HOUR)) AS hour
        FROM service_log""",
    "machine_hours": """
        SELECT machine_id, date_trunc('hour', read_at) AS hour, count(*) AS readings, median(temperature) AS temperature,
               median(vibration) AS vibration, median(pressure) AS pressure, median(rpm) AS rpm, median(current_draw) AS current_draw
        FROM (SELECT DISTINCT * FROM readings_clean)
        WHERE (machine_id, date_trunc('hour', read_at)) NOT IN (SELECT (machine_id, hour) FROM service_hours)
        GROUP BY ALL""",
    "machine_baselines": """
        SELECT machine_id, median(temperature) AS usual_temperature, median(vibration) AS usual_vibration, median(pressure) AS usual_pressure
        FROM (SELECT * FROM machine_hours QUALIFY row_number() OVER (PARTITION BY machine_id ORDER BY hour) <= 24) GROUP BY ALL""",
    "signs": """
        SELECT machine_id, hour, 'bearing' AS failure_mode, vibration AS value, usual_vibration * 1.35 AS bound, vibration > bound AS shows
        FROM machine_hours JOIN machine_baselines USING (machine_id)
        UNION ALL SELECT machine_id, hour, 'overheating', temperature, usual_temperature + 8, temperature > usual_temperature + 8
        FROM machine_hours JOIN machine_baselines USING (machine_id)
        UNION ALL SELECT machine_id, hour, 'leak', pressure, usual_pressure * 0.93, pressure < usual_pressure * 0.93
        FROM machine_hours JOIN machine_baselines USING (machine_id)""",
    # A run of hours in which a sign shows is an island: its hours' numbers grow in step with those of all hours.
    "islands": """
        SELECT *, nth - row_number() OVER (PARTITION BY machine_id, failure_mode ORDER BY hour) AS island
        FROM (SELECT *, row_number() OVER (PARTITION BY machine_id, failure_mode ORDER BY hour) AS nth FROM signs) WHERE shows""",
    "alerts": """
        SELECT machine_id, failure_mode, hour + INTERVAL 1 HOUR AS raised_at, value, bound FROM islands
        QUALIFY row_number() OVER (PARTITION BY machine_id, failure_mode, island ORDER BY hour) = 3""",
    "alerts_open": """
        SELECT a.*, m.line, m.model, m.read_at AS last_read_at FROM alerts a JOIN machine_status m USING (machine_id)
        WHERE NOT EXISTS (FROM service_log s WHERE s.machine_id = a.machine_id AND s.started_at >= a.raised_at)""",
}
_FLOATS = {
    "machine_hours": _SENSORS,
    "machine_baselines": ("usual_temperature", "usual_vibration", "usual_pressure"),
    "alerts": ("value", "bound"),
    "alerts_open": ("value", "bound"),
}
_PATHS = {
    "readings_clean": "tables/machine_health/readings_clean",
    "readings_quarantine": "quarantine/machine_health/readings_clean",
    "machine_status": "tables/machine_health/machine_status",
    "machine_quarters": "tables/machine_health/machine_quarters",
    "service_hours": "tables/machine_health/service_hours",
    "machine_hours": "tables/machine_health/machine_hours",
    "machine_baselines": "tables/machine_health/machine_baselines",
    "alerts": "tables/machine_health/alerts",
    "alerts_open": "tables/machine_health/alerts_open",
}


class Oracle(TableOracle):
    """DuckDB over what landed, with the tables it must come to."""

    queries, paths, floats = _TABLES, _PATHS, _FLOATS

    def __init__(self, landing: Path) -> None:
        super().__init__()
        good, garbled = _lines(landing / "readings")
        names = ("machine_id", "read_at", *_SENSORS)
        found = pa.table({name: [item[name] for item in good] for name in names})
        self.duck.register("landed", found)
        self.duck.register("garbled", pa.table({"record": garbled}))
        self.duck.execute(
            "CREATE TABLE readings AS SELECT * REPLACE (CAST(read_at AS TIMESTAMPTZ) AS read_at) FROM landed"
        )
        self.duck.execute(f"CREATE TABLE machines AS FROM read_csv('{landing}/machines.csv')")
        self.duck.execute(
            f"""CREATE TABLE service_log AS SELECT machine_id, started_at::TIMESTAMPTZ AS started_at, ended_at::TIMESTAMPTZ AS ended_at, kind
            FROM read_csv('{landing}/service/*.csv', all_varchar = true)"""
        )
        self.make_tables()


def _lines(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The readings that parse, and the lines that do not: cut off, or with a text where a number must be."""
    good, garbled = [], []
    for file in sorted(folder.glob("*.json")):
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                reading = json.loads(line)
            except json.JSONDecodeError:
                garbled.append(line)
                continue
            numbers = all(isinstance(reading[name], float | int | None) for name in _SENSORS)
            (good.append(reading) if numbers else garbled.append(line))
    return good, garbled
