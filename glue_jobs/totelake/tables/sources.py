"""The declarations of the totesys tables."""

from totelake.tables.model import BOOLEAN, INTEGER, NUMERIC, TIMESTAMP, VARCHAR, Column, SourceTable

_STAMPS = (
    Column("created_at", TIMESTAMP, "When the record was created, without time zone."),
    Column("last_updated", TIMESTAMP, "When the record was last changed; some changes do not update it."),
)

SALES_ORDER = SourceTable(
    name="sales_order",
    grain="One row per sales order.",
    key=("sales_order_id",),
    columns=(
        Column("sales_order_id", INTEGER, "Order number."),
        *_STAMPS,
        Column("design_id", INTEGER, "Design that was sold.", references="design"),
        Column("staff_id", INTEGER, "Member of staff who made the sale.", references="staff"),
        Column("counterparty_id", INTEGER, "Customer.", references="counterparty"),
        Column("units_sold", INTEGER, "Tote bags sold."),
        Column("unit_price", NUMERIC, "Price of one bag, in the order's currency."),
        Column("currency_id", INTEGER, "Currency of the price.", references="currency"),
        Column("agreed_delivery_date", VARCHAR, "Delivery date, yyyy-mm-dd as text."),
        Column("agreed_payment_date", VARCHAR, "Payment due date, yyyy-mm-dd as text."),
        Column("agreed_delivery_location_id", INTEGER, "Delivery address.", references="address"),
    ),
)

PURCHASE_ORDER = SourceTable(
    name="purchase_order",
    grain="One row per purchase order.",
    key=("purchase_order_id",),
    columns=(
        Column("purchase_order_id", INTEGER, "Order number."),
        *_STAMPS,
        Column("staff_id", INTEGER, "Member of staff who placed the order.", references="staff"),
        Column("counterparty_id", INTEGER, "Supplier.", references="counterparty"),
        Column("item_code", VARCHAR, "Supplier's item code."),
        Column("item_quantity", INTEGER, "Items ordered."),
        Column("item_unit_price", NUMERIC, "Price of one item, in the order's currency."),
        Column("currency_id", INTEGER, "Currency of the price.", references="currency"),
        Column("agreed_delivery_date", VARCHAR, "Delivery date, yyyy-mm-dd as text."),
        Column("agreed_payment_date", VARCHAR, "Payment due date, yyyy-mm-dd as text."),
        Column("agreed_delivery_location_id", INTEGER, "Delivery address.", references="address"),
    ),
)

PAYMENT = SourceTable(
    name="payment",
    grain="One row per payment, due or made.",
    key=("payment_id",),
    columns=(
        Column("payment_id", INTEGER, "Payment number."),
        *_STAMPS,
        Column("transaction_id", INTEGER, "Transaction that the payment settles.", references="transaction"),
        Column("counterparty_id", INTEGER, "Payer or payee.", references="counterparty"),
        Column("payment_amount", NUMERIC, "Amount, in the payment's currency."),
        Column("currency_id", INTEGER, "Currency of the amount.", references="currency"),
        Column("payment_type_id", INTEGER, "Receipt, payment or refund.", references="payment_type"),
        Column("paid", BOOLEAN, "Whether the money has moved."),
        Column("payment_date", VARCHAR, "Payment due date, yyyy-mm-dd as text."),
        Column("company_ac_number", INTEGER, "Account number of the company, eight digits."),
        Column("counterparty_ac_number", INTEGER, "Account number of the counterparty, eight digits."),
    ),
)

TRANSACTION = SourceTable(
    name="transaction",
    grain="One row per sale or purchase with a payment.",
    key=("transaction_id",),
    columns=(
        Column("transaction_id", INTEGER, "Transaction number."),
        Column("transaction_type", VARCHAR, "SALE or PURCHASE."),
        Column("sales_order_id", INTEGER, "Sales order of a sale.", nullable=True, references="sales_order"),
        Column(
            "purchase_order_id", INTEGER, "Purchase order of a purchase.", nullable=True, references="purchase_order"
        ),
        *_STAMPS,
    ),
)

COUNTERPARTY = SourceTable(
    name="counterparty",
    grain="One row per customer or supplier.",
    key=("counterparty_id",),
    deletable_share=0.5,
    columns=(
        Column("counterparty_id", INTEGER, "Counterparty number."),
        Column("counterparty_legal_name", VARCHAR, "Legal name."),
        Column("legal_address_id", INTEGER, "Legal address.", references="address"),
        Column("commercial_contact", VARCHAR, "Contact for commercial matters.", nullable=True),
        Column("delivery_contact", VARCHAR, "Contact for deliveries.", nullable=True),
        *_STAMPS,
    ),
)

ADDRESS = SourceTable(
    name="address",
    grain="One row per address.",
    key=("address_id",),
    deletable_share=0.5,
    columns=(
        Column("address_id", INTEGER, "Address number."),
        Column("address_line_1", VARCHAR, "First line."),
        Column("address_line_2", VARCHAR, "Second line.", nullable=True),
        Column("district", VARCHAR, "District.", nullable=True),
        Column("city", VARCHAR, "City."),
        Column("postal_code", VARCHAR, "Postal code, leading zeros kept."),
        Column("country", VARCHAR, "Country."),
        Column("phone", VARCHAR, "Telephone number."),
        *_STAMPS,
    ),
)

STAFF = SourceTable(
    name="staff",
    grain="One row per member of staff.",
    key=("staff_id",),
    deletable_share=0.5,
    columns=(
        Column("staff_id", INTEGER, "Staff number."),
        Column("first_name", VARCHAR, "First name."),
        Column("last_name", VARCHAR, "Last name."),
        Column("department_id", INTEGER, "Department.", references="department"),
        Column("email_address", VARCHAR, "E-mail address."),
        *_STAMPS,
    ),
)

DEPARTMENT = SourceTable(
    name="department",
    grain="One row per department.",
    key=("department_id",),
    deletable_share=0.5,
    columns=(
        Column("department_id", INTEGER, "Department number."),
        Column("department_name", VARCHAR, "Name."),
        Column("location", VARCHAR, "City.", nullable=True),
        Column("manager", VARCHAR, "Name of the manager.", nullable=True),
        *_STAMPS,
    ),
)

DESIGN = SourceTable(
    name="design",
    grain="One row per design of a tote bag.",
    key=("design_id",),
    deletable_share=0.5,
    columns=(
        Column("design_id", INTEGER, "Design number."),
        Column("design_name", VARCHAR, "Name."),
        Column("file_location", VARCHAR, "Folder of the design's file."),
        Column("file_name", VARCHAR, "Name of the design's file."),
        *_STAMPS,
    ),
)

CURRENCY = SourceTable(
    name="currency",
    grain="One row per currency.",
    key=("currency_id",),
    deletable_share=0.5,
    columns=(
        Column("currency_id", INTEGER, "Currency number."),
        Column("currency_code", VARCHAR, "ISO 4217 code."),
        *_STAMPS,
    ),
)

PAYMENT_TYPE = SourceTable(
    name="payment_type",
    grain="One row per kind of payment.",
    key=("payment_type_id",),
    deletable_share=0.5,
    columns=(
        Column("payment_type_id", INTEGER, "Payment type number."),
        Column("payment_type_name", VARCHAR, "Name."),
        *_STAMPS,
    ),
)

SOURCE_TABLES = {
    table.name: table
    for table in (
        SALES_ORDER,
        PURCHASE_ORDER,
        PAYMENT,
        TRANSACTION,
        COUNTERPARTY,
        ADDRESS,
        STAFF,
        DEPARTMENT,
        DESIGN,
        CURRENCY,
        PAYMENT_TYPE,
    )
}
