"""The declarations of the star tables: dimensions and facts."""

from datetime import date

from totelake.tables.model import BOOLEAN, DATE, INTEGER, NUMERIC, TIME, VARCHAR, Column, StarTable, decimal

CALENDAR_TABLE = "dim_date"
FIRST_DAY, LAST_DAY = date(2020, 1, 1), date(2050, 12, 31)

DIM_DATE = StarTable(
    name=CALENDAR_TABLE,
    grain=f"One row per day from {FIRST_DAY} to {LAST_DAY}.",
    key=("date_id",),
    columns=(
        Column("date_id", DATE, "The day."),
        Column("year", INTEGER, "Year, four digits."),
        Column("month", INTEGER, "Month, 1 to 12."),
        Column("day", INTEGER, "Day of the month, 1 to 31."),
        Column("day_of_week", INTEGER, "ISO day of the week, Monday 1 to Sunday 7."),
        Column("day_name", VARCHAR, "Monday to Sunday."),
        Column("month_name", VARCHAR, "January to December."),
        Column("quarter", INTEGER, "Quarter of the year, 1 to 4."),
    ),
)

DIM_STAFF = StarTable(
    name="dim_staff",
    grain="One row per member of staff, latest version.",
    key=("staff_id",),
    source="staff",
    columns=(
        Column("staff_id", INTEGER, "Staff number in totesys."),
        Column("first_name", VARCHAR, "First name."),
        Column("last_name", VARCHAR, "Last name."),
        Column("department_name", VARCHAR, "Department.", origin="department.department_name"),
        Column(
            "location",
            VARCHAR,
            "City of the department, 'Undefined' if it has none.",
            origin="department.location",
            computed="'Undefined' if it is NULL",
        ),
        Column("email_address", VARCHAR, "E-mail address."),
    ),
)

DIM_LOCATION = StarTable(
    name="dim_location",
    grain="One row per address, latest version.",
    key=("location_id",),
    source="address",
    columns=(
        Column("location_id", INTEGER, "Address number in totesys.", origin="address_id"),
        Column("address_line_1", VARCHAR, "First line."),
        Column("address_line_2", VARCHAR, "Second line.", nullable=True),
        Column("district", VARCHAR, "District.", nullable=True),
        Column("city", VARCHAR, "City."),
        Column("postal_code", VARCHAR, "Postal code, leading zeros kept."),
        Column("country", VARCHAR, "Country."),
        Column("phone", VARCHAR, "Telephone number."),
    ),
)

DIM_CURRENCY = StarTable(
    name="dim_currency",
    grain="One row per currency, latest version.",
    key=("currency_id",),
    source="currency",
    columns=(
        Column("currency_id", INTEGER, "Currency number in totesys."),
        Column("currency_code", VARCHAR, "ISO 4217 code."),
        Column("currency_name", VARCHAR, "ISO 4217 name.", origin="currency_code", computed="its name in ISO 4217"),
    ),
)

DIM_DESIGN = StarTable(
    name="dim_design",
    grain="One row per design, latest version.",
    key=("design_id",),
    source="design",
    columns=(
        Column("design_id", INTEGER, "Design number in totesys."),
        Column("design_name", VARCHAR, "Name."),
        Column("file_location", VARCHAR, "Folder of the design's file."),
        Column("file_name", VARCHAR, "Name of the design's file."),
    ),
)

DIM_COUNTERPARTY = StarTable(
    name="dim_counterparty",
    grain="One row per customer or supplier, latest version.",
    key=("counterparty_id",),
    source="counterparty",
    columns=(
        Column("counterparty_id", INTEGER, "Counterparty number in totesys."),
        Column("counterparty_legal_name", VARCHAR, "Legal name."),
        Column(
            "counterparty_legal_address_line_1",
            VARCHAR,
            "First line of the legal address.",
            origin="address.address_line_1",
        ),
        Column(
            "counterparty_legal_address_line_2",
            VARCHAR,
            "Second line of the legal address.",
            nullable=True,
            origin="address.address_line_2",
        ),
        Column(
            "counterparty_legal_district",
            VARCHAR,
            "District of the legal address.",
            nullable=True,
            origin="address.district",
        ),
        Column("counterparty_legal_city", VARCHAR, "City of the legal address.", origin="address.city"),
        Column(
            "counterparty_legal_postal_code",
            VARCHAR,
            "Postal code of the legal address, leading zeros kept.",
            origin="address.postal_code",
        ),
        Column("counterparty_legal_country", VARCHAR, "Country of the legal address.", origin="address.country"),
        Column(
            "counterparty_legal_phone_number", VARCHAR, "Phone number of the legal address.", origin="address.phone"
        ),
    ),
)

DIM_TRANSACTION = StarTable(
    name="dim_transaction",
    grain="One row per sale or purchase with a payment, latest version.",
    key=("transaction_id",),
    source="transaction",
    distributed_by="transaction_id",
    columns=(
        Column("transaction_id", INTEGER, "Transaction number in totesys."),
        Column("transaction_type", VARCHAR, "SALE or PURCHASE.", accepted=("SALE", "PURCHASE")),
        Column("sales_order_id", INTEGER, "Sales order of a sale.", nullable=True),
        Column("purchase_order_id", INTEGER, "Purchase order of a purchase.", nullable=True),
    ),
)

_PAYMENT_TYPES = ("SALES_RECEIPT", "SALES_REFUND", "PURCHASE_PAYMENT", "PURCHASE_REFUND")

DIM_PAYMENT_TYPE = StarTable(
    name="dim_payment_type",
    grain="One row per kind of payment, latest version.",
    key=("payment_type_id",),
    source="payment_type",
    columns=(
        Column("payment_type_id", INTEGER, "Payment type number in totesys."),
        Column("payment_type_name", VARCHAR, "Name.", accepted=_PAYMENT_TYPES),
    ),
)

_STAMPS = (
    Column("created_date", DATE, "Creation date.", references="dim_date", origin="created_at", computed="its date"),
    Column(
        "created_time",
        TIME,
        "Creation time of day, to the millisecond.",
        origin="created_at",
        computed="its time of day",
    ),
    Column(
        "last_updated_date",
        DATE,
        "Date of the last change, from last_updated.",
        references="dim_date",
        origin="last_updated",
        computed="its date",
    ),
    Column(
        "last_updated_time",
        TIME,
        "Time of day of the last change, from last_updated.",
        origin="last_updated",
        computed="its time of day",
    ),
)

FACT_SALES_ORDER = StarTable(
    name="fact_sales_order",
    grain="One row per recorded change to a sales order, so history is kept.",
    key=("sales_record_id",),
    source="sales_order",
    natural_key=("sales_order_id",),
    distributed_by="sales_order_id",
    sorted_by=("created_date", "sales_order_id"),
    columns=(
        Column("sales_order_id", INTEGER, "Order number in totesys."),
        *_STAMPS,
        Column(
            "sales_staff_id", INTEGER, "Member of staff who made the sale.", references="dim_staff", origin="staff_id"
        ),
        Column("counterparty_id", INTEGER, "Customer.", references="dim_counterparty"),
        Column("units_sold", INTEGER, "Tote bags sold.", between=(1_000, 100_000)),
        Column("unit_price", decimal(10, 2), "Price of one bag, in the order's currency.", between=(2, 4)),
        Column("currency_id", INTEGER, "Currency of the price.", references="dim_currency"),
        Column("design_id", INTEGER, "Design that was sold.", references="dim_design"),
        Column("agreed_payment_date", DATE, "Payment due date.", references="dim_date"),
        Column("agreed_delivery_date", DATE, "Delivery date.", references="dim_date"),
        Column("agreed_delivery_location_id", INTEGER, "Delivery address.", references="dim_location"),
    ),
)

FACT_PURCHASE_ORDER = StarTable(
    name="fact_purchase_order",
    grain="One row per recorded change to a purchase order, so history is kept.",
    key=("purchase_record_id",),
    source="purchase_order",
    natural_key=("purchase_order_id",),
    distributed_by="purchase_order_id",
    sorted_by=("created_date", "purchase_order_id"),
    columns=(
        Column("purchase_order_id", INTEGER, "Order number in totesys."),
        *_STAMPS,
        Column("staff_id", INTEGER, "Member of staff who placed the order.", references="dim_staff"),
        Column("counterparty_id", INTEGER, "Supplier.", references="dim_counterparty"),
        Column("item_code", VARCHAR, "Supplier's item code."),
        Column("item_quantity", INTEGER, "Items ordered.", between=(1, 1_000)),
        Column("item_unit_price", NUMERIC, "Price of one item, in the order's currency.", between=(3, 1_000)),
        Column("currency_id", INTEGER, "Currency of the price.", references="dim_currency"),
        Column("agreed_delivery_date", DATE, "Delivery date.", references="dim_date"),
        Column("agreed_payment_date", DATE, "Payment due date.", references="dim_date"),
        Column("agreed_delivery_location_id", INTEGER, "Delivery address.", references="dim_location"),
    ),
)

FACT_PAYMENT = StarTable(
    name="fact_payment",
    grain="One row per recorded change to a payment, so history is kept.",
    key=("payment_record_id",),
    source="payment",
    natural_key=("payment_id",),
    distributed_by="payment_id",
    sorted_by=("created_date", "payment_id"),
    columns=(
        Column("payment_id", INTEGER, "Payment number in totesys."),
        *_STAMPS,
        Column("transaction_id", INTEGER, "Transaction that the payment settles.", references="dim_transaction"),
        Column("counterparty_id", INTEGER, "Payer or payee.", references="dim_counterparty"),
        Column("payment_amount", NUMERIC, "Amount, in the payment's currency.", between=(1, 1_000_000)),
        Column("currency_id", INTEGER, "Currency of the amount.", references="dim_currency"),
        Column("payment_type_id", INTEGER, "Receipt, payment or refund.", references="dim_payment_type"),
        Column("paid", BOOLEAN, "Whether the money has moved."),
        Column("payment_date", DATE, "Payment due date.", references="dim_date"),
    ),
)

STAR_TABLES = {
    table.name: table
    for table in (
        DIM_DATE,
        DIM_STAFF,
        DIM_LOCATION,
        DIM_CURRENCY,
        DIM_DESIGN,
        DIM_COUNTERPARTY,
        DIM_TRANSACTION,
        DIM_PAYMENT_TYPE,
        FACT_SALES_ORDER,
        FACT_PURCHASE_ORDER,
        FACT_PAYMENT,
    )
}
