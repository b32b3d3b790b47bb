locals {
  # A key that carries the content's hash never changes under a job that is starting.
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
