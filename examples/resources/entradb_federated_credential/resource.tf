variable "cluster_id" {
  type        = string
  description = "The ARM ID of the Kubernetes cluster."
}

resource "entradb_managed_identity" "app" {
  name                = "openmetadata"
  resource_group_name = "data-platform"
  location            = "westeurope"
}

# The pods of a service account in a cluster.
resource "entradb_federated_credential" "aks" {
  name                = "aks"
  managed_identity_id = entradb_managed_identity.app.id
  aks_cluster_id      = var.cluster_id
  namespace           = "openmetadata"
  service_account     = "openmetadata-sa"
}

# A workflow of GitHub Actions.
resource "entradb_federated_credential" "github" {
  name                = "github-main"
  managed_identity_id = entradb_managed_identity.app.id
  issuer              = "https://token.actions.githubusercontent.com"
  subject             = "repo:example/infrastructure:ref:refs/heads/main"
}
