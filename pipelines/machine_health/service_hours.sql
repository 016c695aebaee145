SELECT
  machine_id,
  explode(sequence(date_trunc('HOUR', started_at), date_trunc('HOUR', ended_at), INTERVAL 1 HOUR)) AS hour
FROM service_log
