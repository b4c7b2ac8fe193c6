output "helm_values" {
  description = "Values for OpenMetadata's Helm chart: terraform output -raw helm_values > values.yaml"
  value = provider::entradb::openmetadata_helm_values({
    engine          = "postgresql"
    host            = entradb_postgresql_user.app.host
    database        = var.database
    username        = entradb_postgresql_user.app.name
    client_id       = entradb_managed_identity.app.client_id
    service_account = var.service_account
  })
}

output "client_id" {
  description = "The client ID of the identity, which the Kubernetes service account is annotated with."
  value       = entradb_managed_identity.app.client_id
}

output "what_would_move" {
  description = "With move_ownership = false: what true would move. Otherwise empty."
  value = flatten([
    for before in data.entradb_postgresql_objects.before : [
      for object in before.objects : object.identity if object.movable
    ]
  ])
}

output "not_movable" {
  description = "What belongs to the previous owner and stays, and why."
  value       = flatten(entradb_postgresql_ownership.app[*].not_movable)
}
