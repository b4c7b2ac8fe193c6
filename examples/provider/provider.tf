terraform {
  required_providers {
    entradb = {
      source = "entradb/entradb"
    }
  }
}

# Credentials and cloud come from the ARM_* variables, as for azurerm.
provider "entradb" {}

# A server that is only reached through a tunnel, in another cloud.
provider "entradb" {
  alias       = "government"
  environment = "usgovernment"

  database_hosts = {
    "pg-data.postgres.database.usgovcloudapi.net" = "127.0.0.1:15432"
  }
}
