mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  prefix         = "totelake-test"
  database_ports = [5432, 5439, 5432]
  services       = ["glue", "secretsmanager", "sts"]
}

run "new_vpc_has_no_internet_access" {
  module {
    source = "./modules/network"
  }

  variables {
    peer = { vpc_id = "vpc-source", cidr_block = "10.2.0.0/16", route_table_ids = ["rtb-source"] }
  }

  assert {
    condition = { for zone, subnet in aws_subnet.this : zone => subnet.cidr_block } == {
      eu-west-2a = "10.64.0.0/22", eu-west-2b = "10.64.4.0/22", eu-west-2c = "10.64.8.0/22"
    }
    error_message = "There is a private subnet in each of three zones."
  }

  assert {
    condition     = keys(aws_route_table_association.this) == keys(aws_subnet.this)
    error_message = "Every subnet has the route table without an internet route."
  }

  assert {
    condition = alltrue([
      for rule in [aws_vpc_security_group_ingress_rule.workers, aws_vpc_security_group_egress_rule.workers] :
      rule.referenced_security_group_id == aws_security_group.jobs.id
      && [rule.ip_protocol, tostring(rule.from_port), tostring(rule.to_port)] == ["tcp", "0", "65535"]
    ])
    error_message = "All TCP is allowed from the group itself, as Glue requires."
  }

  assert {
    condition = keys(aws_vpc_security_group_egress_rule.databases) == [
      "10.2.0.0/16:5432", "10.2.0.0/16:5439", "10.64.0.0/20:5432", "10.64.0.0/20:5439",
    ]
    error_message = "Databases are reachable in the VPC and its peer, on their ports only."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.s3.prefix_list_id != null && aws_vpc_security_group_egress_rule.aws.to_port == 443
    error_message = "Besides databases, only S3 and endpoints in the VPC are reachable."
  }

  assert {
    condition = alltrue([
      aws_route.to_peer[0].destination_cidr_block == "10.2.0.0/16",
      aws_route.from_peer["rtb-source"].destination_cidr_block == "10.64.0.0/20",
    ])
    error_message = "Both sides of the peering have routes."
  }

  assert {
    condition     = output.services == tolist(["glue", "secretsmanager", "sts"])
    error_message = "Every service has an endpoint."
  }

  assert {
    condition     = module.flow_log[0].log_group == "/aws/vpc/totelake-test"
    error_message = "The VPC has a flow log."
  }

  assert {
    condition     = output.placement.availability_zone == "eu-west-2a" && one(output.placement.security_group_ids) == aws_security_group.jobs.id
    error_message = "Jobs are placed in the first subnet, with the jobs' security group."
  }
}

run "existing_vpc_is_not_changed" {
  module {
    source = "./modules/network"
  }

  variables {
    vpc_id               = "vpc-1"
    subnet_ids           = ["subnet-1", "subnet-2"]
    database_cidr_blocks = ["192.168.0.0/24"]
    https_cidr_blocks    = ["0.0.0.0/0"]
    services             = []
  }

  assert {
    condition = (
      length(aws_vpc.this) + length(aws_subnet.this) + length(aws_route_table.this) + length(module.flow_log)
      + length(aws_route_table_association.this) + length(aws_route.to_peer)
      + length(aws_route.from_peer) + length(module.endpoints.services) == 0
      && !local.gateway
    )
    error_message = "Only the jobs' security group is created."
  }

  assert {
    condition     = local.shared_cidr_blocks == tolist(["10.1.0.0/16", "100.64.0.0/16"])
    error_message = "All of the VPC may use the endpoints that are asked for."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.https["0.0.0.0/0"].to_port == 443
    error_message = "The jobs may reach AWS through a NAT gateway if configured."
  }

  assert {
    condition = output.placement == {
      availability_zone = "eu-west-2b", subnet_id = "subnet-1", security_group_ids = [aws_security_group.jobs.id]
    }
    error_message = "Jobs are placed in the first given subnet and its zone."
  }

  assert {
    condition = toset(keys(aws_vpc_security_group_egress_rule.databases)) == toset([
      "10.1.0.0/16:5432", "10.1.0.0/16:5439", "192.168.0.0/24:5432", "192.168.0.0/24:5439",
    ])
    error_message = "Databases are reachable in the VPC and in the given CIDR blocks."
  }
}

run "endpoints_are_limited_to_the_jobs_and_this_account" {
  module {
    source = "./modules/endpoints"
  }

  variables {
    vpc_id                   = "vpc-1"
    subnet_id                = "subnet-1"
    gateway                  = true
    route_table_ids          = ["rtb-1"]
    client_security_group_id = "sg-jobs"
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.subnet_ids == toset(["subnet-1"])])
    error_message = "An endpoint is in one availability zone, because each zone is billed."
  }

  assert {
    condition     = aws_vpc_endpoint.s3[0].vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.s3[0].route_table_ids == toset(["rtb-1"])
    error_message = "S3 has a gateway endpoint, which is free."
  }

  assert {
    condition     = aws_vpc_endpoint.interface["sts"].service_name == "com.amazonaws.eu-west-2.sts" && aws_vpc_endpoint.interface["sts"].private_dns_enabled
    error_message = "Interface endpoints have private DNS."
  }

  assert {
    condition = alltrue([
      for endpoint in concat(values(aws_vpc_endpoint.interface), aws_vpc_endpoint.s3) :
      jsondecode(endpoint.policy).Statement[0].Condition.StringEquals["aws:PrincipalAccount"] == "123456789012"
    ])
    error_message = "Endpoints refuse credentials of other accounts."
  }

  assert {
    condition = [
      for rule in values(aws_vpc_security_group_ingress_rule.this) : [rule.referenced_security_group_id == "sg-jobs", rule.to_port == 443]
    ] == [[true, true]]
    error_message = "Only the jobs may connect to the endpoints."
  }
}

run "endpoints_in_an_existing_vpc_serve_its_other_workloads" {
  module {
    source = "./modules/endpoints"
  }

  variables {
    vpc_id                   = "vpc-1"
    subnet_id                = "subnet-1"
    gateway                  = true
    route_table_ids          = ["rtb-1"]
    client_security_group_id = "sg-jobs"
    shared_cidr_blocks       = ["10.1.0.0/16", "100.64.0.0/16"]
  }

  assert {
    condition     = toset(values(aws_vpc_security_group_ingress_rule.this)[*].cidr_ipv4) == toset(["10.1.0.0/16", "100.64.0.0/16"])
    error_message = "The endpoints' DNS names apply to the whole VPC, so all of it may connect."
  }

  assert {
    condition     = local.policy == null
    error_message = "No request of other workloads is denied."
  }
}
