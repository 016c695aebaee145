WITH numbered AS (
  SELECT *, row_number() OVER (PARTITION BY machine_id ORDER BY hour) AS nth
  FROM machine_hours
)
SELECT
  machine_id,
  median(temperature) AS usual_temperature,
  median(vibration) AS usual_vibration,
  median(pressure) AS usual_pressure
FROM numbered
WHERE nth <= :baseline_hours
GROUP BY machine_id
