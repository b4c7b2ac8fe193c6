variable "server_id" {
  type        = string
  description = "The ARM ID of the database server."
}

data "entradb_principal" "administrators" {
  group_name = "Database administrators"
}

data "entradb_principal" "guest" {
  user_principal_name = "jane_example.org#EXT#@contoso.onmicrosoft.com"
}

resource "entradb_entra_admin" "group" {
  server_id      = var.server_id
  object_id      = data.entradb_principal.administrators.object_id
  principal_type = data.entradb_principal.administrators.principal_type
  name           = data.entradb_principal.administrators.display_name
}

output "guest" {
  value = data.entradb_principal.guest.object_id
}
