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
