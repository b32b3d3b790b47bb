-- What is the average price of a bag in each month? Weighted by the units sold.
SELECT
    CAST(date_trunc('month', sale.created_date) AS date) AS month,
    currency.currency_code AS currency,
    CAST(
        CAST(sum(sale.units_sold * sale.unit_price) AS double precision) / sum(sale.units_sold) AS decimal(10, 4)
    ) AS average_unit_price
FROM current_fact_sales_order AS sale
INNER JOIN current_dim_currency AS currency ON sale.currency_id = currency.currency_id
GROUP BY CAST(date_trunc('month', sale.created_date) AS date), currency.currency_code
ORDER BY month, currency;
