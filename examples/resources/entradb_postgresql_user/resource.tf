# A managed identity logs in under its own name. The name, the object ID and the kind of principal follow from it.
resource "entradb_postgresql_user" "app" {
  server      = var.postgresql_server_id
  identity_id = entradb_managed_identity.app.id

  settings = {
    search_path       = "app, public"
    statement_timeout = "30s"
  }
}

# A user with a password becomes the identity's, and keeps what it owns and may do. New logins take a token from then on: let no application run
# that still logs in with the password.
resource "entradb_postgresql_user" "moved" {
  server         = var.postgresql_server_id
  name           = "openmetadata_user"
  identity_id    = entradb_managed_identity.openmetadata.id
  adopt_existing = true
}

# The members of a group log in with the name of the group.
resource "entradb_postgresql_user" "analysts" {
  server         = "pg-data.postgres.database.azure.com"
  name           = "analysts"
  object_id      = var.analysts_group_id
  principal_type = "Group"
}

# One provider block serves every server.
resource "entradb_postgresql_user" "everywhere" {
  for_each = toset(["pg-data.postgres.database.azure.com", "pg-warehouse.postgres.database.azure.com"])

  server      = each.key
  identity_id = entradb_managed_identity.openmetadata.id
}

variable "postgresql_server_id" {
  type = string
}

variable "analysts_group_id" {
  type = string
}

resource "entradb_managed_identity" "app" {
  name                = "app"
  resource_group_name = "data-platform"
  location            = "westeurope"
}

resource "entradb_managed_identity" "openmetadata" {
  name                = "openmetadata"
  resource_group_name = "data-platform"
  location            = "westeurope"
}
