# The application may do everything in its schema, with what is there and with what will be made later.
resource "entradb_postgresql_access" "app" {
  server              = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/data-platform/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg-data"
  database            = "openmetadata_db"
  grantee             = "openmetadata"
  database_privileges = ["CONNECT", "TEMPORARY"]

  schema {
    name  = "public"
    level = "all"
  }
}

# A reporting role may look at the tables of the schema, and at nothing else in the database.
resource "entradb_postgresql_access" "reporting" {
  server              = "pg-data.postgres.database.azure.com"
  database            = "openmetadata_db"
  grantee             = "reporting"
  database_privileges = ["CONNECT"]
  exclusive           = true

  schema {
    name              = "public"
    privileges        = ["USAGE"]
    tables            = ["SELECT"]
    future_objects_of = ["openmetadata"]
  }
}

# Nobody connects, or calls the functions that the schema has now, only because everybody can. A function that is made later can be called by everybody
# until the next apply. Terraform's own role keeps its way in.
resource "entradb_postgresql_access" "terraform" {
  server              = "pg-data.postgres.database.azure.com"
  database            = "openmetadata_db"
  grantee             = "terraform"
  database_privileges = ["CONNECT"]
}

resource "entradb_postgresql_access" "everybody" {
  server              = "pg-data.postgres.database.azure.com"
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
