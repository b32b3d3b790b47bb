variable "name" {
  description = "Name of the job and of its role."
  type        = string
}

variable "description" {
  description = "Description of the job, one sentence."
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
  description = "Python modules that Glue installs at start: the s3:// address of a zip of wheels, or name==version."
  type        = list(string)
}

variable "certificates" {
  description = "The s3:// address of the databases' CA certificates, copied to the job's working folder; null for none."
  type        = string
  default     = null
}

variable "code_version" {
  description = "Version of the code, for the commit records."
  type        = string
}

variable "arguments" {
  description = "The job's own arguments; no secrets, because Glue logs them."
  type        = map(string)

  validation {
    condition = length(setintersection(
      keys(var.arguments), ["--debug", "--mode", "--JOB_NAME", "--endpoint"]
    )) == 0
    error_message = "--debug, --mode, --JOB_NAME and --endpoint are reserved by Glue."
  }
}

variable "reads" {
  description = "Objects that the job reads: bucket and key patterns."
  type        = list(object({ bucket = string, keys = list(string) }))
}

variable "writes" {
  description = "Objects that the job creates: bucket and key patterns."
  type        = list(object({ bucket = string, keys = list(string) }))
  default     = []
}

variable "registers_in" {
  description = "Catalog databases in which the job registers partitions."
  type        = list(string)
  default     = []
}

variable "drift_check" {
  description = "Inputs of the drift check: the catalog databases of the discovered and of the declared tables, and the ARN of the crawler; null for other jobs."
  type        = object({ discovered = string, declared = string, crawler = string })
  default     = null
}

variable "unregisters_in" {
  description = "Catalog databases in which the job deletes partitions."
  type        = list(string)
  default     = []
}

variable "lists_partitions_in" {
  description = "Catalog databases whose partitions the job lists, and neither registers nor deletes."
  type        = list(string)
  default     = []
}

variable "lists_versions_in" {
  description = "Buckets whose object versions the job lists."
  type        = list(string)
  default     = []
}

variable "statements" {
  description = "Additional IAM policy statements."
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

variable "disable_proxy" {
  description = "Whether a job in a VPC calls S3, CloudWatch and Glue through the VPC instead of Glue's own proxy."
  type        = bool
  default     = false
}

variable "glue_metrics" {
  description = "Whether Glue publishes its own metrics of each run. They are billed as custom metrics, with the run as a dimension."
  type        = bool
  default     = false
}

variable "run_properties" {
  description = "ARNs of the workflows whose run properties the job reads and writes; null for none."
  type        = object({ reads = optional(string), writes = optional(string) })
  default     = {}
}

variable "trust_conditions" {
  description = "Whether Glue can assume the role for this account only (aws:SourceAccount, aws:SourceArn)."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Key that encrypts the buckets and the secrets; null for AWS's own keys."
  type        = string
  default     = null
}

variable "glue_version" {
  description = "Glue version, which determines the versions of Spark, Python and Java."
  type        = string
  default     = "6.0"
}

variable "worker_type" {
  description = "Size of a worker."
  type        = string
  default     = "G.1X"
}

variable "number_of_workers" {
  description = "Number of workers, including the driver; Glue bills at least two."
  type        = number
  default     = 2
}

variable "timeout" {
  description = "Timeout of a run in minutes."
  type        = number
  default     = 60
}

variable "security_configuration" {
  description = "Glue security configuration that encrypts what Glue writes for the job; null for none."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Retention of the job's own log groups, in days."
  type        = number
  default     = 365
}

variable "role_defaults" {
  description = "Path and permissions boundary of every role."
  type        = object({ path = optional(string), permissions_boundary = optional(string) })
  default     = {}
}
