-- A reading that comes twice counts once.
SELECT machine_id, window(read_at, '15 minutes').start AS quarter, size(collect_set(read_at)) AS readings,
       max(vibration) AS vibration, max(temperature) AS temperature, min(pressure) AS pressure
FROM readings_clean
GROUP BY machine_id, window(read_at, '15 minutes')
