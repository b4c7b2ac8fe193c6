resource "entradb_postgresql_user" "app" {
  server      = var.postgresql_server_id
  identity_id = var.identity_id
}

# Everything that the password user created now belongs to the identity. The password user keeps working, migrations included, until the
# application signs in with its identity; and destroying this gives everything back.
resource "entradb_postgresql_ownership" "app" {
  server          = entradb_postgresql_user.app.server
  database        = "openmetadata_db"
  owner           = entradb_postgresql_user.app.name
  previous_owners = ["openmetadata_user"]
  on_destroy      = "restore"
}

# Several identities share what is in a schema: a role that nobody logs in as owns it.
resource "entradb_postgresql_role" "reporting" {
  server = var.postgresql_server_id
  name   = "reporting_owner"
}

resource "entradb_postgresql_ownership" "reporting" {
  server                = entradb_postgresql_role.reporting.server
  database              = "warehouse"
  owner                 = entradb_postgresql_role.reporting.name
  schemas               = ["reporting", "staging"]
  object_types          = ["schema", "table", "view", "sequence"]
  previous_owner_access = "privileges"
}

variable "postgresql_server_id" {
  type = string
}

variable "identity_id" {
  type = string
}
