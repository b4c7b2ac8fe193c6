variable "server_id" {
  type        = string
  description = "The ARM ID of the database server."
}

data "entradb_server" "data" {
  server_id = var.server_id
}

check "passwordless" {
  assert {
    condition     = data.entradb_server.data.entra_enabled && !data.entradb_server.data.password_enabled
    error_message = "Passwords are still enabled on ${data.entradb_server.data.host}."
  }
}

output "how_to_reach_it" {
  value = data.entradb_server.data.network
}
