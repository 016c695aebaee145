-- An entry that ends before it begins has no hours: it keeps its row, without one, and is quarantined.
SELECT
  machine_id,
  explode_outer(
    CASE WHEN started_at <= ended_at THEN
      sequence(date_trunc('HOUR', started_at), date_trunc('HOUR', ended_at), INTERVAL 1 HOUR)
    END
  ) AS hour
FROM service_log
