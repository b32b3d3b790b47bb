variable "name" {
  description = "Name of the workflow and first part of its triggers' names."
  type        = string
}

variable "jobs" {
  description = "Names of the jobs, by stage."
  type        = object({ ingest = string, transform = string, load = string })
}

variable "crawler" {
  description = "Name of the crawler that looks at what was ingested."
  type        = string
}

variable "crawl" {
  description = "Whether every ingest is followed by the crawler."
  type        = bool
  default     = true
}
