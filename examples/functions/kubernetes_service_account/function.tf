variable "client_id" {
  type        = string
  description = "The client ID of the managed identity."
}

output "service_account" {
  value = provider::entradb::kubernetes_service_account(var.client_id, "openmetadata-sa", "openmetadata").manifest
}
