locals {
  tables = merge([
    for zone, tables in var.tables : {
      for name, table in tables : "${zone}/${name}" => merge(table, { zone = zone, name = name })
    }
  ]...)
  views = merge([
    for zone, views in var.views : {
      for name, view in views : "${zone}/${name}" => merge(view, { zone = zone, name = name })
    }
  ]...)
}

resource "aws_glue_catalog_database" "this" {
  for_each = var.databases

  name        = each.value.name
  description = each.value.description
}

# The jobs register partitions per committed batch, so queries read committed data only.
resource "aws_glue_catalog_table" "this" {
  for_each = local.tables

  database_name = aws_glue_catalog_database.this[each.value.zone].name
  name          = each.value.name
  description   = each.value.description
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL       = "TRUE"
    classification = "parquet"
  }

  storage_descriptor {
    location      = "s3://${var.buckets[each.value.zone]}/tables/${each.value.name}/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    }

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = columns.value.comment
      }
    }
  }

  dynamic "partition_keys" {
    for_each = each.value.partition_keys

    content {
      name    = partition_keys.value.name
      type    = partition_keys.value.type
      comment = partition_keys.value.comment
    }
  }
}

# The format of Athena's CREATE VIEW: the query as base64-encoded JSON.
resource "aws_glue_catalog_table" "view" {
  for_each = local.views

  database_name = aws_glue_catalog_database.this[each.value.zone].name
  name          = each.value.name
  description   = each.value.description
  table_type    = "VIRTUAL_VIEW"

  parameters = {
    presto_view = "true"
    comment     = "Presto View"
  }

  view_expanded_text = "/* Presto View */"
  view_original_text = "/* Presto View: ${base64encode(jsonencode({
    originalSql = each.value.query
    catalog     = "awsdatacatalog"
    schema      = aws_glue_catalog_database.this[each.value.zone].name
    columns     = [for column in each.value.columns : { name = column.name, type = column.presto_type }]
  }))} */"

  storage_descriptor {
    ser_de_info {
      name                  = "-"
      serialization_library = "-"
    }

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = columns.value.comment
      }
    }
  }

  depends_on = [aws_glue_catalog_table.this]
}

# An account has one catalog per region: this encrypts the metadata of all its users.
resource "aws_glue_data_catalog_encryption_settings" "this" {
  count = var.encrypt ? 1 : 0

  data_catalog_encryption_settings {
    encryption_at_rest {
      catalog_encryption_mode = "SSE-KMS"
      sse_aws_kms_key_id      = var.kms_key_arn
    }

    # Our connections refer to secrets and have no password; others in this account might have one.
    connection_password_encryption {
      return_connection_password_encrypted = true
      aws_kms_key_id                       = var.kms_key_arn
    }
  }
}
