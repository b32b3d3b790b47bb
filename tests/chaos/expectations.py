"""The expected rows of each star table as plain SQL on totesys' records, written independently of the transforms."""

_STAMPS = "r.created_at::date, r.created_at::time(3), r.last_updated::date, r.last_updated::time(3)"
FACTS = {
    "fact_sales_order": (
        "sales_order",
        (
            f"r.sales_order_id, {_STAMPS}, r.staff_id, r.counterparty_id, r.units_sold, r.unit_price, r.currency_id,"
            " r.design_id, r.agreed_payment_date::date, r.agreed_delivery_date::date, r.agreed_delivery_location_id"
        ),
    ),
    "fact_purchase_order": (
        "purchase_order",
        (
            f"r.purchase_order_id, {_STAMPS}, r.staff_id, r.counterparty_id, r.item_code, r.item_quantity,"
            " r.item_unit_price, r.currency_id, r.agreed_delivery_date::date, r.agreed_payment_date::date,"
            " r.agreed_delivery_location_id"
        ),
    ),
    "fact_payment": (
        "payment",
        (
            f"r.payment_id, {_STAMPS}, r.transaction_id, r.counterparty_id, r.payment_amount, r.currency_id,"
            " r.payment_type_id, r.paid, r.payment_date::date"
        ),
    ),
}
_CURRENCIES = "(VALUES ('GBP', 'Pound Sterling'), ('USD', 'US Dollar'), ('EUR', 'Euro'), ('CHF', 'Swiss Franc'))"
REFERENCES = {
    "fact_sales_order": {
        "staff_id": "dim_staff",
        "counterparty_id": "dim_counterparty",
        "currency_id": "dim_currency",
        "design_id": "dim_design",
        "agreed_delivery_location_id": "dim_location",
    },
    "fact_purchase_order": {
        "staff_id": "dim_staff",
        "counterparty_id": "dim_counterparty",
        "currency_id": "dim_currency",
        "agreed_delivery_location_id": "dim_location",
    },
    "fact_payment": {
        "transaction_id": "dim_transaction",
        "counterparty_id": "dim_counterparty",
        "currency_id": "dim_currency",
        "payment_type_id": "dim_payment_type",
    },
}
# The records that a build of the warehouse can show: those whose references exist.
DIMENSIONS = {
    "dim_staff": (
        "staff",
        (
            "SELECT s.moment, s.is_deleted, s.staff_id AS key, s.first_name, s.last_name, d.department_name,"
            " coalesce(d.location, 'Undefined'), s.email_address"
            " FROM {staff} AS s JOIN {department} AS d USING (moment, department_id)"
            " WHERE s.is_deleted OR NOT d.is_deleted"
        ),
    ),
    "dim_location": (
        "address",
        (
            "SELECT moment, is_deleted, address_id AS key, address_line_1, address_line_2, district, city, postal_code,"
            " country, phone FROM {address} AS a"
        ),
    ),
    "dim_currency": (
        "currency",
        (
            "SELECT c.moment, c.is_deleted, c.currency_id AS key, c.currency_code, n.name FROM {currency} AS c"
            f" JOIN {_CURRENCIES} AS n (code, name) ON n.code = c.currency_code"
        ),
    ),
    "dim_design": (
        "design",
        "SELECT moment, is_deleted, design_id AS key, design_name, file_location, file_name FROM {design} AS d",
    ),
    "dim_counterparty": (
        "counterparty",
        (
            "SELECT c.moment, c.is_deleted, c.counterparty_id AS key, c.counterparty_legal_name, a.address_line_1,"
            " a.address_line_2, a.district, a.city, a.postal_code, a.country, a.phone FROM {counterparty} AS c"
            " JOIN {address} AS a ON a.moment = c.moment AND a.address_id = c.legal_address_id"
            " WHERE c.is_deleted OR NOT a.is_deleted"
        ),
    ),
    "dim_transaction": (
        "transaction",
        (
            "SELECT moment, is_deleted, transaction_id AS key, transaction_type, sales_order_id, purchase_order_id"
            " FROM {transaction} AS t"
        ),
    ),
    "dim_payment_type": (
        "payment_type",
        "SELECT moment, is_deleted, payment_type_id AS key, payment_type_name FROM {payment_type} AS p",
    ),
}
