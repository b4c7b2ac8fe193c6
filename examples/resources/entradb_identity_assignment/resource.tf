variable "web_app_id" {
  type        = string
  description = "The ARM ID of a web or function app."
}

variable "virtual_machine_id" {
  type        = string
  description = "The ARM ID of the virtual machine that Bytebase runs on."
}

resource "entradb_managed_identity" "app" {
  name                = "bytebase"
  resource_group_name = "data-platform"
  location            = "westeurope"
}

# A user-assigned identity on a virtual machine. Whatever else is attached there stays.
#
# Where azurerm manages the machine, it is told to leave the identities alone:
#
#   resource "azurerm_linux_virtual_machine" "bytebase" {
#     # …
#     lifecycle {
#       ignore_changes = [identity]
#     }
#   }
resource "entradb_identity_assignment" "bytebase" {
  target_id   = var.virtual_machine_id
  identity_id = entradb_managed_identity.app.id
}

# The application's own identity, which lives and dies with it.
resource "entradb_identity_assignment" "web" {
  target_id       = var.web_app_id
  system_assigned = true
}

output "web_object_id" {
  value = entradb_identity_assignment.web.principal_id
}
