"""The warehouse schema as the customer predefined it, with lineage columns."""

INT, DATE, TEXT, TIME = "integer", "date", "character varying", "time without time zone"

LINEAGE = {"_ingested_sequence": INT, "_deleted_at": "timestamp without time zone?"}


FACT_LINEAGE = {"_source_version": "bigint", **LINEAGE}


STAMPS = {"created_date": DATE, "created_time": TIME, "last_updated_date": DATE, "last_updated_time": TIME}


# The columns as the customer predefined them, lineage last. A question mark: the column is nullable.
PREDEFINED = {
    "dim_date": {
        "date_id": DATE,
        "year": INT,
        "month": INT,
        "day": INT,
        "day_of_week": INT,
        "day_name": TEXT,
        "month_name": TEXT,
        "quarter": INT,
        **LINEAGE,
    },
    "dim_staff": {
        "staff_id": INT,
        "first_name": TEXT,
        "last_name": TEXT,
        "department_name": TEXT,
        "location": TEXT,
        "email_address": TEXT,
        **LINEAGE,
    },
    "dim_location": {
        "location_id": INT,
        "address_line_1": TEXT,
        "address_line_2": TEXT + "?",
        "district": TEXT + "?",
        "city": TEXT,
        "postal_code": TEXT,
        "country": TEXT,
        "phone": TEXT,
        **LINEAGE,
    },
    "dim_currency": {"currency_id": INT, "currency_code": TEXT, "currency_name": TEXT, **LINEAGE},
    "dim_design": {"design_id": INT, "design_name": TEXT, "file_location": TEXT, "file_name": TEXT, **LINEAGE},
    "dim_counterparty": {
        "counterparty_id": INT,
        "counterparty_legal_name": TEXT,
        "counterparty_legal_address_line_1": TEXT,
        "counterparty_legal_address_line_2": TEXT + "?",
        "counterparty_legal_district": TEXT + "?",
        "counterparty_legal_city": TEXT,
        "counterparty_legal_postal_code": TEXT,
        "counterparty_legal_country": TEXT,
        "counterparty_legal_phone_number": TEXT,
        **LINEAGE,
    },
    "dim_transaction": {
        "transaction_id": INT,
        "transaction_type": TEXT,
        "sales_order_id": INT + "?",
        "purchase_order_id": INT + "?",
        **LINEAGE,
    },
    "dim_payment_type": {"payment_type_id": INT, "payment_type_name": TEXT, **LINEAGE},
    "fact_sales_order": {
        "sales_record_id": INT,
        "sales_order_id": INT,
        **STAMPS,
        "sales_staff_id": INT,
        "counterparty_id": INT,
        "units_sold": INT,
        "unit_price": "numeric(10,2)",
        "currency_id": INT,
        "design_id": INT,
        "agreed_payment_date": DATE,
        "agreed_delivery_date": DATE,
        "agreed_delivery_location_id": INT,
        **FACT_LINEAGE,
    },
    "fact_purchase_order": {
        "purchase_record_id": INT,
        "purchase_order_id": INT,
        **STAMPS,
        "staff_id": INT,
        "counterparty_id": INT,
        "item_code": TEXT,
        "item_quantity": INT,
        "item_unit_price": "numeric",
        "currency_id": INT,
        "agreed_delivery_date": DATE,
        "agreed_payment_date": DATE,
        "agreed_delivery_location_id": INT,
        **FACT_LINEAGE,
    },
    "fact_payment": {
        "payment_record_id": INT,
        "payment_id": INT,
        **STAMPS,
        "transaction_id": INT,
        "counterparty_id": INT,
        "payment_amount": "numeric",
        "currency_id": INT,
        "payment_type_id": INT,
        "paid": "boolean",
        "payment_date": DATE,
        **FACT_LINEAGE,
    },
}


TO_DATE = {
    (table, column): ("dim_date", "date_id")
    for table, columns in PREDEFINED.items()
    for column in columns
    if table.startswith("fact_") and column.endswith("_date")
}


FOREIGN_KEYS = TO_DATE | {
    ("fact_sales_order", "sales_staff_id"): ("dim_staff", "staff_id"),
    ("fact_sales_order", "counterparty_id"): ("dim_counterparty", "counterparty_id"),
    ("fact_sales_order", "currency_id"): ("dim_currency", "currency_id"),
    ("fact_sales_order", "design_id"): ("dim_design", "design_id"),
    ("fact_sales_order", "agreed_delivery_location_id"): ("dim_location", "location_id"),
    ("fact_purchase_order", "staff_id"): ("dim_staff", "staff_id"),
    ("fact_purchase_order", "counterparty_id"): ("dim_counterparty", "counterparty_id"),
    ("fact_purchase_order", "currency_id"): ("dim_currency", "currency_id"),
    ("fact_purchase_order", "agreed_delivery_location_id"): ("dim_location", "location_id"),
    ("fact_payment", "transaction_id"): ("dim_transaction", "transaction_id"),
    ("fact_payment", "counterparty_id"): ("dim_counterparty", "counterparty_id"),
    ("fact_payment", "currency_id"): ("dim_currency", "currency_id"),
    ("fact_payment", "payment_type_id"): ("dim_payment_type", "payment_type_id"),
}


KEYS = """
SELECT referring.relname, a.attname, referred.relname, f.attname
FROM pg_constraint AS k
JOIN pg_class AS referring ON referring.oid = k.conrelid
JOIN pg_class AS referred ON referred.oid = k.confrelid
JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = ALL (k.conkey)
JOIN pg_attribute AS f ON f.attrelid = k.confrelid AND f.attnum = ALL (k.confkey)
WHERE k.contype = 'f' AND k.convalidated
"""
