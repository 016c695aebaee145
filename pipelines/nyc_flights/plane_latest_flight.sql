SELECT tailnum, scheduled_at, carrier, flight, origin, dest, dep_delay
FROM flights_clean
WHERE tailnum IS NOT NULL
