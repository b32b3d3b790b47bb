-- What is the revenue of each month? Orders, units and revenue, by the month in which the order was placed.
SELECT
    CAST(date_trunc('month', sale.created_date) AS date) AS month,
    currency.currency_code AS currency,
    count(*) AS orders,
    sum(sale.units_sold) AS units,
    sum(sale.units_sold * sale.unit_price) AS revenue
FROM current_fact_sales_order AS sale
INNER JOIN current_dim_currency AS currency ON sale.currency_id = currency.currency_id
GROUP BY CAST(date_trunc('month', sale.created_date) AS date), currency.currency_code
ORDER BY month DESC, currency;
