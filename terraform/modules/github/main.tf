data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  issuer   = "token.actions.githubusercontent.com"
  provider = var.make_provider ? aws_iam_openid_connect_provider.this[0].arn : "arn:${local.partition}:iam::${local.account}:oidc-provider/${local.issuer}"

  # Each role is one environment's of the repository, whose rules say which branches and whose approval that takes.
  roles = { deploy = var.environment, plan = "${var.environment}-plan" }
}

resource "aws_iam_openid_connect_provider" "this" {
  count = var.make_provider ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name                 = "${var.prefix}-github-${each.key}"
  description          = "What workflows of ${var.repository} may do in its environment ${each.value}."
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
        # A plan takes the lock and gives it back; only a deployment writes the state.
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:DeleteObject"]
        Resource = ["${var.state_arn}/totelake.tfstate.tflock"]
      },
    ]
  })
}

# Looks at every resource, and at no data that is in one: neither rows nor secrets.
resource "aws_iam_role_policy" "read" {
  #checkov:skip=CKV_AWS_355: A plan looks at whatever is there, by calls most of which AWS does not limit to a resource.
  for_each = local.roles

  name   = "read"
  role   = aws_iam_role.this[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = [local.look, local.look_at_artifacts, local.look_at_quicksight] })
}

resource "aws_iam_role_policy" "deploy" {
  #checkov:skip=CKV_AWS_286: It makes the jobs' roles, so it decides what they may do; only roles of this prefix, handed only to the services that are named.
  #checkov:skip=CKV_AWS_287: Of secrets it reads and writes those of this prefix, which it makes.
  #checkov:skip=CKV_AWS_289: Roles, keys and policies are part of what is deployed; names limit them to this prefix where AWS allows it.
  #checkov:skip=CKV_AWS_290: What has a name is limited to this prefix; KMS and EC2 give their resources no name.
  #checkov:skip=CKV_AWS_355: KMS and EC2 give their resources no name of ours; the region is the limit.
  name = "deploy"
  role = aws_iam_role.this["deploy"].id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat([local.write_state, local.change_unnamed], local.change_named, local.change_roles)
  })
}

locals {
  here = "${local.region}:${local.account}"
  arn  = "arn:${local.partition}"

  look = {
    Sid    = "LookAtResources"
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

  look_at_artifacts = {
    Sid      = "LookAtArtifacts"
    Effect   = "Allow"
    Action   = ["s3:GetObject", "s3:GetObjectTagging"]
    Resource = ["arn:${local.partition}:s3:::${var.prefix}-artifacts/*"]
  }

  look_at_quicksight = {
    Sid      = "LookAtQuickSight"
    Effect   = "Allow"
    Action   = ["quicksight:Describe*", "quicksight:List*"]
    Resource = local.named.quicksight
  }

  write_state = {
    Sid      = "WriteState"
    Effect   = "Allow"
    Action   = ["s3:PutObject"]
    Resource = ["${var.state_arn}/totelake.tfstate"]
  }

  # What carries the prefix in its name, by service. The state's bucket does too, and is no part of a deployment.
  named = {
    athena              = ["${local.arn}:athena:${local.here}:workgroup/${var.prefix}*"]
    budgets             = ["${local.arn}:budgets::${local.account}:budget/${var.prefix}*"]
    cloudwatch          = ["${local.arn}:cloudwatch:${local.here}:alarm:${var.prefix}*", "${local.arn}:cloudwatch::${local.account}:dashboard/${var.prefix}*"]
    events              = ["${local.arn}:events:${local.here}:rule/${var.prefix}*"]
    logs                = ["${local.arn}:logs:${local.here}:log-group:*${var.prefix}*", "${local.arn}:logs:${local.here}:log-group:/aws-glue/*"]
    quicksight          = [for kind in ["datasource", "dataset", "dashboard"] : "${local.arn}:quicksight:${local.here}:${kind}/${var.prefix}*"]
    rds                 = ["${local.arn}:rds:${local.here}:*:${var.prefix}*"]
    redshift-serverless = ["${local.arn}:redshift-serverless:${local.here}:*"]
    s3                  = [for zone in ["ingested", "processed", "artifacts", "logs", "athena"] : "${local.arn}:s3:::${var.prefix}-${zone}*"]
    scheduler           = ["${local.arn}:scheduler:${local.here}:schedule/*/${var.prefix}*", "${local.arn}:scheduler:${local.here}:schedule-group/${var.prefix}*"]
    secretsmanager      = ["${local.arn}:secretsmanager:${local.here}:secret:${var.prefix}/*"]
    sns                 = ["${local.arn}:sns:${local.here}:${var.prefix}*"]
    sqs                 = ["${local.arn}:sqs:${local.here}:${var.prefix}*"]
    # The catalog's databases are totesys_…, and Glue asks for the right to the catalog with each of them.
    glue = concat(
      [for kind in ["job", "workflow", "trigger", "crawler", "connection"] : "${local.arn}:glue:${local.here}:${kind}/${var.prefix}*"],
      ["${local.arn}:glue:${local.here}:catalog", "${local.arn}:glue:${local.here}:database/totesys_*", "${local.arn}:glue:${local.here}:table/totesys_*/*"],
    )
  }

  change_named = [
    for service, resources in local.named : {
      Sid      = "Change${replace(title(service), "-", "")}"
      Effect   = "Allow"
      Action   = ["${service}:*"]
      Resource = resources
    }
  ]

  change_actions = [
    "iam:CreateRole", "iam:DeleteRole", "iam:UpdateRole", "iam:UpdateRoleDescription", "iam:UpdateAssumeRolePolicy",
    "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:TagRole",
    "iam:UntagRole",
  ]

  change_roles = [
    {
      Sid      = "ChangeRoles"
      Effect   = "Allow"
      Action   = local.change_actions
      Resource = ["${local.arn}:iam::${local.account}:role/${var.prefix}-*"]
    },
    {
      Sid    = "ChangePolicies"
      Effect = "Allow"
      Action = [
        "iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion",
        "iam:ListPolicyVersions", "iam:TagPolicy", "iam:UntagPolicy",
      ]
      Resource = ["${local.arn}:iam::${local.account}:policy/${var.prefix}-quicksight"]
    },
    {
      # QuickSight's own role gets the one policy that is made for it, and no other.
      Sid       = "LetQuickSightAsk"
      Effect    = "Allow"
      Action    = ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
      Resource  = ["${local.arn}:iam::${local.account}:role/service-role/aws-quicksight-*"]
      Condition = { ArnEquals = { "iam:PolicyARN" = "${local.arn}:iam::${local.account}:policy/${var.prefix}-quicksight" } }
    },
    {
      # A workflow gives neither itself nor the one that plans more than bootstrap gave it.
      Sid      = "KeepOwnRoles"
      Effect   = "Deny"
      Action   = local.change_actions
      Resource = ["${local.arn}:iam::${local.account}:role/${var.prefix}-github-*"]
    },
    {
      Sid       = "HandRolesToServices"
      Effect    = "Allow"
      Action    = ["iam:PassRole"]
      Resource  = ["${local.arn}:iam::${local.account}:role/${var.prefix}-*"]
      Condition = { StringEquals = { "iam:PassedToService" = [for service in local.role_takers : "${service}.amazonaws.com"] } }
    },
    {
      Sid       = "MakeTheRolesOfServices"
      Effect    = "Allow"
      Action    = ["iam:CreateServiceLinkedRole"]
      Resource  = ["${local.arn}:iam::${local.account}:role/aws-service-role/*"]
      Condition = { StringEquals = { "iam:AWSServiceName" = ["rds.amazonaws.com", "redshift.amazonaws.com"] } }
    },
  ]

  role_takers = ["glue", "scheduler", "redshift", "redshift-serverless", "monitoring.rds", "vpc-flow-logs"]

  change_unnamed = {
    Sid    = "ChangeWhatHasNoName"
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
