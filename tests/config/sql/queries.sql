SELECT transform(xs, x -> x + 1) AS y FROM t

SELECT aggregate(xs, 0, (acc, x) -> acc + x, acc -> acc * 2) FROM t

SELECT id, row_number() OVER (PARTITION BY k ORDER BY v) AS r FROM t QUALIFY r = 1

SELECT * FROM t |> WHERE id > 1 |> SELECT id

FROM t |> WHERE id > 1 |> AGGREGATE count(*) AS n GROUP BY k |> ORDER BY n

FROM t |> EXTEND id + 1 AS next |> DROP k |> LIMIT 10

FROM t |> SET id = id + 1

SELECT mask(name, upperChar => 'X') FROM t

SELECT explode(collection => array(1, 2)) FROM t

SELECT id, item FROM t LATERAL VIEW explode(items) AS item

SELECT id, pos, item FROM t LATERAL VIEW OUTER posexplode(items) p AS pos, item

SELECT * FROM t TABLESAMPLE (10 PERCENT)

SELECT * FROM t TABLESAMPLE (5 ROWS)

SELECT * FROM t TABLESAMPLE (BUCKET 4 OUT OF 10)

SELECT * FROM t TABLESAMPLE (10 PERCENT) REPEATABLE (7)

SELECT /*+ BROADCAST(s) */ * FROM t JOIN s ON t.id = s.id

SELECT /*+ REPARTITION(3, id), COALESCE(2) */ * FROM t

SELECT `a b`, `we``ird` FROM t

SELECT * EXCEPT (id) FROM t

SELECT t.* EXCEPT (id, k) FROM t

SELECT * FROM t VERSION AS OF 3

SELECT * FROM t TIMESTAMP AS OF '2020-01-01'

SELECT IDENTIFIER('id') FROM t

SELECT IDENTIFIER(:col) FROM t

SELECT * FROM IDENTIFIER('t')

VALUES (1, 'a'), (2, 'b')

SELECT * FROM VALUES (1, 'a'), (2, 'b') AS v(id, name)

SELECT * FROM range(10)

SELECT * FROM t, range(0, 10, 2) AS r

SELECT * FROM t, LATERAL explode(items) AS e(item)

SELECT * FROM t CROSS JOIN LATERAL (SELECT t.id + 1 AS n)

SELECT * FROM explode(array(1, 2))

SELECT stack(2, 1, 2) AS (a) FROM t

SELECT inline(array(struct(1, 'a'))) FROM t

SELECT id FROM t WHERE name RLIKE '^a' AND name ILIKE 'b%' AND name LIKE ANY ('a%', 'b%')

SELECT id FROM t WHERE name LIKE ALL ('a%', 'b%') ESCAPE '/'

SELECT id FROM t WHERE name LIKE '/%x' ESCAPE '/'

SELECT a <=> b, a == b, a != b, a <> b, NOT a, !a FROM t

SELECT a DIV b, a % b, a & b, a | b, a ^ b, ~a, a || b FROM t

SELECT a << 1, a >> 1, a >>> 1 FROM t

SELECT CAST(a AS DECIMAL(10, 2)), TRY_CAST(a AS INT), a::INT, try_cast(a AS STRUCT<x: INT>) FROM t

SELECT s.x.y, m['k'], xs[0], element_at(xs, -1) FROM t

SELECT v:a.b, v:a[0]::int, v:['a b'] FROM t

SELECT try_variant_get(v, '$.a', 'int') FROM t

SELECT INTERVAL 3 DAYS, INTERVAL '1-2' YEAR TO MONTH, INTERVAL 1 DAY 2 HOURS FROM t

SELECT ts + INTERVAL '1' DAY, DATE '2020-01-01', TIMESTAMP '2020-01-01 00:00:00', TIMESTAMP_NTZ '2020-01-01' FROM t

SELECT X'1F', 1L, 2S, 3Y, 1.5D, 1.5F, 1.5BD, 1e3, .5 FROM t

SELECT 'it''s', "double", r'raw\d', 'a' 'b', 'tab\t' FROM t

SELECT count(*) FILTER (WHERE a > 1), count(DISTINCT a, b) FROM t

SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t

SELECT listagg(name, ',') WITHIN GROUP (ORDER BY name) FROM t

SELECT mode() WITHIN GROUP (ORDER BY a) FROM t

SELECT first(a) IGNORE NULLS, last_value(a) RESPECT NULLS OVER (ORDER BY b) FROM t

SELECT nth_value(a, 2) IGNORE NULLS OVER w FROM t WINDOW w AS (PARTITION BY b ORDER BY c ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)

SELECT sum(a) OVER (ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) FROM t

SELECT k, sum(a) FROM t GROUP BY k WITH ROLLUP

SELECT k, j, sum(a) FROM t GROUP BY CUBE (k, j)

SELECT k, j, sum(a), grouping_id() FROM t GROUP BY k, j GROUPING SETS ((k), (k, j), ())

SELECT k, j, sum(a) FROM t GROUP BY GROUPING SETS ((k), (k, j))

SELECT k, sum(a) FROM t GROUP BY ALL

SELECT * FROM t ORDER BY ALL

SELECT * FROM t ORDER BY a DESC NULLS LAST, b ASC NULLS FIRST

SELECT * FROM t SORT BY a

SELECT * FROM t DISTRIBUTE BY a SORT BY b

SELECT * FROM t CLUSTER BY a

SELECT * FROM t LIMIT ALL

SELECT * FROM t LIMIT 10 OFFSET 5

SELECT * FROM t OFFSET 5

SELECT * FROM t PIVOT (sum(a) AS s FOR k IN ('x' AS x, 'y'))

SELECT * FROM t PIVOT (sum(a), avg(b) FOR (k, j) IN (('x', 1) AS p, ('y', 2)))

SELECT * FROM t UNPIVOT (v FOR n IN (a, b AS bb))

SELECT * FROM t UNPIVOT INCLUDE NULLS ((v, w) FOR n IN ((a, b), (c, d)))

SELECT * FROM t LEFT SEMI JOIN s ON t.id = s.id

SELECT * FROM t ANTI JOIN s USING (id)

SELECT * FROM t NATURAL JOIN s

SELECT * FROM t FULL OUTER JOIN s USING (id, k)

SELECT * FROM t CROSS JOIN s

SELECT * FROM (SELECT 1 AS a) x JOIN t ON x.a = t.id

SELECT * FROM t JOIN (s JOIN u ON s.id = u.id) ON t.id = s.id

WITH a AS (SELECT 1 AS id), b (x) AS (SELECT id FROM a) SELECT * FROM b JOIN t ON b.x = t.id

WITH RECURSIVE r(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r

WITH RECURSIVE r(n) MAX RECURSION LEVEL 10 AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r

SELECT id FROM t EXCEPT ALL SELECT id FROM s

SELECT id FROM t MINUS SELECT id FROM s

SELECT id FROM t INTERSECT SELECT id FROM s

(SELECT id FROM t) UNION (SELECT id FROM s)

SELECT id FROM t WHERE id IN (SELECT id FROM s) AND EXISTS (SELECT 1 FROM s WHERE s.id = t.id)

SELECT id FROM t WHERE (id, k) IN (SELECT id, k FROM s)

SELECT (SELECT max(id) FROM s) AS m FROM t

SELECT CASE a WHEN 1 THEN 'x' ELSE 'y' END, CASE WHEN a THEN 1 END FROM t

SELECT EXTRACT(YEAR FROM ts), date_part('year', ts), trim(BOTH 'x' FROM name), trim(LEADING FROM name) FROM t

SELECT substring(name FROM 1 FOR 3), position('a' IN name), overlay(name PLACING 'x' FROM 2) FROM t

SELECT timestampadd(HOUR, 1, ts), timestampdiff(DAY, ts, ts2), dateadd(DAY, 1, d), datediff(MONTH, d, d2) FROM t

SELECT current_date, current_timestamp, current_date(), localtimestamp FROM t

SELECT named_struct('a', 1), struct(1 AS a, 2 AS b), map('a', 1), array(1, 2) FROM t

SELECT name COLLATE UTF8_LCASE FROM t ORDER BY name COLLATE UNICODE_CI

SELECT window(ts, '1 hour').start, session_window(ts, '5 minutes') FROM t

SELECT window.start, count(*) FROM t GROUP BY window(ts, '10 minutes', '5 minutes')

SELECT date_trunc('HOUR', ts), to_date(s, 'yyyy-MM-dd'), to_timestamp(s) FROM t

SELECT from_json(s, 'a INT, b STRING'), to_json(struct(*)), get_json_object(s, '$.a'), json_tuple(s, 'a', 'b') FROM t

SELECT a AS `select`, b AS `order` FROM t

SELECT date, time, timestamp, value, key, type, user, comment, name, data, number, year, month, day, hour, minute, second, zone, position, source, target, version, window, first, last, rank, count, sum, min, max FROM t

SELECT t.date, t.order_id FROM t AS t

SELECT a b, c AS d FROM t AS x (a, c)

SELECT id, -- a comment
  /* another */ k FROM t

SELECT DISTINCT id FROM t

SELECT ALL id FROM t

SELECT a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b, a IS TRUE, a IS NOT UNKNOWN FROM t

SELECT a NOT IN (1, 2), a NOT RLIKE 'x', a REGEXP 'x' FROM t

SELECT if(a, 1, 2), nvl(a, b), coalesce(a, b), nullif(a, b), iff(a, 1, 2) FROM t

SELECT * FROM t WHERE ts > :since AND k = :region

SELECT any_value(a), max_by(a, b), bool_and(c), count_if(a > 1), approx_count_distinct(a), collect_set(a), array_agg(a), string_agg(a, ',') FROM t

SELECT filter(xs, x -> x > 1), exists(xs, x -> x IS NULL), forall(xs, x -> x > 0), zip_with(a, b, (x, y) -> x + y), map_filter(m, (k, v) -> v > 1), array_sort(xs, (l, r) -> l - r) FROM t

SELECT posexplode(xs) AS (pos, x) FROM t

SELECT TRANSFORM(a, b) USING 'cat' AS (x, y) FROM t

FROM t SELECT id

SELECT * FROM t JOIN s ON t.id = s.id AND t.ts BETWEEN s.valid_from AND s.valid_to

SELECT id FROM t GROUP BY id HAVING count(*) > 1

SELECT 1 HAVING 1 > 0

TABLE t

SELECT ceil(1.5, 1), floor(a, 1), round(a), bround(a, 2), pmod(a, 2), hash(a), xxhash64(a, b), sha2(a, 256), md5(a), uuid(), monotonically_increasing_id() FROM t

SELECT ai_query('x', a) FROM t

SELECT h3_longlatash3(1.0, 2.0, 5), st_point(1, 2) FROM t

SELECT measure(m) FROM t

SELECT * FROM t WHERE a = b = c

SELECT TIME '10:00:00' FROM t

SELECT CAST(a AS STRING COLLATE UTF8_LCASE), CAST(a AS VARIANT), CAST(a AS INTERVAL DAY TO SECOND), CAST(a AS TIMESTAMP_LTZ), CAST(a AS MAP<STRING, ARRAY<INT>>) FROM t

SELECT TIMESTAMP(a), DATE(a), STRING(a), INT(a), BIGINT(a), DOUBLE(a), BOOLEAN(a), BINARY(a), DECIMAL(a) FROM t

SELECT a FROM t LIMIT 1 + 1

SELECT interval(a), year(d), quarter(d), weekofyear(d), dayofweek(d), last_day(d), next_day(d, 'MO'), add_months(d, 1), months_between(d, e), unix_timestamp(ts), from_unixtime(a), make_date(1, 2, 3), make_interval(1), date_format(ts, 'yyyy'), make_timestamp(1,2,3,4,5,6) FROM t

SELECT split(a, ','), split_part(a, ',', 1), regexp_extract(a, '(x)', 1), regexp_extract_all(a, 'x'), regexp_replace(a, 'x', 'y'), translate(a, 'x', 'y'), format_string('%d', 1), printf('%d', 1), concat_ws('-', a, b), lpad(a, 3, '0'), initcap(a), soundex(a), levenshtein(a, b), char(65), chr(65), ascii(a), base64(a), unbase64(a), hex(a), unhex(a), conv(a, 10, 16), encode(a, 'utf-8'), decode(a, 1, 'x', 'y'), left(a, 1), right(a, 1), repeat(a, 2), reverse(a), instr(a, 'x'), locate('x', a), len(a), char_length(a), octet_length(a) FROM t

SELECT sequence(1, 10), sequence(d, e, INTERVAL 1 MONTH), array_contains(xs, 1), array_distinct(xs), array_except(xs, ys), array_union(xs, ys), arrays_zip(xs, ys), flatten(xs), slice(xs, 1, 2), size(xs), cardinality(xs), sort_array(xs), shuffle(xs), map_keys(m), map_values(m), map_entries(m), map_from_arrays(xs, ys), str_to_map(a), map_concat(m, n), array_position(xs, 1), array_remove(xs, 1), array_repeat(1, 2), array_min(xs), array_max(xs), array_join(xs, ',') FROM t

SELECT lag(a) OVER (PARTITION BY k ORDER BY ts), lead(a, 1, 0) OVER (ORDER BY ts), ntile(4) OVER (ORDER BY a), dense_rank() OVER (ORDER BY a), cume_dist() OVER (ORDER BY a), percent_rank() OVER (ORDER BY a) FROM t

SELECT t.id, s.* FROM t JOIN LATERAL (SELECT * FROM s WHERE s.id = t.id LIMIT 1) s

SELECT * FROM t FOR VERSION AS OF 5

SELECT * FROM t FOR SYSTEM_TIME AS OF '2020-01-01'

SELECT grouping(k), k FROM t GROUP BY ROLLUP (k)

SELECT array(1)[0], (SELECT 1), -a, +a, - - a FROM t

SELECT 1 AS a UNION SELECT 2 ORDER BY a LIMIT 1

SELECT * FROM t WHERE NOT EXISTS (SELECT 1 FROM s WHERE s.id = t.id)

SELECT sum(a) FROM t WHERE b IN ('x') AND c LIKE 'y%' OR NOT d

SELECT unknown_udf(a, b => 1) FROM t

SELECT * FROM my_tvf(a => 1, b => TABLE(t))

SELECT a.b.c.d FROM t a

SELECT 'x' AS 2nd FROM t

SELECT 1a, t.2b FROM t

SELECT a FROM t;

SELECT /*+ BROADCAST(x), SHUFFLE_HASH(y), REPARTITION(3, id) */ x.id FROM t x JOIN s y ON x.id = y.id

FROM t |> AS x |> LEFT JOIN s ON x.id = s.id |> WHERE x.id > 0 |> EXTEND x.id + 1 AS y |> SET y = y * 2 |> DROP y

FROM t |> WHERE id > 1 |> AGGREGATE sum(id) AS n GROUP BY k |> WHERE n > 2 |> ORDER BY n DESC |> LIMIT 3

TABLE t |> SELECT id |> UNION ALL TABLE s

FROM t | WHERE id > 1 | SELECT id

SELECT v:a.b::int AS n, v:a[0].b, v:['a b'], v:`a b`::string FROM t WHERE v:b::int > :since

SELECT shuffle(a, 7), corr(DISTINCT x, y), any_value(a, true), rand(), concat_ws(',') FROM t

SELECT IDENTIFIER('abs')(id), IDENTIFIER('id') FROM t

SELECT -INTERVAL -1 DAY 1 HOUR, INTERVAL '1-2' YEAR TO MONTH FROM t

SELECT x.id, y.name FROM t x JOIN s y APPROX NEAREST 1 BY SIMILARITY -abs(x.id - y.id)

SELECT * FROM (SELECT k, y, n FROM t) PIVOT (ceil(sum(n)), avg(n) + 1 AS m FOR k IN ('a', 'b'))

SELECT CAST(g AS GEOGRAPHY(ANY)) FROM t

FROM t MAP id, k USING 'cat' AS (a, b)

SELECT * FROM explode(collection => TABLE(t))

WITH uniform (a) AS (SELECT id FROM t) SELECT uniform.a FROM uniform

SELECT * FROM (FROM t |> SELECT id |> UNION ALL SELECT id FROM s)
