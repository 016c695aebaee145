SELECT
  id,
  sensor,
  at,
  CAST(at AS DATE) AS day,
  CAST(round(celsius, 1) AS DECIMAL(5, 1)) AS celsius,
  CAST(humidity AS DOUBLE) / 100 AS humidity,
  try_cast(battery AS DOUBLE) AS battery_volts,
  upper(site) AS site
FROM readings
