variable "bucket" {
  description = "Name of the artifacts bucket."
  type        = string
}

variable "stages" {
  description = "Stages whose entry scripts are uploaded."
  type        = set(string)
}

variable "scripts" {
  description = "Folder with <stage>.py for every stage."
  type        = string
}

variable "package" {
  description = "Zip of the package that the scripts import."
  type        = string
}

variable "wheels" {
  description = "Zip of the wheels that the jobs need in addition to the packages of Glue (.gluewheels.zip); null for none."
  type        = string
  default     = null
}

variable "certificates" {
  description = "PEM file with the CA certificates of the databases; null for none."
  type        = string
  default     = null
}

variable "certificates_name" {
  description = "File name of the certificates in a job's working folder."
  type        = string
}
