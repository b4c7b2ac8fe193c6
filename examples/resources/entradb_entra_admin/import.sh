# The server, and the name (or the object ID) of the administrator. Where there can be only one, `ActiveDirectory` can be used as the name.
terraform import entradb_entra_admin.operators '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/data-platform/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg-data|database-operators'
