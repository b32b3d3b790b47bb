-- Does the revenue of each month cover the spend? Order values, not money received.
WITH moved AS (
    SELECT created_date, currency_id, units_sold * unit_price AS revenue, 0 AS spend
    FROM current_fact_sales_order
    UNION ALL
    SELECT created_date, currency_id, 0 AS revenue, item_quantity * item_unit_price AS spend
    FROM current_fact_purchase_order
)

SELECT
    CAST(date_trunc('month', moved.created_date) AS date) AS month,
    currency.currency_code AS currency,
    sum(moved.revenue) AS revenue,
    sum(moved.spend) AS spend,
    sum(moved.revenue) - sum(moved.spend) AS margin
FROM moved
INNER JOIN current_dim_currency AS currency ON moved.currency_id = currency.currency_id
GROUP BY CAST(date_trunc('month', moved.created_date) AS date), currency.currency_code
ORDER BY month, currency;
