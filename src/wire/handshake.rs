//! What the host says through the environment, and the one line that it reads. Opens no socket.

use std::path::PathBuf;

use base64::Engine as _;

use crate::wire::listen::Address;

const COOKIE_NAME: &str = "TF_PLUGIN_MAGIC_COOKIE";
const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";
const CORE_VERSION: u8 = 1;

/// The major version of Terraform's provider protocol that is served.
pub const PROTOCOL_VERSION: u8 = 5;

/// Why the process does not start to serve.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody who knows plugins has started the process.
    #[error(
        "This is a Terraform provider: Terraform and OpenTofu start it themselves, it is not meant to \
         be run by hand.\nSee --help for how to install it, and for the few things it does alone."
    )]
    NotStartedByTerraform,
    /// The host speaks other major versions only.
    #[error(
        "This provider speaks version {PROTOCOL_VERSION} of Terraform's plugin protocol, and the program \
         that started it speaks only: {offered}.\nTerraform from 0.12 on and every OpenTofu speak version \
         {PROTOCOL_VERSION}."
    )]
    OtherVersions {
        /// What the host offered, as it wrote it.
        offered: String,
    },
}

/// What the host asks for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The host's one-time certificate (PEM). Without it the connection is not encrypted.
    pub client_certificate: Option<String>,
    /// Where the socket shall be made.
    pub socket_directory: Option<PathBuf>,
    /// The group, by number or by name, that may connect as well.
    pub socket_group: Option<String>,
    /// The first and the last port to try where TCP is used.
    pub ports: Option<(u16, u16)>,
    /// Whether the host knows the line's seventh field.
    pub asks_for_multiplexing: bool,
}

impl Invitation {
    /// Reads the invitation from the environment, given as a function from name to value.
    ///
    /// # Errors
    ///
    /// No plugin host has started the process, or it speaks other versions only.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Refusal> {
        if variable(COOKIE_NAME).as_deref() != Some(COOKIE) {
            return Err(Refusal::NotStartedByTerraform);
        }
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        // Hosts from before version negotiation do not say; they expect the lowest version.
        if let Some(offered) = variable("PLUGIN_PROTOCOL_VERSIONS")
            && !offered.split(',').any(|one| one.trim().parse() == Ok(PROTOCOL_VERSION))
        {
            return Err(Refusal::OtherVersions { offered });
        }
        let port = |name| variable(name).and_then(|value| value.parse::<u16>().ok());
        Ok(Self {
            client_certificate: variable("PLUGIN_CLIENT_CERT"),
            socket_directory: variable("PLUGIN_UNIX_SOCKET_DIR").map(PathBuf::from),
            socket_group: variable("PLUGIN_UNIX_SOCKET_GROUP"),
            ports: port("PLUGIN_MIN_PORT").zip(port("PLUGIN_MAX_PORT")),
            asks_for_multiplexing: variable("PLUGIN_MULTIPLEX_GRPC").is_some(),
        })
    }
}

/// The line that tells the host where and how to connect, with its line break.
///
/// `certificate` is the server's, in DER; without it the host connects in plaintext.
#[must_use]
pub fn line(address: &Address, certificate: Option<&[u8]>, multiplexing_asked: bool) -> String {
    // The host refuses padding.
    let certificate = certificate.map(|der| base64::engine::general_purpose::STANDARD_NO_PAD.encode(der));
    let certificate = certificate.unwrap_or_default();
    // Hosts that did not ask would take a seventh field for a part of the certificate.
    let multiplexing = if multiplexing_asked { "|false" } else { "" };
    format!(
        "{CORE_VERSION}|{PROTOCOL_VERSION}|{}|{}|grpc|{certificate}{multiplexing}\n",
        address.network, address.address
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Invitation, Refusal> {
        Invitation::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_the_cookie_nothing_is_served() {
        assert_eq!(read(&[]), Err(Refusal::NotStartedByTerraform));
        assert_eq!(read(&[(COOKIE_NAME, "other")]), Err(Refusal::NotStartedByTerraform));
    }

    #[test]
    fn version_five_is_served_in_whatever_order_it_is_offered() {
        for offered in ["5", "5,6", "6,5", " 6 , 5", ""] {
            assert!(
                read(&[(COOKIE_NAME, COOKIE), ("PLUGIN_PROTOCOL_VERSIONS", offered)]).is_ok(),
                "{offered}"
            );
        }
        assert!(read(&[(COOKIE_NAME, COOKIE)]).is_ok());
    }

    #[test]
    fn other_versions_are_refused_and_named() {
        let refusal = read(&[(COOKIE_NAME, COOKIE), ("PLUGIN_PROTOCOL_VERSIONS", "4,6")]);
        let refusal = refusal.expect_err("neither is served");
        assert!(refusal.to_string().contains("speaks only: 4,6."), "{refusal}");
    }

    #[test]
    fn what_the_host_asks_for_is_read() {
        let invitation = read(&[
            (COOKIE_NAME, COOKIE),
            ("PLUGIN_CLIENT_CERT", "-----BEGIN"),
            ("PLUGIN_MIN_PORT", "10000"),
            ("PLUGIN_MAX_PORT", "25000"),
            ("PLUGIN_UNIX_SOCKET_DIR", "/run/plugins"),
            ("PLUGIN_UNIX_SOCKET_GROUP", "users"),
            ("PLUGIN_MULTIPLEX_GRPC", "true"),
        ]);
        let expected = Invitation {
            client_certificate: Some("-----BEGIN".into()),
            socket_directory: Some("/run/plugins".into()),
            socket_group: Some("users".into()),
            ports: Some((10000, 25000)),
            asks_for_multiplexing: true,
        };
        assert_eq!(invitation, Ok(expected));
        // An empty variable is as good as none.
        assert_eq!(
            read(&[(COOKIE_NAME, COOKIE), ("PLUGIN_CLIENT_CERT", "")]),
            Ok(Invitation::default())
        );
    }

    #[test]
    fn the_line_has_six_fields_and_no_padding() {
        let address = Address {
            network: "unix",
            address: "/tmp/plugin1".into(),
        };
        assert_eq!(line(&address, None, false), "1|5|unix|/tmp/plugin1|grpc|\n");
        assert_eq!(line(&address, None, true), "1|5|unix|/tmp/plugin1|grpc||false\n");
        assert_eq!(
            line(&address, Some(&[1, 2, 3, 4]), false),
            "1|5|unix|/tmp/plugin1|grpc|AQIDBA\n"
        );
    }
}
