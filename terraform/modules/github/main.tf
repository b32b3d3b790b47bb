data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account        = data.aws_caller_identity.current.account_id
  partition      = data.aws_partition.current.partition
  region         = data.aws_region.current.name
  region_account = "${local.region}:${local.account}"
  arn_prefix     = "arn:${local.partition}"

  issuer   = "token.actions.githubusercontent.com"
  provider = var.create_provider ? aws_iam_openid_connect_provider.this[0].arn : "${local.arn_prefix}:iam::${local.account}:oidc-provider/${local.issuer}"

  # Each role belongs to one environment of the repository, whose protection rules require branches and approvals.
  roles = { deploy = var.environment, plan = "${var.environment}-plan" }

  # GitHub puts the ids of owner and repository into the subject if the repository was created or renamed after
  # 2026-07-15; ids given here admit both forms.
  subjects = distinct([var.repository, replace(var.repository, "/@[0-9]+/", "")])
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
          "${local.issuer}:sub" = [for subject in local.subjects : "repo:${subject}:environment:${each.value}"]
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
        Resource = concat(["${var.state_arn}/totelake.tfstate.tflock"], each.key == "deploy" ? ["${var.state_arn}/totelake.tfstate"] : [])
      },
    ]
  })
}

# The plan of a pull request compares the configuration with the state and does not refresh it: unreviewed code can
# look up networks and the key, and reads neither rows nor secrets.
resource "aws_iam_role_policy" "plan" {
  #checkov:skip=CKV_AWS_355: These actions have no resource-level permissions; they are limited to the region.
  name = "plan"
  role = aws_iam_role.this["plan"].id

  policy = jsonencode({ Version = "2012-10-17", Statement = [local.look_up] })
}

# Managed policies: inline policies of a role are limited to 10,240 characters in all.
resource "aws_iam_policy" "deploy" {
  #checkov:skip=CKV_AWS_286: It creates the jobs' roles, with a permissions boundary and in a path of their own.
  #checkov:skip=CKV_AWS_287: It reads and writes only secrets of this prefix, which it creates.
  #checkov:skip=CKV_AWS_289: Roles and bucket policies are part of the deployment, limited to this prefix.
  #checkov:skip=CKV_AWS_290: Resources without names of their own are limited to the environment's tags or the region.
  #checkov:skip=CKV_AWS_355: Actions without resource-level permissions need the resource *, limited to the region.
  for_each = local.deploy_policies

  name        = "${var.prefix}-github-${each.key}"
  description = "Deployments of ${var.prefix}: ${each.key}."
  policy      = jsonencode({ Version = "2012-10-17", Statement = each.value })
}

resource "aws_iam_role_policy_attachment" "deploy" {
  for_each = aws_iam_policy.deploy

  role       = aws_iam_role.this["deploy"].name
  policy_arn = each.value.arn
}

locals {
  own_request  = { "aws:RequestTag/project" = "totelake", "aws:RequestTag/environment" = var.environment }
  own_resource = { "aws:ResourceTag/project" = "totelake", "aws:ResourceTag/environment" = var.environment }
  in_region    = { "aws:RequestedRegion" = local.region }

  look_up = {
    Sid       = "LookUp"
    Effect    = "Allow"
    Action    = ["ec2:DescribeManagedPrefixLists", "ec2:DescribeRouteTables", "ec2:DescribeSubnets", "ec2:DescribeVpcAttribute", "ec2:DescribeVpcs", "ec2:GetManagedPrefixListEntries", "kms:DescribeKey", "kms:ListAliases"]
    Resource  = ["*"]
    Condition = { StringEquals = local.in_region }
  }

  deploy_policies = {
    read      = [local.look_up, local.read]
    resources = concat(local.manage_named, local.manage_secrets, local.use_key, [local.keep_locked_data])
    network   = concat(local.manage_network, local.manage_redshift, [local.manage_unnamed])
    roles     = local.manage_roles
  }

  # The configuration of every resource. Most of these actions have no resource-level permissions.
  read = {
    Sid    = "ReadConfiguration"
    Effect = "Allow"
    Action = [
      "budgets:List*", "budgets:View*", "cloudwatch:Describe*", "cloudwatch:List*", "ec2:Describe*", "events:List*",
      "glue:GetDataCatalogEncryptionSettings", "glue:GetSecurityConfiguration", "glue:GetTags", "iam:GetRole",
      "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies",
      "logs:Describe*", "logs:ListTagsForResource", "rds:Describe*", "rds:ListTagsForResource", "redshift-serverless:Get*",
      "redshift-serverless:List*", "scheduler:List*", "secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy",
      "sns:GetSubscriptionAttributes", "sns:List*", "sqs:List*",
    ]
    Resource = ["*"]
  }

  # Resources whose names begin with the prefix, by service. The state bucket does too but is not part of a deployment.
  named_resources = {
    athena     = ["workgroup/${var.prefix}*"]
    cloudwatch = ["alarm:${var.prefix}*"]
    events     = ["rule/${var.prefix}*"]
    # The catalog's databases are named totesys_…; Glue requires permission on the catalog in addition.
    glue = concat(
      [for kind in ["connection", "crawler", "job", "trigger", "workflow"] : "${kind}/${var.prefix}*"],
      ["catalog", "database/totesys_*", "table/totesys_*/*", "userDefinedFunction/totesys_*/*"],
    )
    logs       = ["log-group:*${var.prefix}*"]
    quicksight = [for kind in ["dashboard", "dataset", "datasource"] : "${kind}/${var.prefix}*"]
    # The default option group of the engine belongs to AWS.
    rds            = ["*:${var.prefix}*", "og:default*"]
    scheduler      = ["schedule/*/${var.prefix}*"]
    secretsmanager = ["secret:${var.prefix}/*"]
    sns            = ["${var.prefix}*"]
    sqs            = ["${var.prefix}*"]
  }
  global_resources = {
    budgets    = ["${local.arn_prefix}:budgets::${local.account}:budget/${var.prefix}*"]
    cloudwatch = ["${local.arn_prefix}:cloudwatch::${local.account}:dashboard/${var.prefix}*"]
    s3         = [for zone in ["access-logs", "artifacts", "ingested", "processed"] : "${local.arn_prefix}:s3:::${var.prefix}-${zone}*"]
  }
  named_arns = {
    for service in setunion(keys(local.named_resources), keys(local.global_resources)) : service => concat(
      [for name in lookup(local.named_resources, service, []) : "${local.arn_prefix}:${service}:${local.region_account}:${name}"],
      lookup(local.global_resources, service, []),
    )
  }

  manage_named = [
    for service, resources in local.named_arns : {
      Sid      = "Manage${replace(title(service), "-", "")}"
      Effect   = "Allow"
      Action   = ["${service}:*"]
      Resource = resources
    }
  ]

  # Secrets that RDS and Redshift manage for the warehouses: created and tagged with the caller's permissions.
  manage_secrets = [{
    Sid    = "ManageManagedSecrets"
    Effect = "Allow"
    Action = [
      "secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:RotateSecret",
      "secretsmanager:TagResource", "secretsmanager:UpdateSecret",
    ]
    Resource = [for name in ["rds!*", "redshift!*"] : "${local.arn_prefix}:secretsmanager:${local.region_account}:secret:${name}"]
  }]

  use_key = [for arn in var.kms_key_arn[*] : {
    Sid      = "UseKey"
    Effect   = "Allow"
    Action   = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:RetireGrant"]
    Resource = [arn]
  }]

  # Whoever empties a bucket may delete locked versions; a deployment may not.
  keep_locked_data = {
    Sid      = "DenyBypassOfRetention"
    Effect   = "Deny"
    Action   = ["s3:BypassGovernanceRetention"]
    Resource = ["*"]
  }

  # Actions without resource-level permissions, none of which gives access to resources of others.
  manage_unnamed = {
    Sid    = "ManageUnnamedResources"
    Effect = "Allow"
    Action = [
      "cloudwatch:PutCompositeAlarm", "glue:CreateCrawler", "glue:CreateSecurityConfiguration",
      "glue:DeleteSecurityConfiguration", "quicksight:CreateDataSource", "redshift-serverless:CreateUsageLimit", "redshift-serverless:DeleteUsageLimit",
      "redshift-serverless:UpdateUsageLimit", "route53:AssociateVPCWithHostedZone",
      "secretsmanager:GetRandomPassword", "sns:Unsubscribe",
    ]
    Resource  = ["*"]
    Condition = { StringEquals = local.in_region }
  }

  # The ARNs of namespaces and workgroups have generated ids.
  manage_redshift = [
    {
      Sid       = "CreateRedshift"
      Effect    = "Allow"
      Action    = ["redshift-serverless:CreateNamespace", "redshift-serverless:CreateWorkgroup", "redshift-serverless:TagResource"]
      Resource  = ["${local.arn_prefix}:redshift-serverless:${local.region_account}:*"]
      Condition = { StringEquals = local.own_request }
    },
    {
      Sid       = "ManageRedshift"
      Effect    = "Allow"
      Action    = ["redshift-serverless:*"]
      Resource  = ["${local.arn_prefix}:redshift-serverless:${local.region_account}:*"]
      Condition = { StringEquals = local.own_resource }
    },
  ]

  ec2 = "${local.arn_prefix}:ec2:${local.region_account}"
  # A resource is created with the environment's tags, in a network that has them or is listed in network_resources.
  created_in_network = {
    CreateFlowLogs                = "vpc-flow-log"
    CreateRouteTable              = "route-table"
    CreateSecurityGroup           = "security-group"
    CreateSubnet                  = "subnet"
    CreateVpc                     = "vpc"
    CreateVpcEndpoint             = "vpc-endpoint"
    CreateVpcPeeringConnection    = "vpc-peering-connection"
    AuthorizeSecurityGroupEgress  = "security-group-rule"
    AuthorizeSecurityGroupIngress = "security-group-rule"
  }
  manage_network = concat(
    [
      for kind in distinct(values(local.created_in_network)) : {
        Sid       = "Create${replace(title(replace(kind, "-", " ")), " ", "")}"
        Effect    = "Allow"
        Action    = [for action, created in local.created_in_network : "ec2:${action}" if created == kind]
        Resource  = ["${local.ec2}:${kind}/*"]
        Condition = { StringEquals = local.own_request }
      }
    ],
    [
      {
        Sid       = "TagCreatedResources"
        Effect    = "Allow"
        Action    = ["ec2:CreateTags"]
        Resource  = [for kind in distinct(values(local.created_in_network)) : "${local.ec2}:${kind}/*"]
        Condition = { StringEquals = { "ec2:CreateAction" = keys(local.created_in_network) } }
      },
      {
        Sid    = "ManageNetwork"
        Effect = "Allow"
        Action = [
          "ec2:Accept*", "ec2:Associate*", "ec2:Authorize*", "ec2:Create*", "ec2:Delete*", "ec2:Disassociate*",
          "ec2:Modify*", "ec2:Replace*", "ec2:Revoke*", "ec2:Update*",
        ]
        Resource  = ["${local.ec2}:*"]
        Condition = { StringEquals = local.own_resource }
      },
    ],
    [for resources in length(var.network_resources) == 0 ? [] : [var.network_resources] : {
      Sid    = "UseExistingNetwork"
      Effect = "Allow"
      Action = [
        "ec2:AcceptVpcPeeringConnection", "ec2:CreateRoute", "ec2:CreateSecurityGroup", "ec2:CreateVpcEndpoint",
        "ec2:CreateVpcPeeringConnection", "ec2:DeleteRoute", "ec2:ModifyVpcEndpoint", "ec2:ReplaceRoute",
      ]
      Resource = [for name in resources : "${local.ec2}:${name}"]
    }],
  )

  roles_path = "${local.arn_prefix}:iam::${local.account}:role/${var.prefix}/*"

  manage_roles = [
    {
      # A role gets its permissions only with the boundary, which no deployment can change or remove.
      Sid    = "GrantWithinBoundary"
      Effect = "Allow"
      Action = [
        "iam:CreateRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy",
      ]
      Resource  = [local.roles_path]
      Condition = { StringEquals = { "iam:PermissionsBoundary" = var.boundary_arn } }
    },
    {
      Sid      = "AttachMonitoringPolicy"
      Effect   = "Allow"
      Action   = ["iam:AttachRolePolicy"]
      Resource = [local.roles_path]
      Condition = {
        StringEquals = { "iam:PermissionsBoundary" = var.boundary_arn }
        ArnEquals    = { "iam:PolicyARN" = "${local.arn_prefix}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole" }
      }
    },
    {
      Sid      = "ManageRoles"
      Effect   = "Allow"
      Action   = ["iam:DeleteRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription"]
      Resource = [local.roles_path]
    },
    {
      Sid       = "PassRoles"
      Effect    = "Allow"
      Action    = ["iam:PassRole"]
      Resource  = [local.roles_path]
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

  role_services = ["events", "glue", "monitoring.rds", "redshift", "redshift-serverless", "scheduler", "vpc-flow-logs"]
}
