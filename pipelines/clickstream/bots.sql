SELECT user_id, count(*) AS busy_hours
FROM (
  SELECT user_id, date_trunc('HOUR', happened_at) AS hour
  FROM events_clean
  GROUP BY user_id, date_trunc('HOUR', happened_at)
  HAVING count(*) > :bot_events
)
GROUP BY user_id
