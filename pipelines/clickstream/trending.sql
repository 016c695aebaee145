-- An item is compared with its own busiest hour of the day that ended six hours ago: evenings are busy every day, and a trend does
-- not count as usual while it lasts. Before a whole such day is known, nothing trends.
WITH compared AS (
  SELECT
    category, item_id, hour, viewers, clicks,
    coalesce(max(viewers) OVER (
      PARTITION BY category, item_id ORDER BY hour RANGE BETWEEN INTERVAL 30 HOURS PRECEDING AND INTERVAL 6 HOURS PRECEDING
    ), 0) AS usual_peak,
    min(hour) OVER (PARTITION BY category) AS first_hour
  FROM item_hours
),
ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY category, hour ORDER BY viewers / greatest(usual_peak, 1) DESC, item_id) AS rank
  FROM compared
  WHERE hour >= first_hour + INTERVAL 30 HOURS
    AND viewers >= :trend_viewers
    AND viewers >= :trend_rise * usual_peak
)
SELECT category, hour, rank, item_id, viewers, usual_peak, clicks
FROM ranked
WHERE rank <= :top_items
