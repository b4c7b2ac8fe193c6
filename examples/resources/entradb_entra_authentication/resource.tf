# PostgreSQL: Entra first, then the administrator. Switch passwords off in a later apply, when everybody has moved.
variable "postgresql_server_id" {
  type        = string
  description = "The ARM ID of the PostgreSQL server."
}

resource "entradb_entra_authentication" "postgresql" {
  server_id        = var.postgresql_server_id
  entra_enabled    = true
  password_enabled = true
}

resource "entradb_entra_admin" "postgresql" {
  server_id      = entradb_entra_authentication.postgresql.server_id
  object_id      = "11111111-1111-1111-1111-111111111111"
  principal_type = "Group"
  name           = "database-operators"
}

# Azure SQL: the administrator first, then "Entra only". Passwords are given back before the administrator goes.
variable "sql_server_id" {
  type        = string
  description = "The ARM ID of the Azure SQL server or managed instance."
}

resource "entradb_entra_admin" "sql" {
  server_id      = var.sql_server_id
  object_id      = "11111111-1111-1111-1111-111111111111"
  principal_type = "Group"
  name           = "database-operators"
}

resource "entradb_entra_authentication" "sql" {
  server_id        = entradb_entra_admin.sql.server_id
  password_enabled = false
  force            = true # the provider cannot check Azure SQL yet
}
