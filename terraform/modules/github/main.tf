data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  issuer   = "token.actions.githubusercontent.com"
  provider = var.create_provider ? aws_iam_openid_connect_provider.this[0].arn : "arn:${local.partition}:iam::${local.account}:oidc-provider/${local.issuer}"

  # Each role belongs to one environment of the repository, whose protection rules require branches and approvals.
  roles = { deploy = var.environment, plan = "${var.environment}-plan" }
}

resource "aws_iam_openid_connect_provider" "this" {
  count = var.create_provider ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name                 = "${var.prefix}-github-${each.key}"
  description          = "Workflows of ${var.repository} in the environment ${each.value}."
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = local.provider }
      Condition = {
        StringEquals = {
          "${local.issuer}:aud" = "sts.amazonaws.com"
          "${local.issuer}:sub" = "repo:${var.repository}:environment:${each.value}"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "state" {
  for_each = local.roles

  name = "state"
  role = aws_iam_role.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["s3:ListBucket"], Resource = [var.state_arn] },
      { Effect = "Allow", Action = ["s3:GetObject"], Resource = ["${var.state_arn}/totelake.tfstate*"] },
      {
        # A plan acquires and releases the lock; only a deployment writes the state.
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:DeleteObject"]
        Resource = ["${var.state_arn}/totelake.tfstate.tflock"]
      },
    ]
  })
}

# Reads the configuration of every resource, but no data: neither rows nor secrets.
resource "aws_iam_role_policy" "read" {
  #checkov:skip=CKV_AWS_355: A plan reads all resources, by actions most of which have no resource-level permissions.
  for_each = local.roles

  name   = "read"
  role   = aws_iam_role.this[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = [local.read_resources, local.read_artifacts, local.read_quicksight] })
}

resource "aws_iam_role_policy" "deploy" {
  #checkov:skip=CKV_AWS_286: It creates the jobs' roles and their policies, limited to roles of this prefix and passed only to the listed services.
  #checkov:skip=CKV_AWS_287: It reads and writes only secrets of this prefix, which it creates.
  #checkov:skip=CKV_AWS_289: Roles, keys and policies are part of the deployment, limited to this prefix where AWS supports it.
  #checkov:skip=CKV_AWS_290: Named resources are limited to this prefix; KMS and EC2 resources have generated ids.
  #checkov:skip=CKV_AWS_355: KMS and EC2 resources have generated ids; they are limited to the region.
  name = "deploy"
  role = aws_iam_role.this["deploy"].id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat([local.write_state, local.manage_unnamed], local.manage_named, local.manage_roles)
  })
}

locals {
  region_account = "${local.region}:${local.account}"
  arn_prefix     = "arn:${local.partition}"

  read_resources = {
    Sid    = "ReadResources"
    Effect = "Allow"
    Action = [
      "athena:GetNamedQuery", "athena:GetWorkGroup", "athena:List*", "budgets:List*", "budgets:ViewBudget",
      "cloudwatch:Describe*", "cloudwatch:GetDashboard", "cloudwatch:List*", "ec2:Describe*", "events:Describe*",
      "events:List*", "glue:GetConnection", "glue:GetCrawler", "glue:GetDatabase", "glue:GetJob", "glue:GetPartition*",
      "glue:GetTable*", "glue:GetTags", "glue:GetTrigger", "glue:GetWorkflow", "iam:GetPolicy*",
      "iam:GetRole*", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies",
      "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:List*", "logs:Describe*", "logs:List*",
      "rds:Describe*", "rds:ListTagsForResource", "redshift-serverless:GetNamespace", "redshift-serverless:GetWorkgroup",
      "redshift-serverless:List*", "s3:GetAccelerateConfiguration", "s3:GetBucket*", "s3:GetEncryptionConfiguration",
      "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:ListBucket", "scheduler:GetSchedule*",
      "scheduler:List*", "secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy",
      "sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "sns:List*", "sqs:GetQueueAttributes", "sqs:List*",
    ]
    Resource = ["*"]
  }

  read_artifacts = {
    Sid      = "ReadArtifacts"
    Effect   = "Allow"
    Action   = ["s3:GetObject", "s3:GetObjectTagging"]
    Resource = ["arn:${local.partition}:s3:::${var.prefix}-artifacts/*"]
  }

  read_quicksight = {
    Sid      = "ReadQuickSight"
    Effect   = "Allow"
    Action   = ["quicksight:Describe*", "quicksight:List*"]
    Resource = local.named_resources.quicksight
  }

  write_state = {
    Sid      = "WriteState"
    Effect   = "Allow"
    Action   = ["s3:PutObject"]
    Resource = ["${var.state_arn}/totelake.tfstate"]
  }

  # Resources whose names begin with the prefix, by service. The state bucket does too but is not part of a deployment.
  named_resources = {
    athena              = ["${local.arn_prefix}:athena:${local.region_account}:workgroup/${var.prefix}*"]
    budgets             = ["${local.arn_prefix}:budgets::${local.account}:budget/${var.prefix}*"]
    cloudwatch          = ["${local.arn_prefix}:cloudwatch:${local.region_account}:alarm:${var.prefix}*", "${local.arn_prefix}:cloudwatch::${local.account}:dashboard/${var.prefix}*"]
    events              = ["${local.arn_prefix}:events:${local.region_account}:rule/${var.prefix}*"]
    logs                = ["${local.arn_prefix}:logs:${local.region_account}:log-group:*${var.prefix}*", "${local.arn_prefix}:logs:${local.region_account}:log-group:/aws-glue/*"]
    quicksight          = [for kind in ["datasource", "dataset", "dashboard"] : "${local.arn_prefix}:quicksight:${local.region_account}:${kind}/${var.prefix}*"]
    rds                 = ["${local.arn_prefix}:rds:${local.region_account}:*:${var.prefix}*"]
    redshift-serverless = ["${local.arn_prefix}:redshift-serverless:${local.region_account}:*"]
    s3                  = [for zone in ["ingested", "processed", "artifacts", "logs", "athena"] : "${local.arn_prefix}:s3:::${var.prefix}-${zone}*"]
    scheduler           = ["${local.arn_prefix}:scheduler:${local.region_account}:schedule/*/${var.prefix}*", "${local.arn_prefix}:scheduler:${local.region_account}:schedule-group/${var.prefix}*"]
    secretsmanager      = ["${local.arn_prefix}:secretsmanager:${local.region_account}:secret:${var.prefix}/*"]
    sns                 = ["${local.arn_prefix}:sns:${local.region_account}:${var.prefix}*"]
    sqs                 = ["${local.arn_prefix}:sqs:${local.region_account}:${var.prefix}*"]
    # The catalog's databases are named totesys_…; Glue requires permission on the catalog in addition.
    glue = concat(
      [for kind in ["job", "workflow", "trigger", "crawler", "connection"] : "${local.arn_prefix}:glue:${local.region_account}:${kind}/${var.prefix}*"],
      ["${local.arn_prefix}:glue:${local.region_account}:catalog", "${local.arn_prefix}:glue:${local.region_account}:database/totesys_*", "${local.arn_prefix}:glue:${local.region_account}:table/totesys_*/*"],
    )
  }

  manage_named = [
    for service, resources in local.named_resources : {
      Sid      = "Manage${replace(title(service), "-", "")}"
      Effect   = "Allow"
      Action   = ["${service}:*"]
      Resource = resources
    }
  ]

  role_actions = [
    "iam:CreateRole", "iam:DeleteRole", "iam:UpdateRole", "iam:UpdateRoleDescription", "iam:UpdateAssumeRolePolicy",
    "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:TagRole",
    "iam:UntagRole",
  ]

  manage_roles = [
    {
      Sid      = "ManageRoles"
      Effect   = "Allow"
      Action   = local.role_actions
      Resource = ["${local.arn_prefix}:iam::${local.account}:role/${var.prefix}-*"]
    },
    {
      Sid    = "ManagePolicies"
      Effect = "Allow"
      Action = [
        "iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion",
        "iam:ListPolicyVersions", "iam:TagPolicy", "iam:UntagPolicy",
      ]
      Resource = ["${local.arn_prefix}:iam::${local.account}:policy/${var.prefix}-quicksight"]
    },
    {
      # Only the policy created for QuickSight may be attached to QuickSight's role.
      Sid       = "AttachQuickSightPolicy"
      Effect    = "Allow"
      Action    = ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
      Resource  = ["${local.arn_prefix}:iam::${local.account}:role/service-role/aws-quicksight-*"]
      Condition = { ArnEquals = { "iam:PolicyARN" = "${local.arn_prefix}:iam::${local.account}:policy/${var.prefix}-quicksight" } }
    },
    {
      # A GitHub workflow cannot extend its own role or the plan role.
      Sid      = "DenyOwnRoleChanges"
      Effect   = "Deny"
      Action   = local.role_actions
      Resource = ["${local.arn_prefix}:iam::${local.account}:role/${var.prefix}-github-*"]
    },
    {
      Sid       = "PassRoles"
      Effect    = "Allow"
      Action    = ["iam:PassRole"]
      Resource  = ["${local.arn_prefix}:iam::${local.account}:role/${var.prefix}-*"]
      Condition = { StringEquals = { "iam:PassedToService" = [for service in local.role_services : "${service}.amazonaws.com"] } }
    },
    {
      Sid       = "CreateServiceLinkedRoles"
      Effect    = "Allow"
      Action    = ["iam:CreateServiceLinkedRole"]
      Resource  = ["${local.arn_prefix}:iam::${local.account}:role/aws-service-role/*"]
      Condition = { StringEquals = { "iam:AWSServiceName" = ["rds.amazonaws.com", "redshift.amazonaws.com"] } }
    },
  ]

  role_services = ["glue", "scheduler", "redshift", "redshift-serverless", "monitoring.rds", "vpc-flow-logs"]

  manage_unnamed = {
    Sid    = "ManageUnnamedResources"
    Effect = "Allow"
    Action = [
      "ec2:*Vpc*", "ec2:*Subnet*", "ec2:*RouteTable*", "ec2:*Route", "ec2:*SecurityGroup*", "ec2:*FlowLogs",
      "ec2:*NetworkAcl*", "ec2:CreateTags", "ec2:DeleteTags", "kms:CreateKey", "kms:CreateAlias", "kms:DeleteAlias",
      "kms:UpdateAlias", "kms:PutKeyPolicy", "kms:EnableKeyRotation", "kms:ScheduleKeyDeletion", "kms:TagResource",
      "kms:UntagResource", "kms:UpdateKeyDescription", "kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey",
    ]
    Resource  = ["*"]
    Condition = { StringEquals = { "aws:RequestedRegion" = local.region } }
  }
}
