locals {
  # Keys contain the content's hash, so an object never changes while a job starts.
  scripts = {
    for stage in var.stages : stage => {
      source = "${var.scripts}/${stage}.py"
      key    = "scripts/${stage}-${substr(filesha256("${var.scripts}/${stage}.py"), 0, 12)}.py"
    }
  }
  package_hash = substr(filesha256(var.package), 0, 12)
}

resource "aws_s3_object" "script" {
  for_each = local.scripts

  bucket       = var.bucket
  key          = each.value.key
  source       = each.value.source
  content_type = "text/x-python"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_object" "package" {
  bucket       = var.bucket
  key          = "packages/totelake-${local.package_hash}.zip"
  source       = var.package
  content_type = "application/zip"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_object" "wheels" {
  for_each = toset(var.wheels == null ? [] : [var.wheels])

  bucket = var.bucket
  # Glue recognises a zip of wheels by the end of its name.
  key          = "wheels/totelake-${substr(filesha256(each.value), 0, 12)}.gluewheels.zip"
  source       = each.value
  content_type = "application/zip"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_object" "certificates" {
  for_each = toset(var.certificates == null ? [] : [var.certificates])

  bucket       = var.bucket
  key          = "certificates/${substr(filesha256(each.value), 0, 12)}/${var.certificates_name}"
  source       = each.value
  content_type = "application/x-pem-file"

  lifecycle {
    create_before_destroy = true
  }
}
