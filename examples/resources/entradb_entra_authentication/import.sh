# The server.
terraform import entradb_entra_authentication.postgresql '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/data-platform/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg-data'
