-- What is the spend of each month? Orders, items and spend, by the month in which the order was placed.
SELECT
    CAST(date_trunc('month', purchase.created_date) AS date) AS month,
    currency.currency_code AS currency,
    count(*) AS orders,
    sum(purchase.item_quantity) AS items,
    sum(purchase.item_quantity * purchase.item_unit_price) AS spend
FROM current_fact_purchase_order AS purchase
INNER JOIN current_dim_currency AS currency ON purchase.currency_id = currency.currency_id
GROUP BY CAST(date_trunc('month', purchase.created_date) AS date), currency.currency_code
ORDER BY month, currency;
