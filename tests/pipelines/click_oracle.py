"""What the tables of clickstream must be, computed by DuckDB from the landed files. Knows nothing of `etl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.support.oracle import TableOracle

_EVENT = ("event_id", "happened_at", "user_id", "session_id", "item_id", "kind", "dwell_s", "agent")
_TABLES = {
    "checked": """
        SELECT *, concat_ws(', ', CASE WHEN event_id IS NULL THEN 'identified' END, CASE WHEN kind NOT IN ('view', 'click') THEN 'known_kind' END,
                            CASE WHEN dwell_s < 0 OR dwell_s > 3600 THEN 'plausible_dwell' END) AS reason
        FROM events WHERE NOT contains(agent, 'bot')""",
    "events_clean": "SELECT DISTINCT * EXCLUDE reason FROM checked WHERE reason = ''",
    "events_quarantine": """
        SELECT reason AS _etl_reason, NULL::VARCHAR AS _etl_input, NULL::VARCHAR AS _etl_record, * EXCLUDE reason FROM checked WHERE reason <> ''
        UNION ALL BY NAME SELECT 'malformed' AS _etl_reason, 'events' AS _etl_input, record AS _etl_record FROM garbled""",
    "users": """
        SELECT user_id, happened_at, country FROM (FROM accounts QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY happened_at DESC) = 1)
        WHERE kind <> 'deleted'""",
    "items": "SELECT * FROM prices QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY changed_at DESC) = 1",
    "price_changes": """
        SELECT item_id, price, changed_at FROM (SELECT DISTINCT item_id, price, changed_at FROM prices)
        QUALIFY row_number() OVER (PARTITION BY item_id, changed_at ORDER BY price DESC) = 1""",
    "price_history": """
        SELECT item_id, price, changed_at AS valid_from, lead(changed_at) OVER (PARTITION BY item_id ORDER BY changed_at) AS valid_to,
               valid_to IS NULL AS is_current
        FROM (FROM price_changes QUALIFY price IS DISTINCT FROM lag(price) OVER (PARTITION BY item_id ORDER BY changed_at))""",
    "pauses": """
        SELECT *, happened_at > lag(happened_at) OVER (PARTITION BY user_id ORDER BY happened_at) + INTERVAL 30 MINUTES AS paused
        FROM events WHERE NOT contains(agent, 'bot')""",
    "visits_apart": """
        SELECT *, count(*) FILTER (paused) OVER (PARTITION BY user_id ORDER BY happened_at) AS visit FROM pauses""",
    # Over is what lies a day before the newest event that parsed.
    "visits": """
        SELECT user_id, min(happened_at) AS began_at, max(happened_at) + INTERVAL 30 MINUTES AS over_at,
               count(DISTINCT event_id)::INTEGER AS events, count(DISTINCT event_id) FILTER (kind = 'click')::INTEGER AS clicks
        FROM visits_apart GROUP BY user_id, visit
        HAVING over_at < (SELECT date_trunc('millisecond', max(happened_at)) - INTERVAL 1 DAY FROM events)""",
    "visits_quarantine": """
        SELECT 'malformed' AS _etl_reason, 'events' AS _etl_input, record AS _etl_record, NULL::VARCHAR AS user_id, NULL::TIMESTAMPTZ AS began_at,
               NULL::TIMESTAMPTZ AS over_at, NULL::INTEGER AS events, NULL::INTEGER AS clicks
        FROM garbled""",
    "busy": "SELECT user_id, date_trunc('hour', happened_at) AS hour, count(*) AS n FROM events_clean GROUP BY ALL",
    "bots": "SELECT user_id, count(*) AS busy_hours FROM busy WHERE n > 60 GROUP BY ALL",
    "human": "SELECT * FROM events_clean WHERE user_id NOT IN (SELECT user_id FROM bots)",
    "item_hours": """
        SELECT category, item_id, date_trunc('hour', happened_at) AS hour, count(DISTINCT user_id) AS viewers, count(*) FILTER (kind = 'click') AS clicks
        FROM human JOIN items USING (item_id) GROUP BY ALL""",
    "usual": """
        SELECT h.*, coalesce((SELECT max(p.viewers) FROM item_hours p WHERE p.item_id = h.item_id AND p.hour <= h.hour - INTERVAL 6 HOURS
                              AND p.hour >= h.hour - INTERVAL 30 HOURS), 0) AS usual_peak
        FROM item_hours h""",
    "trending": """
        SELECT category, hour, row_number() OVER (PARTITION BY category, hour ORDER BY viewers / greatest(usual_peak, 1) DESC, item_id) AS rank,
               item_id, viewers, usual_peak, clicks
        FROM usual JOIN (SELECT category, min(hour) AS first_hour FROM item_hours GROUP BY ALL) USING (category)
        WHERE hour >= first_hour + INTERVAL 30 HOURS AND viewers >= 8 AND viewers >= 2 * usual_peak
        QUALIFY rank <= 3""",
    "interest": """
        SELECT user_id, category, sum(CASE WHEN kind = 'click' THEN 5 WHEN dwell_s >= 30 THEN 2 ELSE 1 END)::BIGINT AS points,
               count(*) FILTER (kind = 'click') AS clicks
        FROM human JOIN items USING (item_id) GROUP BY ALL""",
    "profiles": """
        SELECT i.user_id, u.country, row_number() OVER (PARTITION BY i.user_id ORDER BY i.points DESC, i.category) AS rank, i.category, i.points,
               i.clicks, i.points / (SELECT sum(a.points) FROM interest a WHERE a.user_id = i.user_id) AS affinity
        FROM interest i JOIN users u USING (user_id) QUALIFY rank <= 3""",
    "sessions": "SELECT item_id, list(DISTINCT session_id) AS ids FROM human GROUP BY ALL",
    "together": """
        SELECT a.item_id, b.item_id AS other_id, len(list_intersect(a.ids, b.ids)) AS sessions, sessions * sessions / len(b.ids) AS strength
        FROM sessions a JOIN sessions b ON a.item_id <> b.item_id WHERE sessions >= 5""",
    "co_viewed": """
        SELECT item_id, row_number() OVER (PARTITION BY item_id ORDER BY strength DESC, other_id) AS rank, other_id, sessions, strength
        FROM together QUALIFY rank <= 5""",
    "seen": "SELECT DISTINCT user_id, item_id FROM events_clean WHERE user_id IN (SELECT user_id FROM users)",
    "recommendations": """
        SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY sessions DESC, item_id) AS rank, item_id, title, price, sessions
        FROM (SELECT s.user_id, c.other_id AS item_id, sum(c.sessions)::BIGINT AS sessions FROM seen s JOIN co_viewed c USING (item_id)
              WHERE NOT EXISTS (FROM seen o WHERE o.user_id = s.user_id AND o.item_id = c.other_id) GROUP BY ALL)
        JOIN items USING (item_id) QUALIFY rank <= 5""",
}
_FLOATS = {"profiles": ("affinity",), "co_viewed": ("strength",)}
_FLOWS = (
    "events_clean",
    "users",
    "items",
    "price_history",
    "visits",
    "bots",
    "item_hours",
    "trending",
    "profiles",
    "co_viewed",
    "recommendations",
)
_PATHS = {
    **{name: f"tables/clickstream/{name}" for name in _FLOWS},
    "events_quarantine": "quarantine/clickstream/events_clean",
    "visits_quarantine": "quarantine/clickstream/visits",
}


class Oracle(TableOracle):
    """DuckDB over what landed, with the tables it must come to."""

    queries, paths, floats = _TABLES, _PATHS, _FLOATS

    def __init__(self, landing: Path) -> None:
        super().__init__()
        good: list[dict[str, Any]] = []
        garbled: list[str] = []
        for file in sorted((landing / "events").glob("*.json")):
            for line in file.read_text(encoding="utf-8").splitlines():
                try:
                    good.append(json.loads(line))
                except json.JSONDecodeError:
                    garbled.append(line)
        self.duck.register("landed", pa.table({name: [item[name] for item in good] for name in _EVENT}))
        self.duck.register("garbled", pa.table({"record": garbled}))
        self.duck.execute(
            "CREATE TABLE events AS SELECT * REPLACE (CAST(happened_at AS TIMESTAMPTZ) AS happened_at) FROM landed"
        )
        self.duck.execute(
            f"""CREATE TABLE accounts AS FROM read_json('{landing}/accounts/*.json', format = 'newline_delimited',
            columns = {{user_id: 'VARCHAR', happened_at: 'TIMESTAMPTZ', kind: 'VARCHAR', country: 'VARCHAR'}})"""
        )
        self.duck.execute(
            f"""CREATE TABLE prices AS SELECT item_id, category, title, price::DECIMAL(8, 2) AS price, changed_at::TIMESTAMPTZ AS changed_at
            FROM read_csv('{landing}/prices/*.csv', all_varchar = true)"""
        )
        self.make_tables()
