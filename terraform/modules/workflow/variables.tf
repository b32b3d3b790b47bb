variable "name" {
  description = "Name of the workflow and prefix of its triggers' names."
  type        = string
}

variable "description" {
  description = "Description of the workflow, one sentence."
  type        = string
}

variable "steps" {
  description = "Two or three steps, each a job or a crawler with a short name; each starts after the success of the previous one."
  type = list(object({
    name    = string
    job     = optional(string)
    crawler = optional(string)
  }))

  validation {
    condition     = contains([2, 3], length(var.steps))
    error_message = "steps must have two or three elements."
  }

  validation {
    condition     = alltrue([for step in var.steps : (step.job == null) != (step.crawler == null)])
    error_message = "A step must have either a job or a crawler."
  }
}
