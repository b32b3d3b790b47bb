locals {
  visuals = [
    for question in var.questions : merge(question.visual, {
      page  = question.page
      id    = "${question.page}_${question.name}"
      title = question.question
      notes = question.notes
      dates = [for column in question.columns : column.name if column.type == "DATETIME"]
    })
  ]
  pages = { for page in distinct(var.questions[*].page) : page => [for visual in local.visuals : visual if visual.page == page] }

  # The filter refers to the page's first query with the column and applies to all queries of the page that have it.
  filters = merge([
    for page in keys(local.pages) : {
      for column in ["currency", "month"] : "${page}_${column}" => {
        page   = page
        column = column
        id     = [for question in var.questions : "${page}_${question.name}" if question.page == page && contains(question.columns[*].name, column)][0]
      } if anytrue([for question in var.questions : question.page == page && contains(question.columns[*].name, column)])
    }
  ]...)

  granularity = { month = "MONTH", week = "WEEK" }
  columns     = 36 # of QuickSight's grid
  height      = 14
}

# Long because the provider accepts a definition as blocks only: filters, then the controls, layout and visuals of each sheet.
# Each question has one visual: bars, lines or a table.
resource "aws_quicksight_dashboard" "this" {
  dashboard_id        = var.name
  name                = var.name
  version_description = "Generated from the declared questions."

  definition {
    dynamic "data_set_identifiers_declarations" {
      for_each = var.data_sets

      content {
        identifier   = data_set_identifiers_declarations.key
        data_set_arn = data_set_identifiers_declarations.value
      }
    }

    dynamic "filter_groups" {
      for_each = local.filters

      content {
        filter_group_id = filter_groups.key
        cross_dataset   = "ALL_DATASETS"
        status          = "ENABLED"

        filters {
          dynamic "category_filter" {
            for_each = filter_groups.value.column == "currency" ? [filter_groups.value] : []

            content {
              filter_id = "${filter_groups.key}_filter"

              column {
                data_set_identifier = category_filter.value.id
                column_name         = category_filter.value.column
              }

              configuration {
                filter_list_configuration {
                  match_operator     = "CONTAINS"
                  select_all_options = "FILTER_ALL_VALUES"
                }
              }
            }
          }

          dynamic "time_range_filter" {
            for_each = filter_groups.value.column == "month" ? [filter_groups.value] : []

            content {
              filter_id        = "${filter_groups.key}_filter"
              null_option      = "ALL_VALUES"
              time_granularity = "DAY"
              include_minimum  = true
              include_maximum  = true

              column {
                data_set_identifier = time_range_filter.value.id
                column_name         = time_range_filter.value.column
              }
            }
          }
        }

        scope_configuration {
          selected_sheets {
            sheet_visual_scoping_configurations {
              sheet_id = filter_groups.value.page
              scope    = "ALL_VISUALS"
            }
          }
        }
      }
    }

    dynamic "sheets" {
      for_each = distinct(var.questions[*].page)
      iterator = page

      content {
        sheet_id     = page.value
        name         = title(page.value)
        content_type = "INTERACTIVE"

        dynamic "filter_controls" {
          for_each = { for id, filter in local.filters : id => filter if filter.page == page.value }

          content {
            dynamic "dropdown" {
              for_each = filter_controls.value.column == "currency" ? [filter_controls.key] : []

              content {
                filter_control_id = "${dropdown.value}_control"
                source_filter_id  = "${dropdown.value}_filter"
                title             = "Currency"
                type              = "MULTI_SELECT"
              }
            }

            dynamic "date_time_picker" {
              for_each = filter_controls.value.column == "month" ? [filter_controls.key] : []

              content {
                filter_control_id = "${date_time_picker.value}_control"
                source_filter_id  = "${date_time_picker.value}_filter"
                title             = "Months"
                type              = "DATE_RANGE"
              }
            }
          }
        }

        layouts {
          configuration {
            grid_layout {
              canvas_size_options {
                screen_canvas_size_options {
                  resize_option = "RESPONSIVE"
                }
              }

              # Two per row; with an odd number, the last one has a full row.
              dynamic "elements" {
                for_each = local.pages[page.value]

                content {
                  element_id   = elements.value.id
                  element_type = "VISUAL"
                  column_index = elements.key % 2 * local.columns / 2
                  column_span  = elements.key % 2 == 0 && elements.key == length(local.pages[page.value]) - 1 ? local.columns : local.columns / 2
                  row_index    = floor(elements.key / 2) * local.height
                  row_span     = local.height
                }
              }
            }
          }
        }

        dynamic "visuals" {
          for_each = local.pages[page.value]
          iterator = visual

          content {
            dynamic "bar_chart_visual" {
              for_each = [for candidate in [visual.value] : candidate if candidate.kind == "bars"]
              iterator = bars

              content {
                visual_id = bars.value.id

                title {
                  format_text {
                    plain_text = bars.value.title
                  }
                }

                subtitle {
                  visibility = bars.value.notes == "" ? "HIDDEN" : "VISIBLE"

                  format_text {
                    plain_text = coalesce(bars.value.notes, bars.value.title)
                  }
                }

                chart_configuration {
                  orientation      = bars.value.horizontal ? "HORIZONTAL" : "VERTICAL"
                  bars_arrangement = bars.value.stacked ? "STACKED" : "CLUSTERED"

                  field_wells {
                    bar_chart_aggregated_field_wells {
                      dynamic "category" {
                        for_each = bars.value.groups

                        content {
                          dynamic "categorical_dimension_field" {
                            for_each = setsubtract([category.value], bars.value.dates)

                            content {
                              field_id = "${bars.value.id}.${category.value}"

                              column {
                                data_set_identifier = bars.value.id
                                column_name         = category.value
                              }
                            }
                          }

                          dynamic "date_dimension_field" {
                            for_each = setintersection([category.value], bars.value.dates)

                            content {
                              field_id         = "${bars.value.id}.${category.value}"
                              date_granularity = lookup(local.granularity, category.value, "DAY")

                              column {
                                data_set_identifier = bars.value.id
                                column_name         = category.value
                              }
                            }
                          }
                        }
                      }

                      dynamic "colors" {
                        for_each = compact([bars.value.color])

                        content {
                          categorical_dimension_field {
                            field_id = "${bars.value.id}.${colors.value}"

                            column {
                              data_set_identifier = bars.value.id
                              column_name         = colors.value
                            }
                          }
                        }
                      }

                      dynamic "small_multiples" {
                        for_each = compact([bars.value.panels])

                        content {
                          categorical_dimension_field {
                            field_id = "${bars.value.id}.${small_multiples.value}"

                            column {
                              data_set_identifier = bars.value.id
                              column_name         = small_multiples.value
                            }
                          }
                        }
                      }

                      dynamic "values" {
                        for_each = bars.value.values

                        content {
                          numerical_measure_field {
                            field_id = "${bars.value.id}.${values.value.column}"

                            column {
                              data_set_identifier = bars.value.id
                              column_name         = values.value.column
                            }

                            aggregation_function {
                              simple_numerical_aggregation = values.value.aggregation
                            }
                          }
                        }
                      }
                    }
                  }

                  sort_configuration {
                    dynamic "category_items_limit" {
                      for_each = bars.value.limit == 0 ? [] : [bars.value.limit]

                      content {
                        items_limit      = category_items_limit.value
                        other_categories = "EXCLUDE"
                      }
                    }

                    dynamic "category_sort" {
                      for_each = bars.value.order

                      content {
                        dynamic "field_sort" {
                          for_each = setintersection([category_sort.value.column], bars.value.groups)

                          content {
                            field_id  = "${bars.value.id}.${field_sort.value}"
                            direction = category_sort.value.direction
                          }
                        }

                        dynamic "column_sort" {
                          for_each = setsubtract([category_sort.value.column], bars.value.groups)

                          content {
                            direction = category_sort.value.direction

                            sort_by {
                              data_set_identifier = bars.value.id
                              column_name         = column_sort.value
                            }

                            aggregation_function {
                              numerical_aggregation_function {
                                simple_numerical_aggregation = category_sort.value.aggregation
                              }
                            }
                          }
                        }
                      }
                    }
                  }
                }
              }
            }

            dynamic "line_chart_visual" {
              for_each = [for candidate in [visual.value] : candidate if candidate.kind == "lines"]
              iterator = lines

              content {
                visual_id = lines.value.id

                title {
                  format_text {
                    plain_text = lines.value.title
                  }
                }

                subtitle {
                  visibility = lines.value.notes == "" ? "HIDDEN" : "VISIBLE"

                  format_text {
                    plain_text = coalesce(lines.value.notes, lines.value.title)
                  }
                }

                chart_configuration {
                  type = "LINE"

                  field_wells {
                    line_chart_aggregated_field_wells {
                      category {
                        date_dimension_field {
                          field_id         = "${lines.value.id}.${one(lines.value.groups)}"
                          date_granularity = local.granularity[one(lines.value.groups)]

                          column {
                            data_set_identifier = lines.value.id
                            column_name         = one(lines.value.groups)
                          }
                        }
                      }

                      dynamic "colors" {
                        for_each = compact([lines.value.color])

                        content {
                          categorical_dimension_field {
                            field_id = "${lines.value.id}.${colors.value}"

                            column {
                              data_set_identifier = lines.value.id
                              column_name         = colors.value
                            }
                          }
                        }
                      }

                      dynamic "small_multiples" {
                        for_each = compact([lines.value.panels])

                        content {
                          categorical_dimension_field {
                            field_id = "${lines.value.id}.${small_multiples.value}"

                            column {
                              data_set_identifier = lines.value.id
                              column_name         = small_multiples.value
                            }
                          }
                        }
                      }

                      dynamic "values" {
                        for_each = lines.value.values

                        content {
                          numerical_measure_field {
                            field_id = "${lines.value.id}.${values.value.column}"

                            column {
                              data_set_identifier = lines.value.id
                              column_name         = values.value.column
                            }

                            aggregation_function {
                              simple_numerical_aggregation = values.value.aggregation
                            }
                          }
                        }
                      }
                    }
                  }

                  sort_configuration {
                    category_sort {
                      field_sort {
                        field_id  = "${lines.value.id}.${one(lines.value.groups)}"
                        direction = "ASC"
                      }
                    }
                  }
                }
              }
            }

            dynamic "table_visual" {
              for_each = [for candidate in [visual.value] : candidate if candidate.kind == "table"]
              iterator = table

              content {
                visual_id = table.value.id

                title {
                  format_text {
                    plain_text = table.value.title
                  }
                }

                subtitle {
                  visibility = table.value.notes == "" ? "HIDDEN" : "VISIBLE"

                  format_text {
                    plain_text = coalesce(table.value.notes, table.value.title)
                  }
                }

                chart_configuration {
                  field_wells {
                    table_aggregated_field_wells {
                      dynamic "group_by" {
                        for_each = table.value.groups

                        content {
                          dynamic "categorical_dimension_field" {
                            for_each = setsubtract([group_by.value], table.value.dates)

                            content {
                              field_id = "${table.value.id}.${group_by.value}"

                              column {
                                data_set_identifier = table.value.id
                                column_name         = group_by.value
                              }
                            }
                          }

                          dynamic "date_dimension_field" {
                            for_each = setintersection([group_by.value], table.value.dates)

                            content {
                              field_id         = "${table.value.id}.${group_by.value}"
                              date_granularity = lookup(local.granularity, group_by.value, "DAY")

                              column {
                                data_set_identifier = table.value.id
                                column_name         = group_by.value
                              }
                            }
                          }
                        }
                      }

                      dynamic "values" {
                        for_each = table.value.values

                        content {
                          dynamic "numerical_measure_field" {
                            for_each = contains(table.value.dates, values.value.column) ? [] : [values.value]

                            content {
                              field_id = "${table.value.id}.${values.value.column}"

                              column {
                                data_set_identifier = table.value.id
                                column_name         = values.value.column
                              }

                              aggregation_function {
                                simple_numerical_aggregation = values.value.aggregation
                              }
                            }
                          }

                          dynamic "date_measure_field" {
                            for_each = contains(table.value.dates, values.value.column) ? [values.value] : []

                            content {
                              field_id             = "${table.value.id}.${values.value.column}"
                              aggregation_function = values.value.aggregation

                              column {
                                data_set_identifier = table.value.id
                                column_name         = values.value.column
                              }
                            }
                          }
                        }
                      }
                    }
                  }

                  sort_configuration {
                    dynamic "row_sort" {
                      for_each = table.value.order

                      content {
                        field_sort {
                          field_id  = "${table.value.id}.${row_sort.value.column}"
                          direction = row_sort.value.direction
                        }
                      }
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  dynamic "permissions" {
    for_each = var.readers

    content {
      principal = permissions.value
      actions   = ["quicksight:DescribeDashboard", "quicksight:ListDashboardVersions", "quicksight:QueryDashboard"]
    }
  }
}
