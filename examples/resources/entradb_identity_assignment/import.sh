terraform import entradb_identity_assignment.bytebase '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/data-platform/providers/Microsoft.Compute/virtualMachines/bytebase|/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/data-platform/providers/Microsoft.ManagedIdentity/userAssignedIdentities/bytebase'

# The resource's own, system-assigned identity:
terraform import entradb_identity_assignment.web '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/data-platform/providers/Microsoft.Web/sites/metadata|system'
