data "entradb_client_config" "me" {}

output "signed_in_as" {
  value = "${data.entradb_client_config.me.principal_type} ${data.entradb_client_config.me.name}"
}
