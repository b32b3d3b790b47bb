variable "name" {
  description = "Name of the workflow and first part of its triggers' names."
  type        = string
}

variable "description" {
  description = "What a run of the workflow does, in a sentence."
  type        = string
}

variable "steps" {
  description = "Two or three steps, each a job or a crawler under a short name; each starts when the one before has succeeded."
  type = list(object({
    name    = string
    job     = optional(string)
    crawler = optional(string)
  }))

  validation {
    condition     = contains([2, 3], length(var.steps))
    error_message = "A workflow has two or three steps."
  }

  validation {
    condition     = alltrue([for step in var.steps : (step.job == null) != (step.crawler == null)])
    error_message = "A step is either a job or a crawler."
  }
}
