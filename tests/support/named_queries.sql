SELECT id, amount FROM orders
SELECT o.id, o.amount FROM orders o WHERE o.amount > 5
SELECT orders.id FROM orders
SELECT address.street, address.geo.lat FROM orders
SELECT o.address.geo.lon AS lon FROM orders o
SELECT lines.sku, lines[0].qty, props['k'], props.k FROM orders
SELECT lines.sku[0] FROM orders
SELECT * FROM orders JOIN customers USING (customer_id)
SELECT customer_id FROM orders JOIN customers USING (customer_id)
SELECT o.*, c.name FROM orders o LEFT JOIN customers c ON o.customer_id = c.customer_id
SELECT name FROM orders NATURAL JOIN customers
SELECT * FROM orders NATURAL JOIN customers
SELECT customer_id FROM orders NATURAL FULL OUTER JOIN customers
SELECT id FROM orders LEFT SEMI JOIN customers c ON orders.customer_id = c.customer_id
SELECT amount * 2 AS double, double + 1 AS more FROM orders
SELECT customer_id AS c, count(*) AS n FROM orders GROUP BY c HAVING n > 1 ORDER BY n, c
SELECT customer_id AS c, count(*) AS n FROM orders GROUP BY c ORDER BY max(amount)
SELECT customer_id AS c FROM orders ORDER BY amount
SELECT DISTINCT customer_id FROM orders ORDER BY orders.customer_id
SELECT DISTINCT o.customer_id FROM orders o ORDER BY o.customer_id
SELECT id FROM orders UNION ALL SELECT customer_id FROM customers ORDER BY id
SELECT id AS a, note FROM orders UNION SELECT customer_id, name FROM customers ORDER BY a, note
WITH big AS (SELECT id, amount AS a FROM orders WHERE amount > 10) SELECT a FROM big WHERE id > 1
WITH big(x, y) AS (SELECT id, amount FROM orders) SELECT x + y FROM big
WITH a AS (SELECT id FROM orders), b AS (SELECT id AS k FROM a) SELECT k FROM b
WITH orders AS (SELECT id AS k FROM orders) SELECT k FROM orders
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r
SELECT id FROM (SELECT id, amount FROM orders) WHERE amount > 3
SELECT s.id FROM (SELECT id, amount FROM orders) s WHERE s.amount > 3
SELECT s.a FROM (SELECT id, amount FROM orders) AS s(a, b)
SELECT id FROM orders WHERE customer_id IN (SELECT customer_id FROM customers WHERE region = note)
SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM customers c WHERE c.customer_id = o.customer_id)
SELECT id, (SELECT max(c.name) FROM customers c WHERE c.customer_id = o.customer_id) AS name FROM orders o
SELECT id FROM orders o WHERE amount > (SELECT avg(amount) FROM orders i WHERE i.customer_id = o.customer_id)
SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM (SELECT customer_id AS k FROM customers WHERE region = o.note) x WHERE x.k = o.customer_id)
SELECT id, tag FROM orders LATERAL VIEW explode(tags) e AS tag
SELECT id, e.tag FROM orders LATERAL VIEW explode(tags) e AS tag
SELECT id, col FROM orders LATERAL VIEW explode(tags) e
SELECT id, k, v FROM orders LATERAL VIEW OUTER explode(props) p AS k, v
SELECT id, p, l.sku FROM orders LATERAL VIEW posexplode(lines) e AS p, l
SELECT id, sku, qty FROM orders LATERAL VIEW inline(lines) i
SELECT id, a, b FROM orders LATERAL VIEW explode(tags) x AS a LATERAL VIEW explode(split(a, ',')) y AS b
SELECT id, explode(tags) FROM orders
SELECT id, explode(tags) AS tag FROM orders
SELECT id, posexplode(tags) AS (p, tag) FROM orders
SELECT x FROM (SELECT explode(tags) AS x FROM orders)
SELECT col FROM (SELECT explode(tags) FROM orders)
SELECT key, value FROM (SELECT explode(props) FROM orders)
SELECT sku FROM (SELECT inline(lines) FROM orders)
SELECT id, z FROM orders, LATERAL (SELECT amount + 1 AS z)
SELECT o.id, l.col FROM orders o, LATERAL explode(o.tags) AS l
SELECT o.id, tag FROM orders o, LATERAL explode(tags) AS l(tag)
SELECT id FROM range(10)
SELECT r.i FROM range(10) AS r(i)
SELECT r.id FROM range(10) r
SELECT * FROM VALUES (1, 'a'), (2, 'b') AS v(n, s) WHERE n > 1
SELECT col1, col2 FROM VALUES (1, 'a')
VALUES (1, 'a')
SELECT transform(tags, x -> concat(x, note)) FROM orders
SELECT transform(tags, (x, i) -> concat(x, i, note)) FROM orders
SELECT filter(lines, l -> l.qty > id).sku FROM orders
SELECT aggregate(lines, 0, (acc, l) -> acc + l.qty, acc -> acc * id) FROM orders
SELECT exists(tags, x -> x = note), forall(tags, t -> t <> note) FROM orders
SELECT map_filter(props, (k, v) -> k > v), transform_values(props, (k, v) -> concat(k, note)) FROM orders
SELECT struct(id AS a, note) AS s FROM orders
SELECT s.a, s.note FROM (SELECT struct(id AS a, note) AS s FROM orders)
SELECT named_struct('a', id).a FROM orders
SELECT address.* FROM orders
SELECT o.address.* FROM orders o
SELECT address.geo.* FROM orders
SELECT street FROM (SELECT address.* FROM orders)
SELECT lat FROM (SELECT address.geo.* FROM orders)
SELECT * EXCEPT (note, tags) FROM orders
SELECT o.* EXCEPT (note) FROM orders o
SELECT count(*), count(id), count(DISTINCT customer_id) FROM orders
SELECT count(*) FILTER (WHERE amount > 1) FROM orders
SELECT sum(amount) OVER (PARTITION BY customer_id ORDER BY at) AS s FROM orders
SELECT sum(amount) OVER w FROM orders WINDOW w AS (PARTITION BY customer_id ORDER BY at)
SELECT rank() OVER (PARTITION BY region ORDER BY since DESC) AS r, r + 1 AS q FROM customers
SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY who ORDER BY at) AS rn FROM events) WHERE rn = 1
SELECT who, n FROM events QUALIFY row_number() OVER (PARTITION BY who ORDER BY at) = 1
SELECT who, row_number() OVER (PARTITION BY who ORDER BY at) AS rn FROM events QUALIFY rn = 1
SELECT `odd name` FROM events
SELECT `Odd Name` AS o, WHO FROM EVENTS
SELECT e.`odd name` FROM events e
SELECT `count(1)` FROM (SELECT count(*) FROM events)
SELECT `sum(n)` FROM (SELECT sum(n) FROM events)
SELECT a FROM (SELECT 'a' FROM events)
SELECT `1` FROM (SELECT 1 FROM events)
SELECT TRUE, `true` FROM (SELECT true FROM events)
SELECT x.n FROM (SELECT (n) FROM events) x
SELECT k FROM (SELECT address.street AS k FROM orders)
SELECT street FROM (SELECT address.street FROM orders)
SELECT `lines[0]` FROM (SELECT lines[0] FROM orders)
SELECT k FROM (SELECT props.k FROM orders)
SELECT CASE WHEN amount > 1 THEN note ELSE name END FROM orders JOIN customers USING (customer_id)
SELECT extract(YEAR FROM at), date_trunc('HOUR', at), timestampadd(HOUR, 1, at), timestampdiff(MINUTE, at, at), dateadd(DAY, 1, at), datediff(DAY, at, at), date_add(since, 1) FROM orders JOIN customers USING (customer_id)
SELECT dateadd(MONTH, n, at), timestampadd(QUARTER, n, at), date_diff(MONTH, at, at) FROM events
SELECT at + INTERVAL 1 DAY, at - INTERVAL '2' HOUR, make_interval(0, n) FROM events
SELECT window(at, '10 minutes').start AS s, count(*) FROM events GROUP BY window(at, '10 minutes')
SELECT window.start, count(*) FROM events GROUP BY window(at, '10 minutes')
SELECT window.start, window.end, who FROM events GROUP BY window(at, '10 minutes'), who
SELECT session_window.start, count(*) FROM events GROUP BY session_window(at, '10 minutes'), who
SELECT window.start FROM (SELECT window(at, '1 hour') FROM events)
SELECT who, count(*) FROM events GROUP BY ALL
SELECT who, kind, sum(n) FROM events GROUP BY GROUPING SETS ((who), (kind), ())
SELECT who, kind, grouping_id(), grouping(who) FROM events GROUP BY CUBE(who, kind)
SELECT who, kind, sum(n) FROM events GROUP BY who, kind WITH ROLLUP
SELECT who FROM events GROUP BY 1 ORDER BY 1
SELECT who AS w FROM events GROUP BY w
SELECT upper(who) AS w, count(*) FROM events GROUP BY w HAVING w > 'a' AND count(*) > 1
SELECT upper(who) AS who, count(*) FROM events GROUP BY who
SELECT sum(n) AS n FROM events HAVING n > 1
SELECT who FROM events GROUP BY who HAVING max(n) > 1
SELECT who FROM events SORT BY n
SELECT who FROM events DISTRIBUTE BY kind SORT BY at
SELECT who FROM events CLUSTER BY n
SELECT who FROM events ORDER BY events.n
SELECT who AS w FROM events ORDER BY events.who
SELECT e.who FROM events e ORDER BY e.n
SELECT who FROM events LIMIT 3
SELECT * FROM events PIVOT (sum(n) FOR kind IN ('a', 'b'))
SELECT a FROM (SELECT who, kind, n FROM events) PIVOT (sum(n) FOR kind IN ('a' AS a, 'b' AS b))
SELECT * FROM events UNPIVOT (v FOR c IN (who, kind))
SELECT c, v FROM events UNPIVOT (v FOR c IN (who, kind))
SELECT a.id FROM orders a JOIN orders b ON a.id = b.customer_id
SELECT a.id FROM orders a, orders b WHERE a.id = b.id
SELECT amount FROM orders a, customers b WHERE a.customer_id = b.customer_id
SELECT a.id, c.name FROM (orders a JOIN customers c ON a.customer_id = c.customer_id)
SELECT x.id FROM (orders a JOIN customers c USING (customer_id)) x
SELECT id, n FROM orders CROSS JOIN events
SELECT o.id FROM orders o JOIN customers c ON o.customer_id = c.customer_id JOIN events e ON e.who = c.name
SELECT t.x FROM t
SELECT t.t FROM t
SELECT t.t.t FROM t
SELECT t.t.x, t.y FROM t
SELECT t.x AS a, x AS b FROM t
SELECT x FROM (SELECT x, x FROM t)
SELECT id FROM (SELECT * FROM orders JOIN customers USING (customer_id))
SELECT current_time FROM t
SELECT id FROM orders TABLESAMPLE (10 PERCENT)
SELECT id FROM orders TABLESAMPLE (5 ROWS) s WHERE s.amount > 1
SELECT /*+ BROADCAST(c) */ o.id FROM orders o JOIN customers c ON o.customer_id = c.customer_id
SELECT id FROM orders o JOIN LATERAL (SELECT name FROM customers c WHERE c.customer_id = o.customer_id) l
SELECT l.name FROM orders o LEFT JOIN LATERAL (SELECT name FROM customers c WHERE c.customer_id = o.customer_id) l ON true
SELECT position('a' IN note), trim(BOTH 'x' FROM note), substring(note FROM 1 FOR 2), overlay(note PLACING 'x' FROM 1) FROM orders
SELECT note LIKE 'a%', note RLIKE 'a', note ILIKE ANY ('a', 'b'), amount BETWEEN 1 AND id, note IS DISTINCT FROM 'x', NOT id IN (1, 2) FROM orders
SELECT CAST(amount AS STRING), amount::INT, try_cast(note AS INT), id % 2, id DIV 2, -id, ~id, id <=> 3, id == 3, note || 'x' FROM orders
SELECT if(amount > 1, note, 'x'), coalesce(note, 'y'), nvl2(note, id, 3), decode(id, 1, 'a', 'b') FROM orders
SELECT from_json(note, 'a INT, b STRING').a, get_json_object(note, '$.x'), to_json(address) FROM orders
SELECT j.a FROM (SELECT from_json(note, 'a INT, b STRING') AS j FROM orders)
SELECT max_by(note, at), min_by(id, amount), first(note), last_value(note), collect_list(id), percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM orders
SELECT listagg(note, ',') WITHIN GROUP (ORDER BY at) FROM orders
SELECT any_value(note), mode(id), approx_count_distinct(customer_id) FROM orders
SELECT stack(2, id, note, customer_id, note) AS (a, b) FROM orders
SELECT a, b FROM (SELECT stack(2, id, note, customer_id, note) AS (a, b) FROM orders)
SELECT col0 FROM (SELECT stack(2, id, note, customer_id, note) FROM orders)
SELECT json_tuple(note, 'a', 'b') FROM orders
SELECT c0 FROM (SELECT json_tuple(note, 'a', 'b') FROM orders)
SELECT a FROM orders LATERAL VIEW json_tuple(note, 'a', 'b') j AS a, b
SELECT who FROM events WHERE (who, n) IN (SELECT name, customer_id FROM customers)
SELECT (SELECT count(*) FROM orders) AS c FROM events
SELECT who FROM events WHERE n = (SELECT max(n) FROM events)
SELECT m FROM (SELECT max(n) AS m, who FROM events GROUP BY who) WHERE who = 'a'
SELECT who, m FROM (SELECT who, max(n) m FROM events GROUP BY who) JOIN (SELECT name FROM customers) ON who = name
SELECT CASE kind WHEN 'a' THEN n WHEN who THEN 2 END AS z FROM events
SELECT id AS x, x AS y, y + 1 AS z FROM orders
SELECT customer_id AS c, sum(amount) AS s, s / count(*) AS a FROM orders GROUP BY customer_id
SELECT id AS amount, amount + 1 FROM orders
SELECT address AS a, a.street FROM orders
SELECT FROM_UNIXTIME(id), UNIX_TIMESTAMP(at) FROM orders
SELECT zip_with(tags, lines, (a, b) -> concat(a, b.sku)) FROM orders
SELECT array_sort(lines, (a, b) -> a.qty - b.qty) FROM orders
SELECT id FROM orders WHERE array_contains(transform(lines, l -> l.sku), note)
SELECT max(struct(at, id)).id FROM orders
SELECT m.id FROM (SELECT max(struct(at, id)) AS m FROM orders)
SELECT a.id, b.id FROM orders a FULL OUTER JOIN orders b USING (id)
SELECT id FROM orders a FULL OUTER JOIN orders b USING (id) JOIN events e ON e.n = id
SELECT customer_id, id, name, n FROM orders JOIN customers USING (customer_id) JOIN events ON n = id
SELECT customer_id FROM orders JOIN customers USING (customer_id) JOIN (SELECT customer_id FROM customers) USING (customer_id)
SELECT 1 AS one, one + 1 AS two
SELECT 1
SELECT id FROM orders INTERSECT SELECT customer_id FROM customers
SELECT id, note FROM orders EXCEPT SELECT customer_id, name FROM customers ORDER BY note
SELECT id FROM (SELECT id FROM orders UNION ALL SELECT customer_id FROM customers)
SELECT u.id FROM (SELECT id, note FROM orders UNION ALL SELECT customer_id, name FROM customers) u WHERE u.note = 'x'
SELECT at, sum(n) OVER (ORDER BY at RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) FROM events
SELECT who, collect_set(struct(kind, n)) AS s FROM events GROUP BY who
SELECT s.kind FROM (SELECT who, collect_set(struct(kind, n)) AS s FROM events GROUP BY who)
SELECT e.who FROM events AS e WHERE e.kind IN ('a') AND NOT EXISTS (SELECT * FROM events f WHERE f.who = e.who AND f.at > e.at)
FROM events SELECT who
FROM events
TABLE events
SELECT events.* FROM events JOIN customers ON who = name
SELECT hash(*), struct(*) FROM events
SELECT struct(e.*).who FROM events e
SELECT array(who, kind)[n] FROM events
SELECT props[note] FROM orders
SELECT element_at(props, note), map_keys(props), size(tags) FROM orders
SELECT GREATEST(n, 3), LEAST(n, id) FROM events, orders
SELECT n FROM events WHERE at > TIMESTAMP '2020-01-01' AND kind = DATE '2020-01-01'
SELECT id FROM orders ORDER BY ALL
SELECT id, LAG(amount, 1, 0) OVER (PARTITION BY customer_id ORDER BY at) prev, prev + 1 FROM orders
SELECT DISTINCT who, kind FROM events ORDER BY upper(kind)
SELECT who w FROM events GROUP BY who HAVING w = 'a'
SELECT named.x FROM (SELECT named_struct('x', 1) AS named) 
SELECT variant_get(parse_json(note), '$.a', 'int') FROM orders
SELECT v:a.b FROM (SELECT parse_json(note) AS v FROM orders)
SELECT parse_json(note):a FROM orders
SELECT id FROM orders o WHERE o.id IN (SELECT id FROM events)
SELECT id FROM orders OFFSET 3
SELECT try_divide(amount, n) FROM orders, events
SELECT a.a FROM (SELECT 1 AS a) a
SELECT b.a FROM (SELECT 1 AS a) a JOIN (SELECT 1 AS a) b ON a.a = b.a
