variable "name" {
  description = "Name of the job and of its role."
  type        = string
}

variable "description" {
  description = "What the job does, in a sentence."
  type        = string
}

variable "script" {
  description = "The s3:// address of the entry script."
  type        = string
}

variable "package" {
  description = "The s3:// address of the package zip."
  type        = string
}

variable "artifacts" {
  description = "Bucket of the scripts, the package and the job's temporary files."
  type        = string
}

variable "python_modules" {
  description = "Python modules that Glue installs at start, as name==version."
  type        = list(string)
}

variable "code_version" {
  description = "Version of the code, which the job writes into what it commits."
  type        = string
}

variable "arguments" {
  description = "The job's own arguments; no secrets, Glue logs them."
  type        = map(string)

  validation {
    condition = length(setintersection(
      keys(var.arguments), ["--debug", "--mode", "--JOB_NAME", "--endpoint"]
    )) == 0
    error_message = "--debug, --mode, --JOB_NAME and --endpoint are Glue's own arguments."
  }
}

variable "reads" {
  description = "Objects that the job reads: bucket and patterns of keys."
  type        = list(object({ bucket = string, keys = list(string) }))
}

variable "writes" {
  description = "Objects that the job creates: bucket and patterns of keys."
  type        = list(object({ bucket = string, keys = list(string) }))
  default     = []
}

variable "registers_in" {
  description = "Catalog databases whose tables the job registers partitions in."
  type        = list(string)
  default     = []
}

variable "connections" {
  description = "Grants of the connections that the job uses (output `grant` of the connection module)."
  type = list(object({
    name       = string
    arn        = string
    secret_arn = string
    placement  = object({ availability_zone = string, subnet_id = string, security_group_ids = list(string) })
  }))
  default = []
}

variable "run_properties" {
  description = "ARN of the workflow whose runs' properties the job reads, and of the one whose it writes; null for none."
  type        = object({ reads = optional(string), writes = optional(string) })
  default     = {}
}

variable "kms_key_arn" {
  description = "Key that encrypts the buckets and the secrets; null when AWS's own keys do."
  type        = string
  default     = null
}

variable "glue_version" {
  description = "Version of Glue, which fixes those of Spark, Python and Java."
  type        = string
  default     = "6.0"
}

variable "worker_type" {
  description = "Size of a worker."
  type        = string
  default     = "G.1X"
}

variable "number_of_workers" {
  description = "Workers of a run, the driver among them; Glue bills two at least."
  type        = number
  default     = 2
}

variable "timeout" {
  description = "Minutes after which a run is ended."
  type        = number
  default     = 60
}
