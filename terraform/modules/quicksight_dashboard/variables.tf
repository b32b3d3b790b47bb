variable "name" {
  description = "Name and id of the dashboard."
  type        = string
}

variable "data_sets" {
  description = "ARN of each question's data set, by page and name: <page>_<name>."
  type        = map(string)
}

variable "questions" {
  description = "Questions as `make generated` writes them: each has its page, its columns and its visual."
  type = list(object({
    page     = string
    name     = string
    question = string
    notes    = string
    columns  = list(object({ name = string, type = string }))
    visual = object({
      kind       = string
      groups     = list(string)
      values     = list(object({ column = string, aggregation = string }))
      color      = string
      panels     = string
      order      = list(object({ column = string, direction = string, aggregation = string }))
      stacked    = bool
      horizontal = bool
      limit      = number
    })
  }))

  validation {
    condition     = alltrue([for question in var.questions : contains(["bars", "lines", "table"], question.visual.kind)])
    error_message = "A visual is bars, lines or a table."
  }
}

variable "readers" {
  description = "ARNs of QuickSight's users and groups who may look at the dashboard."
  type        = set(string)
}
