locals {
  questions = { for question in var.questions : "${question.page}_${question.name}" => question }

  # QuickSight runs the query as a subquery without a default database, so view names are qualified.
  queries = {
    for key, question in local.questions : key => replace(
      trimsuffix(trimspace(replace(file("${var.queries}/${question.page}/${question.name}.sql"), "/(?m)^--.*\n/", "")), ";"),
      "/\\b(FROM|JOIN) current_/", "$1 ${var.database}.current_",
    )
  }

  data_set_actions    = ["quicksight:DescribeDataSet", "quicksight:DescribeDataSetPermissions", "quicksight:PassDataSet", "quicksight:DescribeIngestion", "quicksight:ListIngestions"]
  data_source_actions = ["quicksight:DescribeDataSource", "quicksight:DescribeDataSourcePermissions", "quicksight:PassDataSource"]
}

resource "aws_quicksight_data_source" "this" {
  data_source_id = var.name
  name           = var.name
  type           = "ATHENA"

  parameters {
    athena {
      work_group = var.workgroup
    }
  }

  dynamic "permission" {
    for_each = var.authors

    content {
      principal = permission.value
      actions   = local.data_source_actions
    }
  }
}

resource "aws_quicksight_data_set" "this" {
  for_each = local.questions

  data_set_id = "${var.name}-${replace(each.key, "_", "-")}"
  name        = "${var.name}: ${each.value.page}, ${replace(each.value.name, "_", " ")}"
  import_mode = "SPICE"

  physical_table_map {
    physical_table_map_id = "query"

    custom_sql {
      data_source_arn = aws_quicksight_data_source.this.arn
      name            = each.value.name
      sql_query       = local.queries[each.key]

      dynamic "columns" {
        for_each = each.value.columns

        content {
          name = columns.value.name
          type = columns.value.type
        }
      }
    }
  }

  dynamic "permissions" {
    for_each = var.authors

    content {
      principal = permissions.value
      actions   = local.data_set_actions
    }
  }
}

resource "aws_quicksight_refresh_schedule" "this" {
  for_each = aws_quicksight_data_set.this

  data_set_id = each.value.data_set_id
  schedule_id = "refresh"

  schedule {
    refresh_type = "FULL_REFRESH"

    schedule_frequency {
      interval        = var.refresh.interval
      time_of_the_day = var.refresh.interval == "DAILY" ? var.refresh.time_of_the_day : null
      timezone        = var.refresh.timezone
    }
  }
}
