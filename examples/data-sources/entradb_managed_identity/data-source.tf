# An identity that another unit made.
data "entradb_managed_identity" "app" {
  name                = "openmetadata"
  resource_group_name = "data-platform"
}

output "client_id" {
  value = data.entradb_managed_identity.app.client_id
}
