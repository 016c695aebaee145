SELECT
  r.machine_id, m.line, m.model,
  r.read_at, to_date(r.read_at) AS day,
  r.temperature, r.vibration, r.pressure, r.rpm, r.current_draw
FROM readings AS r
LEFT JOIN machines AS m ON r.machine_id = m.machine_id
