variable "client_id" {
  type        = string
  description = "The client ID of the managed identity of OpenMetadata."
}

output "helm_values" {
  value = provider::entradb::openmetadata_helm_values({
    engine    = "postgresql"
    host      = "pg-data.postgres.database.azure.com"
    database  = "openmetadata_db"
    username  = "openmetadata"
    client_id = var.client_id
  })
}
