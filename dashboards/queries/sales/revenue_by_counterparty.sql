-- Which customers buy the most?
SELECT
    counterparty.counterparty_legal_name AS counterparty,
    currency.currency_code AS currency,
    count(*) AS orders,
    sum(sale.units_sold) AS units,
    sum(sale.units_sold * sale.unit_price) AS revenue
FROM current_fact_sales_order AS sale
INNER JOIN current_dim_currency AS currency ON sale.currency_id = currency.currency_id
INNER JOIN current_dim_counterparty AS counterparty ON sale.counterparty_id = counterparty.counterparty_id
GROUP BY counterparty.counterparty_legal_name, currency.currency_code
ORDER BY revenue DESC, counterparty, currency;
