resource "entradb_managed_identity" "app" {
  name                = "openmetadata"
  resource_group_name = "data-platform"
  location            = "westeurope"

  tags = {
    team = "data"
  }
}
