SELECT
  i.category, e.item_id, date_trunc('HOUR', e.happened_at) AS hour,
  count(DISTINCT e.user_id) AS viewers,
  count_if(e.kind = 'click') AS clicks
FROM events_clean AS e
JOIN items AS i ON e.item_id = i.item_id
LEFT ANTI JOIN bots AS b ON e.user_id = b.user_id
GROUP BY i.category, e.item_id, date_trunc('HOUR', e.happened_at)
