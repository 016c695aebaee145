-- Medians, because one reading alone says nothing; DISTINCT, because gateways send readings twice.
WITH taken AS (
  SELECT DISTINCT machine_id, date_trunc('HOUR', read_at) AS hour, read_at, temperature, vibration, pressure, rpm, current_draw
  FROM readings_clean
)
SELECT
  t.machine_id, t.hour,
  count(*) AS readings,
  median(t.temperature) AS temperature,
  median(t.vibration) AS vibration,
  median(t.pressure) AS pressure,
  median(t.rpm) AS rpm,
  median(t.current_draw) AS current_draw
FROM taken AS t
LEFT ANTI JOIN service_hours AS s ON t.machine_id = s.machine_id AND t.hour = s.hour
GROUP BY t.machine_id, t.hour
