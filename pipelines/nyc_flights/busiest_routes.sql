SELECT
  origin, dest, dest_name,
  count(*) AS flights,
  count(DISTINCT carrier) AS carriers,
  avg(air_time) AS mean_air_time
FROM flights_clean
GROUP BY origin, dest, dest_name
