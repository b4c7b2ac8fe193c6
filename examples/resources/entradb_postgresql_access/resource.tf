variable "postgresql_server_id" {
  type = string
}

variable "identity_id" {
  type = string
}

# The application may do everything in its schema, with what is there and with what will be made later.
resource "entradb_postgresql_user" "app" {
  server      = var.postgresql_server_id
  identity_id = var.identity_id
}

resource "entradb_postgresql_access" "app" {
  server              = entradb_postgresql_user.app.server
  database            = "openmetadata_db"
  grantee             = entradb_postgresql_user.app.name
  database_privileges = ["CONNECT", "TEMPORARY"]

  schema {
    name  = "public"
    level = "all"
  }
}

# A reporting role may look at the tables of the schema, and at nothing else in the database.
resource "entradb_postgresql_role" "reporting" {
  server = var.postgresql_server_id
  name   = "reporting"
}

resource "entradb_postgresql_access" "reporting" {
  server              = entradb_postgresql_role.reporting.server
  database            = "openmetadata_db"
  grantee             = entradb_postgresql_role.reporting.name
  database_privileges = ["CONNECT"]
  exclusive           = true

  schema {
    name              = "public"
    privileges        = ["USAGE"]
    tables            = ["SELECT"]
    future_objects_of = [entradb_postgresql_user.app.name]
  }
}

# Nobody connects, or calls the functions that the schema has now, merely because everybody can. A function that is made later can be called by
# everybody until the next apply. Terraform's own role keeps its way in.
resource "entradb_postgresql_access" "terraform" {
  server              = var.postgresql_server_id
  database            = "openmetadata_db"
  grantee             = "terraform"
  database_privileges = ["CONNECT"]
}

resource "entradb_postgresql_access" "everybody" {
  server              = var.postgresql_server_id
  database            = "openmetadata_db"
  grantee             = "PUBLIC"
  database_privileges = []
  exclusive           = true

  schema {
    name       = "public"
    privileges = []
    functions  = []
  }

  depends_on = [entradb_postgresql_access.terraform]
}
