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
  description = "Python modules that Glue installs at start: s3:// addresses of wheels, or name==version."
  type        = list(string)
}

variable "certificates" {
  description = "The s3:// address of the databases' certificates, which the job finds in its folder; null for none."
  type        = string
  default     = null
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

variable "judges" {
  description = "What the job holds against each other: the catalog databases of what was found and of what is declared, and the ARN of the crawler that found it; null when it judges none."
  type        = object({ found = string, declared = string, crawler = string })
  default     = null
}

variable "unregisters_in" {
  description = "Catalog databases whose tables the job removes partitions from."
  type        = list(string)
  default     = []
}

variable "statements" {
  description = "What the job may do besides, in the words of IAM's policies."
  type = list(object({
    Sid       = string
    Effect    = string
    Action    = list(string)
    Resource  = list(string)
    Condition = optional(map(map(list(string))))
  }))
  default = []
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

variable "security_configuration" {
  description = "Glue security configuration that encrypts what Glue writes for the job; null for none."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days for which the job's logs are kept, where it has log groups of its own."
  type        = number
  default     = 365
}
