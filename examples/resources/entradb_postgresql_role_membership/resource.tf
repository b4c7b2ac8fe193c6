# Two identities share the tables of one application: both are members of the role that owns them.
resource "entradb_postgresql_role_membership" "owner" {
  for_each = toset(["openmetadata", "openmetadata-ingestion"])

  server = var.postgresql_server_id
  role   = "openmetadata_owner"
  member = each.key
}

# From PostgreSQL 16 on: may become the role with SET ROLE, and has nothing of it before that.
resource "entradb_postgresql_role_membership" "on_demand" {
  server         = var.postgresql_server_id
  role           = "openmetadata_owner"
  member         = "anna@contoso.com"
  inherit_option = false
}

variable "postgresql_server_id" {
  type = string
}
