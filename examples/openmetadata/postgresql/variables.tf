variable "server_id" {
  description = "The ARM ID of the PostgreSQL flexible server."
  type        = string
}

variable "cluster_id" {
  description = "The ARM ID of the AKS cluster that OpenMetadata runs in, with its OIDC issuer switched on."
  type        = string
}

variable "resource_group_name" {
  description = "The resource group of the new managed identity."
  type        = string
}

variable "location" {
  description = "The region of the new managed identity."
  type        = string
}

variable "identity_name" {
  description = "The name of the managed identity. It is also the user name in the database."
  type        = string
  default     = "openmetadata"
}

variable "namespace" {
  description = "The Kubernetes namespace of OpenMetadata."
  type        = string
  default     = "openmetadata"
}

variable "service_account" {
  description = "The Kubernetes service account that OpenMetadata's pods run as."
  type        = string
  default     = "openmetadata-sa"
}

variable "database" {
  description = "The database of OpenMetadata."
  type        = string
  default     = "openmetadata_db"
}

variable "previous_owner" {
  description = "The user with a password that OpenMetadata has logged in as so far, and that owns its tables."
  type        = string
  default     = "openmetadata_user"
}

variable "move_ownership" {
  description = "Whether the objects of previous_owner move to the identity. With false, everything else is made ready, and the output what_would_move lists what true would move."
  type        = bool
  default     = true
}
