terraform {
  required_version = ">= 1.8" # provider functions

  required_providers {
    entradb = {
      source  = "entradb/entradb"
      version = "~> 0.1"
    }
  }
}

# Signs in like azurerm: ARM_* variables, OIDC in a pipeline, or the Azure CLI.
provider "entradb" {}
