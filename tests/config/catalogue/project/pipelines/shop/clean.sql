-- Each order with the name of its customer
SELECT o.id, o.customer, c.name, o.quantity, o.price * o.quantity AS revenue, o.country, o.placed
FROM orders AS o
LEFT JOIN customers AS c ON o.customer = c.id
WHERE o.price > :share
