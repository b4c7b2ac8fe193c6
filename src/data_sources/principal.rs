//! `entradb_principal`

use crate::azure::cloud::Scope;
use crate::azure::error::{Error, Kind};
use crate::azure::graph::{Principal, PrincipalKind};
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::schema::Rule;
use crate::protocol::typed::Computed;
use crate::protocol::value::{Object, Value};
use crate::provider::config::Guid;
use crate::provider::context::Context;
use crate::provider::resource::DataSource;
use crate::resources::attributes::PrincipalType;

model! {
    /// A user, a group, an application or a managed identity of the directory, found by its name or ID: the IDs that other resources ask for.
    ///
    /// Asks Microsoft Graph, which needs an application permission or a directory role: `User.ReadBasic.All` for users, `GroupMember.Read.All` for
    /// groups, `Application.Read.All` for applications and managed identities, `Directory.Read.All` for an object ID; the role Directory Readers
    /// covers them all. Without that, set `identity_id`, or `object_id` and `principal_type`, on the resources.
    pub struct FoundPrincipal {
        /// The user principal name of a user. Of a guest it has the form `jane_example.org#EXT#@contoso.onmicrosoft.com`.
        #[optional]
        pub user_principal_name: Computed<Option<String>>,
        /// The display name of a group.
        pub group_name: Option<String>,
        /// The display name of an application or managed identity.
        pub application_name: Option<String>,
        /// The client (application) ID of an application or managed identity.
        #[optional]
        pub client_id: Computed<Option<Guid>>,
        /// The object ID. Of an application it is that of its enterprise application (service principal), not that of its registration.
        #[optional]
        pub object_id: Computed<Guid>,
        /// What it is: `User`, `Group` or `ServicePrincipal` (an application or a managed identity).
        pub principal_type: Computed<PrincipalType>,
        /// The display name.
        pub display_name: Computed<Option<String>>,
        /// The ARM ID of a managed identity, or of the resource that has it as its system-assigned one.
        pub identity_id: Computed<Option<String>>,
        /// The ID of the tenant that was asked.
        pub tenant_id: Computed<Option<String>>,
    }
    rules:
        Rule::ExactlyOneOf(&["user_principal_name", "group_name", "application_name", "client_id", "object_id"])
}

impl DataSource for FoundPrincipal {
    const NAME: &'static str = "entradb_principal";

    fn validate(config: &Object) -> Vec<Diagnostic> {
        let names = ["user_principal_name", "group_name", "application_name"];
        let empty = names.into_iter().filter(|name| {
            config
                .get(*name)
                .and_then(Value::as_str)
                .is_some_and(|text| text.trim().is_empty())
        });
        let mistake = |name| Diagnostic::error("Invalid value", "A name is required, not an empty text.").at(name);
        empty.map(mistake).collect()
    }

    async fn read(self, cx: &Context) -> Result<Self> {
        let sought = self.sought()?;
        let found = match sought.found(cx).await {
            Err(error) => return Err(sought.explain(error)),
            Ok(found) => sought.only(found)?,
        };
        let token = cx.clients()?.azure().token(Scope::Graph).await?;
        self.with(found, token.claims()?.tid)
    }
}

/// What is looked for.
enum Sought {
    User(String),
    Group(String),
    Application(String),
    Client(Guid),
    Object(Guid),
}

impl FoundPrincipal {
    fn sought(&self) -> Result<Sought> {
        let user = self.user_principal_name.get().cloned().flatten().map(Sought::User);
        let group = self.group_name.clone().map(Sought::Group);
        let application = self.application_name.clone().map(Sought::Application);
        let client = self.client_id.get().copied().flatten().map(Sought::Client);
        let object = self.object_id.get().copied().map(Sought::Object);
        let given = user.or(group).or(application).or(client).or(object);
        given.ok_or_else(|| Diagnostic::error("No principal given", "Give one of the names or IDs."))
    }

    fn with(self, found: Principal, tenant_id: Option<String>) -> Result<Self> {
        let guid = |text: &str| {
            text.parse::<Guid>().map_err(|error| {
                let detail = format!("Microsoft Graph names the ID `{text}`: {error}.");
                Diagnostic::error("Unexpected answer from Azure", detail)
            })
        };
        let identity = found
            .alternative_names
            .iter()
            .find(|name| name.starts_with("/subscriptions/"));
        Ok(Self {
            user_principal_name: Computed::known(found.user_principal_name),
            client_id: Computed::known(found.app_id.as_deref().map(guid).transpose()?),
            object_id: Computed::known(guid(&found.id)?),
            principal_type: Computed::known(principal_type(found.kind)),
            display_name: Computed::known(found.display_name),
            identity_id: Computed::known(identity.cloned()),
            tenant_id: Computed::known(tenant_id),
            ..self
        })
    }
}

fn principal_type(kind: PrincipalKind) -> PrincipalType {
    match kind {
        PrincipalKind::User => PrincipalType::User,
        PrincipalKind::Group => PrincipalType::Group,
        PrincipalKind::ServicePrincipal => PrincipalType::ServicePrincipal,
    }
}

impl Sought {
    async fn found(&self, cx: &Context) -> Result<Vec<Principal>, Error> {
        let azure = cx
            .clients()
            .map_err(|told| Error::new(Kind::Configuration, told.detail))?
            .azure();
        let patience = cx.patience();
        let one = match self {
            Self::User(name) => azure.user(name, patience).await?,
            Self::Client(id) => match azure.service_principal_by_app_id(&id.to_string(), patience).await {
                // Whoever is signed in may always read itself, by its object ID.
                Err(error) if error.kind() == Kind::Forbidden => {
                    let own = azure.token(Scope::Graph).await?.claims()?;
                    match own
                        .client_id()
                        .is_some_and(|own| own.eq_ignore_ascii_case(&id.to_string()))
                    {
                        true => {
                            azure
                                .service_principal(own.oid.as_deref().unwrap_or_default(), patience)
                                .await?
                        }
                        false => return Err(error),
                    }
                }
                other => other?,
            },
            Self::Object(id) => match azure.directory_object(&id.to_string(), patience).await {
                Err(error) if error.kind() == Kind::Forbidden => {
                    let own = azure.token(Scope::Graph).await?.claims()?;
                    let itself = own
                        .oid
                        .as_deref()
                        .is_some_and(|own| own.eq_ignore_ascii_case(&id.to_string()));
                    match itself && !own.is_user() {
                        true => azure.service_principal(&id.to_string(), patience).await?,
                        false => return Err(error),
                    }
                }
                other => other?,
            },
            Self::Group(name) => return azure.groups_by_name(name, patience).await,
            Self::Application(name) => return azure.service_principals_by_name(name, patience).await,
        };
        Ok(one.into_iter().collect())
    }

    /// The only one, or who there is.
    fn only(&self, mut found: Vec<Principal>) -> Result<Principal> {
        let (attribute, what) = (self.attribute(), self.what());
        if found.len() > 1 {
            let ids: Vec<String> = found.iter().map(|one| format!("- {}", one.id)).collect();
            let detail = format!(
                "The directory has {} matches for the {what}. Display names are not unique; set `object_id` to one of these:\n\n{}",
                found.len(),
                ids.join("\n")
            );
            return Err(Diagnostic::error("More than one principal of that name", detail).at(attribute));
        }
        found.pop().ok_or_else(|| {
            let detail = format!("Microsoft Graph knows no {what}. {}", self.advice());
            Diagnostic::error("Principal not found", detail).at(attribute)
        })
    }

    fn explain(&self, error: Error) -> Diagnostic {
        match error.kind() {
            Kind::Forbidden => {
                let (permissions, attribute) = (self.permissions(), self.attribute());
                let detail = format!(
                    "The signed-in principal may not look for the {} in Microsoft Graph. It needs {permissions}, with an administrator's consent, or the \
                     directory role Directory Readers. Without that, set `identity_id`, or `object_id` and `principal_type`, on the resources.\n\n\
                     Microsoft Graph's own words: {error}",
                    self.what()
                );
                Diagnostic::error("Not permitted in Microsoft Graph", detail).at(attribute)
            }
            Kind::InvalidRequest => Diagnostic::from(error).at(self.attribute()),
            _ => error.into(),
        }
    }

    fn attribute(&self) -> &'static str {
        match self {
            Self::User(_) => "user_principal_name",
            Self::Group(_) => "group_name",
            Self::Application(_) => "application_name",
            Self::Client(_) => "client_id",
            Self::Object(_) => "object_id",
        }
    }

    fn what(&self) -> String {
        match self {
            Self::User(name) => format!("user `{name}`"),
            Self::Group(name) => format!("group with the name `{name}`"),
            Self::Application(name) => format!("application or managed identity with the name `{name}`"),
            Self::Client(id) => format!("application with the client ID {id}"),
            Self::Object(id) => format!("user, group or service principal with the object ID {id}"),
        }
    }

    fn permissions(&self) -> &'static str {
        match self {
            Self::User(_) => "the application permission `User.ReadBasic.All` or `User.Read.All`",
            Self::Group(_) => "the application permission `GroupMember.Read.All` or `Group.Read.All`",
            Self::Application(_) | Self::Client(_) => "the application permission `Application.Read.All`",
            Self::Object(_) => "the application permission `Directory.Read.All`, or that of the kind of principal",
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::User(name) if name.contains("#EXT#") => {
                "Of a guest, the part behind `#EXT#@` is a domain of this tenant, usually the one that ends in `.onmicrosoft.com`."
            }
            Self::User(_) => {
                "It is the user principal name that counts, not the mail address. Of a guest it has the form `jane_example.org#EXT#@contoso.onmicrosoft.com`."
            }
            Self::Group(_) | Self::Application(_) => {
                "The display name must be exactly this one. What was just created may take a minute to show."
            }
            Self::Client(_) => {
                "If the application is registered in another tenant, it has no enterprise application in this one yet. What was just created may take a minute to show."
            }
            Self::Object(_) => {
                "Of an application it is the object ID of its enterprise application. What was just created may take a minute to show."
            }
        }
    }
}
