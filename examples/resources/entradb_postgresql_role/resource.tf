# Several identities own the tables of one application together: each is a member of this role.
resource "entradb_postgresql_role" "owner" {
  server = var.postgresql_server_id
  name   = "openmetadata_owner"

  # When the role is destroyed, what it owns goes to another one.
  owned_objects     = "reassign"
  reassign_owned_to = "pgadmin"
}

variable "postgresql_server_id" {
  type = string
}
