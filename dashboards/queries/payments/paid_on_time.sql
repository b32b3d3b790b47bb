-- How many of the payments due in each month were paid on time?
-- A payment counts as paid on the day of its last change, the only one that totesys makes after creating it.
SELECT
    CAST(date_trunc('month', payment.payment_date) AS date) AS month,
    kind.payment_type_name AS payment_type,
    count(*) AS payments,
    sum(CASE WHEN payment.paid AND payment.last_updated_date <= payment.payment_date THEN 1 ELSE 0 END) AS on_time,
    sum(CASE WHEN payment.paid AND payment.last_updated_date > payment.payment_date THEN 1 ELSE 0 END) AS late,
    sum(CASE WHEN payment.paid THEN 0 ELSE 1 END) AS unpaid
FROM current_fact_payment AS payment
INNER JOIN current_dim_payment_type AS kind ON payment.payment_type_id = kind.payment_type_id
WHERE payment.payment_date < current_date
GROUP BY CAST(date_trunc('month', payment.payment_date) AS date), kind.payment_type_name
ORDER BY month, payment_type;
