terraform {
  required_providers {
    entradb = {
      source = "entradb/entradb"
    }
  }
}

# Credentials and cloud come from the ARM_* variables, as for azurerm.
provider "entradb" {}

# A private server that is reached through a tunnel, such as one of `ssh -L`.
provider "entradb" {
  alias = "tunnel"

  database_hosts = {
    "pg-data.postgres.database.azure.com" = "127.0.0.1:15432"
  }
}

# Another cloud.
provider "entradb" {
  alias       = "government"
  environment = "usgovernment"
}
