variable "bucket" {
  description = "Name of the artifacts bucket."
  type        = string
}

variable "stages" {
  description = "Stages whose entry scripts are uploaded."
  type        = set(string)
}

variable "scripts" {
  description = "Folder that holds <stage>.py for every stage."
  type        = string
}

variable "package" {
  description = "Zip of the package that the scripts import."
  type        = string
}

variable "wheels" {
  description = "Folder of the wheels that the jobs need beside what Glue has; null for none."
  type        = string
  default     = null
}

variable "certificates" {
  description = "PEM file with the certificates of the authorities that signed those of the databases; null for none."
  type        = string
  default     = null
}

variable "certificates_name" {
  description = "Name of the file as which the certificates reach a job."
  type        = string
}
