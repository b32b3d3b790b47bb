-- Which departments sell the most?
SELECT
    staff.department_name AS department,
    currency.currency_code AS currency,
    count(*) AS orders,
    sum(sale.units_sold) AS units,
    sum(sale.units_sold * sale.unit_price) AS revenue
FROM current_fact_sales_order AS sale
INNER JOIN current_dim_currency AS currency ON sale.currency_id = currency.currency_id
INNER JOIN current_dim_staff AS staff ON sale.sales_staff_id = staff.staff_id
GROUP BY staff.department_name, currency.currency_code
ORDER BY revenue DESC, department, currency;
