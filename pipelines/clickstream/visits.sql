-- An event that is sent twice counts once.
SELECT user_id, session_window(happened_at, '30 minutes').start AS began_at, session_window(happened_at, '30 minutes').end AS over_at,
       size(collect_set(event_id)) AS events, size(collect_set(CASE WHEN kind = 'click' THEN event_id END)) AS clicks
FROM events
WHERE agent NOT LIKE '%bot%'
GROUP BY user_id, session_window(happened_at, '30 minutes')
