SELECT
  f.year, f.month, f.day,
  f.time_hour,
  timestampadd(MINUTE, f.minute, f.time_hour) AS scheduled_at,
  f.carrier, a.name AS carrier_name, f.flight,
  f.tailnum, p.manufacturer, p.model, p.seats,
  f.origin, f.dest, d.name AS dest_name,
  f.dep_time, f.dep_delay, f.arr_delay, f.air_time, f.distance
FROM flights AS f
LEFT JOIN airlines AS a ON f.carrier = a.carrier
LEFT JOIN airports AS d ON f.dest = d.faa
LEFT JOIN planes AS p ON f.tailnum = p.tailnum
