SELECT
  carrier, carrier_name,
  count(*) AS flights,
  avg(CASE WHEN dep_delay < :min_delay THEN 1.0D ELSE 0.0D END) AS on_time_share,
  avg(dep_delay) AS mean_departure_delay,
  avg(arr_delay) AS mean_arrival_delay
FROM flights_clean
GROUP BY carrier, carrier_name
