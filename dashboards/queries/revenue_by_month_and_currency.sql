-- What was sold each month, in each currency, by the latest version of every order.
SELECT
    format('%s-%s', calendar.year, to_char(calendar.month, 'FM00')) AS month,
    currency.currency_code AS currency,
    count(*) AS orders,
    sum(sale.units_sold) AS units_sold,
    sum(sale.units_sold * sale.unit_price) AS revenue
FROM current_fact_sales_order AS sale
INNER JOIN dim_date AS calendar ON sale.created_date = calendar.date_id
INNER JOIN dim_currency AS currency ON sale.currency_id = currency.currency_id
GROUP BY calendar.year, calendar.month, currency.currency_code
ORDER BY calendar.year DESC, calendar.month DESC, currency.currency_code;
