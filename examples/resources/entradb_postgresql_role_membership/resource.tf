resource "entradb_postgresql_role" "owner" {
  server = var.postgresql_server_id
  name   = "openmetadata_owner"
}

# Two users share the tables of one application: both are members of the role that owns them. They exist already; where they are made in the
# same configuration, refer to them (`entradb_postgresql_user.app.name`), so that they are made first.
resource "entradb_postgresql_role_membership" "owner" {
  for_each = toset(["openmetadata", "openmetadata-ingestion"])

  server = entradb_postgresql_role.owner.server
  role   = entradb_postgresql_role.owner.name
  member = each.key
}

# From PostgreSQL 16 on: may become the role with SET ROLE, and has nothing of it before that.
resource "entradb_postgresql_role_membership" "on_demand" {
  server         = entradb_postgresql_role.owner.server
  role           = entradb_postgresql_role.owner.name
  member         = "anna@contoso.com"
  inherit_option = false
}

variable "postgresql_server_id" {
  type = string
}
