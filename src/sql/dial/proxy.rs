//! Proxies between us and a database: SOCKS5 and HTTP CONNECT. Knows neither TLS nor where they are configured.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// HTTP CONNECT.
    Http,
    /// SOCKS5, to an address that we have looked up.
    Socks,
    /// SOCKS5, to a name that the proxy looks up.
    SocksByName,
    /// One that we do not speak.
    Unknown,
}

/// A proxy.
#[derive(Clone, Debug)]
pub struct Proxy {
    kind: Kind,
    scheme: String,
    host: String,
    port: u16,
    login: Option<(String, SecretString)>,
}

impl fmt::Display for Proxy {
    /// Without the login.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}", self.scheme, self.address())
    }
}

impl Proxy {
    /// Reads `scheme://user:password@host:port`; without a scheme it is an HTTP proxy. `None`: that is no address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Proxy> {
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let url = Url::parse(&whole).ok()?;
        let (kind, port) = match url.scheme() {
            "http" => (Kind::Http, 80),
            "socks5" => (Kind::Socks, 1080),
            "socks5h" => (Kind::SocksByName, 1080),
            _ => (Kind::Unknown, 443),
        };
        let login = (!url.username().is_empty()).then(|| {
            let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let password = decoded(url.password().unwrap_or_default());
            (decoded(url.username()), SecretString::from(password))
        });
        Some(Proxy {
            kind,
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(port),
            login,
        })
    }

    /// Where it listens, as `host:port`.
    pub(super) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether the proxy is given names; otherwise it is given addresses.
    pub(super) fn takes_names(&self) -> bool {
        self.kind != Kind::Socks
    }

    /// Asks for a connection to `host:port`. The error says what the proxy answered.
    pub(super) async fn ask(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        match self.kind {
            Kind::Http => self.connect(stream, host, port).await,
            Kind::Socks | Kind::SocksByName => self.socks(stream, host, port).await,
            Kind::Unknown => Err(io::Error::other(format!(
                "the proxy scheme `{}` is not supported for databases; use `http`, `socks5` or `socks5h`",
                self.scheme
            ))),
        }
    }

    async fn connect(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        let target = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some((user, password)) = &self.login {
            let pair = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
            request.push_str(&format!("Proxy-Authorization: Basic {pair}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        // Byte by byte: what follows the answer belongs to the database.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() > LONGEST_ANSWER {
                return Err(io::Error::other("its answer is too long"));
            }
            answer.push(stream.read_u8().await?);
        }
        let text = String::from_utf8_lossy(&answer);
        let first = text.lines().next().unwrap_or_default().to_owned();
        let status = first.split(' ').nth(1).unwrap_or_default();
        if first.starts_with("HTTP/1.") && status.starts_with('2') {
            Ok(())
        } else {
            Err(io::Error::other(format!("it answered `{first}`")))
        }
    }

    async fn socks(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        let methods: &[u8] = if self.login.is_some() {
            &[5, 2, 0, 2]
        } else {
            &[5, 1, 0]
        };
        stream.write_all(methods).await?;
        match (read::<2>(stream).await?, &self.login) {
            ([5, 0], _) => {}
            ([5, 2], Some((user, password))) => {
                let mut login = vec![1];
                push(&mut login, user.as_bytes())?;
                push(&mut login, password.expose_secret().as_bytes())?;
                stream.write_all(&login).await?;
                if read::<2>(stream).await?[1] != 0 {
                    return Err(io::Error::other("it refused the user name or the password"));
                }
            }
            ([5, _], _) => return Err(io::Error::other("it wants another login than it was given")),
            _ => return Err(io::Error::other("it does not speak SOCKS5")),
        }
        let mut request = vec![5, 1, 0];
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => {
                request.push(1);
                request.extend(address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                request.push(4);
                request.extend(address.octets());
            }
            Err(_) => {
                request.push(3);
                push(&mut request, host.as_bytes())?;
            }
        }
        request.extend(port.to_be_bytes());
        stream.write_all(&request).await?;
        let [_, reply, _, form] = read::<4>(stream).await?;
        if reply != 0 {
            return Err(io::Error::other(format!("it answered: {}", meaning(reply))));
        }
        let length = match form {
            1 => 4,
            4 => 16,
            _ => usize::from(stream.read_u8().await?),
        };
        stream.read_exact(&mut vec![0; length + 2]).await.map(drop)
    }
}

/// Headers of a refusal may be long; a page is not read.
const LONGEST_ANSWER: usize = 16 * 1024;

async fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// A text with its length before it, in one byte.
fn push(bytes: &mut Vec<u8>, text: &[u8]) -> io::Result<()> {
    let length =
        u8::try_from(text.len()).map_err(|_| io::Error::other("a name or password is longer than 255 bytes"))?;
    bytes.push(length);
    bytes.extend_from_slice(text);
    Ok(())
}

/// The replies of RFC 1928.
fn meaning(reply: u8) -> &'static str {
    match reply {
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "the time to live has expired",
        7 => "command not supported",
        8 => "kind of address not supported",
        _ => "general failure",
    }
}

/// Which proxy leads where, as the environment says it.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// The proxy, when there is one.
    pub proxy: Option<Proxy>,
    /// Where it is not used: names (with all that end in them), addresses, networks as `10.0.0.0/8`, or `*`.
    pub except: Vec<String>,
}

impl Proxies {
    /// The proxy on the way to a host. Our own machine is never looked for behind one.
    #[must_use]
    pub fn on_the_way_to(&self, host: &str) -> Option<&Proxy> {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let own = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let excepted = |except: &String| match except.trim() {
            "*" => true,
            network if network.contains('/') => {
                let network = network.parse::<IpNet>().ok();
                network
                    .zip(address)
                    .is_some_and(|(network, address)| network.contains(&address))
            }
            name => {
                let name = name.trim_start_matches('.').to_ascii_lowercase();
                let host = host.to_ascii_lowercase();
                !name.is_empty() && (host == name || host.ends_with(&format!(".{name}")))
            }
        };
        let direct = own || self.except.iter().any(excepted);
        self.proxy.as_ref().filter(|_| !direct)
    }
}

/// The way to a server that worked.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// Straight to this address.
    Direct(SocketAddr),
    /// Through a proxy, to this host and port.
    Through(Proxy, String, u16),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_other_tools_read_them() {
        let shown = |text| Proxy::parse(text).map(|proxy| proxy.to_string());
        assert_eq!(shown("proxy:3128").as_deref(), Some("http://proxy:3128"));
        assert_eq!(
            shown("socks5h://a%40b:c@[::1]").as_deref(),
            Some("socks5h://[::1]:1080")
        );
        assert_eq!(shown("http://"), None);
        let login = Proxy::parse("http://a%40b:c%25+@proxy").and_then(|proxy| proxy.login);
        let (user, password) = login.expect("a login");
        assert_eq!((user.as_str(), password.expose_secret()), ("a@b", "c%+"));
    }

    #[test]
    fn exceptions_are_names_networks_and_everything() {
        let proxies = |except: &[&str]| Proxies {
            proxy: Proxy::parse("proxy:1"),
            except: except.iter().map(|text| (*text).to_owned()).collect(),
        };
        let used = |except: &[&str], host: &str| proxies(except).on_the_way_to(host).is_some();
        assert!(used(&[], "pg.example.com") && !used(&[], "127.0.0.1") && !used(&[], "localhost"));
        assert!(!used(&[".example.com"], "PG.example.com") && !used(&["example.com"], "example.com"));
        assert!(used(&["ample.com"], "pg.example.com") && !used(&["*"], "pg.example.com"));
        assert!(
            !used(&["10.9.9.9/8"], "10.1.2.3") && used(&["10.0.0.0/8"], "11.1.2.3") && used(&["10.0.0.0/8"], "::a")
        );
        assert!(!used(&["fd00::/8"], "[fd12::1]") && used(&["10.0.0.0/33", "x/8", "/"], "10.1.2.3"));
    }
}
