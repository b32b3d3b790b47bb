-- Which deliveries to customers are due, by week and country?
SELECT
    CAST(date_trunc('week', sale.agreed_delivery_date) AS date) AS week,
    location.country,
    count(*) AS orders,
    sum(sale.units_sold) AS units
FROM current_fact_sales_order AS sale
INNER JOIN current_dim_location AS location ON sale.agreed_delivery_location_id = location.location_id
WHERE sale.agreed_delivery_date >= current_date
GROUP BY CAST(date_trunc('week', sale.agreed_delivery_date) AS date), location.country
ORDER BY week, country;
