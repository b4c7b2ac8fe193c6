variable "server_id" {
  type        = string
  description = "The ARM ID of the database server."
}

# Whoever runs Terraform, so that it can create the users in the databases. Only if every run signs in as the same principal: otherwise
# make a group the administrator, as below, and put everybody who runs Terraform into it.
data "entradb_client_config" "me" {}

resource "entradb_entra_admin" "terraform" {
  server_id      = var.server_id
  object_id      = data.entradb_client_config.me.object_id
  principal_type = data.entradb_client_config.me.principal_type
  name           = data.entradb_client_config.me.name
  adopt_existing = true
}

# A group of people. They log in with the name of the group.
resource "entradb_entra_admin" "operators" {
  server_id      = var.server_id
  object_id      = "11111111-1111-1111-1111-111111111111"
  principal_type = "Group"
  name           = "database-operators"
}

# A managed identity: its object ID, its type and its name follow.
resource "entradb_managed_identity" "migration" {
  name                = "migration"
  resource_group_name = "data-platform"
  location            = "westeurope"
}

resource "entradb_entra_admin" "migration" {
  server_id   = var.server_id
  identity_id = entradb_managed_identity.migration.id
}

# MySQL has one administrator, and asks the directory with an identity of its own. Give this identity the directory role Directory Readers
# before the administrator is applied.
resource "entradb_managed_identity" "lookup" {
  name                = "mysql-directory-lookup"
  resource_group_name = "data-platform"
  location            = "westeurope"
}

resource "entradb_entra_admin" "mysql" {
  server_id              = var.mysql_server_id
  identity_id            = entradb_managed_identity.migration.id
  server_identity_id     = entradb_managed_identity.lookup.id
  attach_server_identity = true
}

variable "mysql_server_id" {
  type        = string
  description = "The ARM ID of the MySQL server."
}
