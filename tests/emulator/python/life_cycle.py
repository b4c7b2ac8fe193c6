"""Microsoft's own Python clients against the emulator: each finishes a whole life cycle.

Usage: life_cycle.py DESCRIPTION, where DESCRIPTION is the file that `cargo run --example emulator -- --json` printed.
Nothing here knows the emulator's code: what differs from what these clients expect of Azure ends the program with a
message and a status other than 0.
"""

import contextlib
import json
import logging
import os
import sys
import tempfile
import time

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError, ServiceRequestError
from azure.identity import (
    AzurePipelinesCredential,
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.mysqlflexibleservers import MySQLManagementClient
from azure.mgmt.mysqlflexibleservers import models as mysql_models
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure.mgmt.sql import SqlManagementClient

DATABASES = "https://ossrdbms-aad.database.windows.net/.default"
EXCHANGE = "api://AzureADTokenExchange"


class Difference(Exception):
    """The emulator answered otherwise than it must."""


def expect(what, actual, wanted):
    if actual != wanted:
        raise Difference(f"{what}: {actual!r} instead of {wanted!r}")


def expect_error(what, status, call):
    try:
        call()
    except HttpResponseError as error:
        expect(f"{what}: status", error.status_code, status)
        if not (error.error and error.error.code):
            raise Difference(f"{what}: the error has no code: {error}") from error
        return error.error.code
    raise Difference(f"{what}: it was not refused")


@contextlib.contextmanager
def environment(**values):
    """These variables and none of those that choose another way to sign in."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(("IDENTITY_", "MSI_", "IMDS_", "AZURE_", "SYSTEM_OIDC")):
            del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class World:
    def __init__(self, description):
        self.all = description
        self.tenant = description["tenant_id"]
        self.subscription = description["subscription_id"]
        self.group = description["resource_group"]
        self.authority = description["endpoints"]["active_directory_authority_host"]
        self.manager = description["endpoints"]["resource_manager_endpoint"]
        self.runner = description["runner"]
        self.credential = ClientSecretCredential(
            self.tenant, self.runner["client_id"], self.runner["client_secret"], **self.entra()
        )

    def entra(self):
        return {"authority": self.authority, "disable_instance_discovery": True}

    def client(self, kind, credential=None):
        return kind(
            credential or self.credential,
            self.subscription,
            base_url=self.manager,
            credential_scopes=["https://management.azure.com/.default"],
            polling_interval=0.05,
        )


def name_of(resource_id):
    return resource_id.rsplit("/", 1)[1]


def credentials(world):
    """Every way to sign in that these clients have and this machine can offer."""
    sign_in = world.all["sign_in"]

    def works(what, credential, scope=DATABASES):
        token = credential.get_token(scope)
        if token.expires_on < time.time() + 600:
            raise Difference(f"{what}: the token ends too early: {token.expires_on}")
        client = world.client(ManagedServiceIdentityClient, credential)
        list(client.user_assigned_identities.list_by_resource_group(world.group))
        print(f"  signed in: {what}")

    works("client secret", world.credential)
    pem = world.runner["client_certificate_pem"]
    certificate = CertificateCredential(world.tenant, world.runner["client_id"], pem, **world.entra())
    works("certificate (PEM)", certificate)
    if world.runner["client_certificate_pfx"]:
        works("certificate (PKCS#12)", CertificateCredential(
            world.tenant, world.runner["client_id"], world.runner["client_certificate_pfx"],
            password=world.runner["client_certificate_password"], **world.entra()))
    wrong = ClientSecretCredential(world.tenant, world.runner["client_id"], "wrong", **world.entra())
    try:
        wrong.get_token(DATABASES)
        raise Difference("a wrong secret was taken")
    except ClientAuthenticationError as error:
        if "AADSTS7000215" not in str(error):
            raise Difference(f"a wrong secret: {error}") from error
    for platform in ["imds", "app_service", "container_apps", "azure_ml", "cloud_shell", "service_fabric"]:
        with environment(**sign_in[platform]):
            works(f"managed identity ({platform})", ManagedIdentityCredential())


def federation(world):
    """An identity, its federated credentials, and a pod that signs in with one."""
    client = world.client(ManagedServiceIdentityClient)
    identities, federated = client.user_assigned_identities, client.federated_identity_credentials
    made = identities.create_or_update(world.group, "python-one", {"location": "westeurope", "tags": {"a": "b"}})
    expect("identity: type", made.type, "Microsoft.ManagedIdentity/userAssignedIdentities")
    expect("identity: tags", made.tags, {"a": "b"})
    again = identities.create_or_update(world.group, "python-one", {"location": "westeurope"})
    expect("identity: the same principal", again.principal_id, made.principal_id)
    expect("identity: update", identities.update(world.group, "python-one", {"tags": {"c": "d"}}).tags, {"c": "d"})
    expect("identity: get", identities.get(world.group, "python-one").client_id, made.client_id)
    for items in [identities.list_by_resource_group(world.group), identities.list_by_subscription()]:
        if made.id not in [one.id for one in items]:
            raise Difference("identity: it is not in the list")

    pod = world.all["sign_in"]["workload_identity"]
    issuer = world.all["cluster"]["issuer"]
    record = {"issuer": issuer, "subject": "system:serviceaccount:openmetadata:bytebase", "audiences": [EXCHANGE]}
    first = federated.create_or_update(world.group, "python-one", "pod", record)
    expect("federation: subject", (first.subject, first.audiences), (record["subject"], [EXCHANGE]))
    expect("federation: get", federated.get(world.group, "python-one", "pod").issuer, issuer)
    other = dict(record, subject="system:serviceaccount:openmetadata:other")
    expect("federation: update", federated.create_or_update(world.group, "python-one", "pod", other).subject,
           other["subject"])
    federated.create_or_update(world.group, "python-one", "pod", record)
    expect_error("federation: twice", 400, lambda: federated.create_or_update(
        world.group, "python-one", "second", record))
    expect("federation: list", [one.name for one in federated.list(world.group, "python-one")], ["pod"])
    with environment(**{**pod, "AZURE_CLIENT_ID": made.client_id}):
        credential = WorkloadIdentityCredential(disable_instance_discovery=True)
        if not credential.get_token(DATABASES).token:
            raise Difference("workload identity: no token")
        DefaultAzureCredential(disable_instance_discovery=True).get_token(DATABASES)
    print("  signed in: workload identity")
    token_proxy({**pod, "AZURE_CLIENT_ID": made.client_id}, world.all["sign_in"]["identity_binding"])
    pipeline = world.all["sign_in"]["azure_pipelines"]
    with environment(SYSTEM_OIDCREQUESTURI=pipeline["SYSTEM_OIDCREQUESTURI"]):
        credential = AzurePipelinesCredential(
            tenant_id=world.tenant, client_id=made.client_id, system_access_token=pipeline["SYSTEM_ACCESSTOKEN"],
            service_connection_id=pipeline["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"], **world.entra())
        try:
            credential.get_token(DATABASES)
            raise Difference("pipeline: nobody federated it")
        except ClientAuthenticationError as error:
            if "AADSTS70021" not in str(error):
                raise Difference(f"pipeline: {error}") from error

    federated.delete(world.group, "python-one", "pod")
    federated.delete(world.group, "python-one", "pod")
    expect("federation: none left", list(federated.list(world.group, "python-one")), [])
    identities.delete(world.group, "python-one")
    identities.delete(world.group, "python-one")
    expect_error("identity: gone", 404, lambda: identities.get(world.group, "python-one"))


def token_proxy(pod, binding):
    """The same pod on a cluster with identity bindings. Nothing listens at the authority that it names."""
    pod = {**pod, "AZURE_AUTHORITY_HOST": "https://127.0.0.1:9/"}

    def token(**values):
        with environment(**{**pod, **values}):
            credential = WorkloadIdentityCredential(
                disable_instance_discovery=True, enable_azure_proxy=True, retry_total=0)
            return credential.get_token(DATABASES).token

    with tempfile.NamedTemporaryFile("w", suffix=".pem") as authority:
        authority.write(binding["AZURE_KUBERNETES_CA_DATA"])
        authority.flush()
        in_a_file = {name: value for name, value in binding.items() if name != "AZURE_KUBERNETES_CA_DATA"}
        in_a_file["AZURE_KUBERNETES_CA_FILE"] = authority.name
        for values in [binding, in_a_file]:
            if not token(**values):
                raise Difference("token proxy: no token")
    print("  signed in: identity binding")
    for name in ["other.ests.aks", ""]:
        try:
            token(**{**binding, "AZURE_KUBERNETES_SNI_NAME": name})
            raise Difference(f"token proxy: it answered to the name '{name}'")
        except ServiceRequestError as error:
            if "ALERT" not in str(error):
                raise Difference(f"token proxy: {error}") from error


def machines(world):
    """A user-assigned and a system-assigned identity on a virtual machine, and off again."""
    compute = world.client(ComputeManagementClient).virtual_machines
    identities = world.client(ManagedServiceIdentityClient)
    machine = world.all["targets"]["virtual_machine"]
    name = name_of(machine)
    one = identities.user_assigned_identities.create_or_update(world.group, "python-vm", {"location": "westeurope"})
    before = compute.get(world.group, name)
    expect("machine: no identity yet", before.identity, None)
    wanted = {"identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {one.id: {}}}}
    after = compute.begin_update(world.group, name, wanted).result()
    ids = after.identity.user_assigned_identities[one.id]
    expect("machine: attached", (ids.client_id, ids.principal_id), (one.client_id, one.principal_id))
    own = identities.system_assigned_identities.get_by_scope(machine.lstrip("/"))
    expect("machine: its own", own.principal_id, after.identity.principal_id)
    off = {"identity": {"type": "SystemAssigned", "userAssignedIdentities": None}}
    after = compute.begin_update(world.group, name, off).result()
    expect("machine: detached", (after.identity.type, after.identity.user_assigned_identities), ("SystemAssigned", None))
    after = compute.begin_update(world.group, name, {"identity": {"type": "None"}}).result()
    expect("machine: bare", after.identity, None)
    absent = {"identity": {"type": "UserAssigned", "userAssignedIdentities": {one.id + "x": {}}}}
    expect("machine: unknown identity", expect_error(
        "machine", 400, lambda: compute.begin_update(world.group, name, absent).result()), "FailedIdentityOperation")
    expect_error("identity: no system-assigned one", 404,
                 lambda: identities.system_assigned_identities.get_by_scope(machine.lstrip("/")))
    identities.user_assigned_identities.delete(world.group, "python-vm")


def postgresql(world):
    """Administrators and the switches of authentication."""
    client = world.client(PostgreSQLManagementClient)
    server = name_of(world.all["postgresql"]["id"])
    admins = client.administrators_microsoft_entra
    body = {"properties": {
        "principalType": "ServicePrincipal", "principalName": "terraform", "tenantId": world.tenant}}
    object_id = world.runner["object_id"]
    made = admins.begin_create_or_update(world.group, server, object_id, body).result()
    expect("postgresql: administrator", (made.properties.object_id, made.properties.principal_name),
           (object_id, "terraform"))
    got = admins.get(world.group, server, object_id)
    expect("postgresql: get", got.properties.principal_type, "ServicePrincipal")
    listed = [one.properties.object_id for one in admins.list_by_server(world.group, server)]
    expect("postgresql: list", listed, [object_id])
    admins.begin_create_or_update(world.group, server, object_id, body).result()
    admins.begin_delete(world.group, server, object_id).result()
    admins.begin_delete(world.group, server, object_id).result()
    expect("postgresql: none left", list(admins.list_by_server(world.group, server)), [])
    expect_error("postgresql: gone", 404, lambda: admins.get(world.group, server, object_id))
    for word in ["Disabled", "Enabled"]:
        config = {"activeDirectoryAuth": "Enabled", "passwordAuth": word, "tenantId": world.tenant}
        changed = client.servers.begin_update(world.group, server, {"properties": {"authConfig": config}}).result()
        expect("postgresql: passwords", changed.properties.auth_config.password_auth, word)
    expect_error("postgresql: nobody could log in", 400, lambda: client.servers.begin_update(
        world.group, server,
        {"properties": {"authConfig": {"activeDirectoryAuth": "Disabled", "passwordAuth": "Disabled"}}}).result())
    expect("postgresql: list of servers",
           server in [one.name for one in client.servers.list_by_resource_group(world.group)], True)


def mysql(world):
    """The identity first, then the administrator, then no passwords."""
    client = world.client(MySQLManagementClient)
    server = name_of(world.all["servers"]["mysql"])
    identities = world.client(ManagedServiceIdentityClient).user_assigned_identities
    reader = identities.create_or_update(world.group, "python-mysql", {"location": "westeurope"})
    attach = mysql_models.ServerForUpdate(
        identity=mysql_models.MySQLServerIdentity(type="UserAssigned", user_assigned_identities={reader.id: {}}))
    changed = client.servers.begin_update(world.group, server, attach).result()
    expect("mysql: identity", [one.lower() for one in changed.identity.user_assigned_identities], [reader.id.lower()])
    wanted = mysql_models.AzureADAdministrator(
        administrator_type="ActiveDirectory", login="terraform", sid=world.runner["object_id"],
        tenant_id=world.tenant, identity_resource_id=reader.id)
    admins = client.azure_ad_administrators
    made = admins.begin_create_or_update(world.group, server, "ActiveDirectory", wanted).result()
    expect("mysql: administrator", (made.login, made.sid), ("terraform", world.runner["object_id"]))
    expect("mysql: get", admins.get(world.group, server, "ActiveDirectory").tenant_id, world.tenant)
    expect("mysql: list", [one.login for one in admins.list_by_server(world.group, server)], ["terraform"])
    for word in ["ON", "OFF"]:
        value = mysql_models.Configuration(value=word, source="user-override")
        client.configurations.begin_update(world.group, server, "aad_auth_only", value).result()
        current = client.configurations.get(world.group, server, "aad_auth_only")
        expect("mysql: aad_auth_only", (current.value or current.current_value), word)
    admins.begin_delete(world.group, server, "ActiveDirectory").result()
    expect("mysql: none left", list(admins.list_by_server(world.group, server)), [])
    detach = mysql_models.ServerForUpdate(
        identity=mysql_models.MySQLServerIdentity(type="UserAssigned", user_assigned_identities={reader.id: None}))
    client.servers.begin_update(world.group, server, detach).result()
    left = client.servers.get(world.group, server).identity
    expect("mysql: no identity left", bool(left and left.user_assigned_identities), False)
    identities.delete(world.group, "python-mysql")


def sql(world):
    """The administrator and only-authentication of a server and of a managed instance: the same story twice."""
    client = world.client(SqlManagementClient)
    runner = world.runner["object_id"]
    stories = [
        ("sql", name_of(world.all["servers"]["sql"]), client.server_azure_ad_administrators,
         client.server_azure_ad_only_authentications, "list_by_server"),
        ("managed instance", name_of(world.all["servers"]["managed_instance"]), client.managed_instance_administrators,
         client.managed_instance_azure_ad_only_authentications, "list_by_instance"),
    ]
    for what, server, admins, only, listing in stories:
        body = {"properties": {"administratorType": "ActiveDirectory", "login": "terraform", "sid": runner,
                               "tenantId": world.tenant}}
        expect_error(f"{what}: only-authentication without an administrator", 400, lambda: (
            only.begin_create_or_update(world.group, server, "Default",
                                        {"properties": {"azureADOnlyAuthentication": True}}).result()))
        made = admins.begin_create_or_update(world.group, server, "ActiveDirectory", body).result()
        expect(f"{what}: administrator", (made.properties.login, made.properties.sid), ("terraform", runner))
        expect(f"{what}: get", admins.get(world.group, server, "ActiveDirectory").properties.tenant_id, world.tenant)
        listed = [one.properties.login for one in getattr(admins, listing)(world.group, server)]
        expect(f"{what}: list", listed, ["terraform"])
        for switch in [True, False]:
            wanted = {"properties": {"azureADOnlyAuthentication": switch}}
            only.begin_create_or_update(world.group, server, "Default", wanted).result()
            state = only.get(world.group, server, "Default").properties.azure_ad_only_authentication
            expect(f"{what}: only-authentication", state, switch)
        admins.begin_delete(world.group, server, "ActiveDirectory").result()
        expect(f"{what}: none left", list(getattr(admins, listing)(world.group, server)), [])
        try:
            admins.get(world.group, server, "ActiveDirectory")
            raise Difference(f"{what}: the administrator is still there")
        except ResourceNotFoundError:
            pass


def main():
    # The refusals below are wanted; azure-identity would print each as a warning.
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    with open(sys.argv[1], encoding="utf-8") as file:
        world = World(json.load(file))
    for part in [credentials, federation, machines, postgresql, mysql, sql]:
        started = time.monotonic()
        try:
            part(world)
        except Difference as difference:
            sys.exit(f"life_cycle: {part.__name__}: {difference}")
        except HttpResponseError as error:
            request = error.response.request if error.response else None
            place = f"{request.method} {request.url.split('?')[0]}" if request else ""
            sys.exit(f"life_cycle: {part.__name__}: {place}: {error}")
        print(f"{part.__name__}: {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
