# Who OpenMetadata is: an identity without a secret, trusted when the cluster vouches for its service account.

resource "entradb_managed_identity" "app" {
  name                = var.identity_name
  resource_group_name = var.resource_group_name
  location            = var.location
}

resource "entradb_federated_credential" "app" {
  name                = "aks"
  managed_identity_id = entradb_managed_identity.app.id
  aks_cluster_id      = var.cluster_id
  namespace           = var.namespace
  service_account     = var.service_account
}

# Who manages the server: whoever runs Terraform. An administrator that is there already is left as it is.

data "entradb_client_config" "me" {}

resource "entradb_entra_admin" "terraform" {
  server_id      = var.server_id
  object_id      = data.entradb_client_config.me.object_id
  principal_type = data.entradb_client_config.me.principal_type
  name           = data.entradb_client_config.me.name
  adopt_existing = true
}

# What OpenMetadata is in the database, and what it may do there, now and later.

resource "entradb_postgresql_user" "app" {
  server      = entradb_entra_admin.terraform.server_id
  identity_id = entradb_managed_identity.app.id # name, object ID and type follow
}

resource "entradb_postgresql_access" "app" {
  server              = entradb_postgresql_user.app.server
  database            = var.database
  grantee             = entradb_postgresql_user.app.name
  database_privileges = ["CONNECT", "CREATE", "TEMPORARY"] # CREATE: migrations install extensions

  schema {
    name  = "public"
    level = "all" # existing and future objects
  }
}

# What the old user owns becomes OpenMetadata's. The old user keeps working: it becomes a member of the new owner.

resource "entradb_postgresql_ownership" "app" {
  count = var.move_ownership ? 1 : 0

  server          = entradb_postgresql_user.app.server
  database        = var.database
  owner           = entradb_postgresql_access.app.grantee
  previous_owners = [var.previous_owner]
  on_destroy      = "restore" # each object goes back to the owner it was taken from
}

# With move_ownership = false: what true would move.

data "entradb_postgresql_objects" "before" {
  count = var.move_ownership ? 0 : 1

  server   = entradb_postgresql_user.app.server
  database = entradb_postgresql_access.app.database
  owner    = var.previous_owner

  depends_on = [entradb_postgresql_access.app]
}
