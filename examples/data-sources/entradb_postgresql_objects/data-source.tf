# What an ownership would move, shown before it is there.
data "entradb_postgresql_objects" "openmetadata" {
  server   = var.postgresql_server_id
  database = "openmetadata_db"
  owner    = "openmetadata_user"
}

output "to_be_moved" {
  value = [for object in data.entradb_postgresql_objects.openmetadata.objects : object.identity if object.movable]
}

output "objects_by_owner" {
  value = data.entradb_postgresql_objects.openmetadata.owners
}

variable "postgresql_server_id" {
  type = string
}
