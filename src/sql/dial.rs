//! Reaching a server: from its name to an open TCP connection, each stage with its own failure.

pub mod proxy;

use crate::sql::dial::proxy::{Proxy, Route};
use crate::sql::error::{Error, Kind, Unreachable};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// Where a server is.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its own name, which its certificate carries.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `host:port` to dial instead: a tunnel, a bastion, an emulator.
    pub dial: Option<String>,
    /// The proxy on the way.
    pub proxy: Option<Proxy>,
}

impl Endpoint {
    /// What is dialled, as `host:port`.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.dial {
            Some(dial) => dial.clone(),
            None if self.host.contains(':') => format!("[{}]:{}", self.host, self.port),
            None => format!("{}:{}", self.host, self.port),
        }
    }

    /// What is dialled, for people: with the server's own name, which is what they know it by.
    fn shown(&self) -> String {
        match &self.dial {
            Some(dial) => format!("the server {}, dialled as {dial}", self.host),
            None => format!("the server {}", self.target()),
        }
    }

    /// The addresses of what is dialled; never an empty list.
    pub async fn resolve(&self, deadline: Instant) -> Result<Vec<SocketAddr>, Error> {
        let (target, shown) = (self.target(), self.shown());
        let failed = |message: String| Error::new(Kind::Unreachable(Unreachable::NameResolution), message);
        match timeout_at(deadline, lookup_host(&target)).await {
            Err(_) => Err(failed(format!("the name of {shown} was not resolved in time"))),
            Ok(Err(error)) => Err(failed(format!("the name of {shown} has no address here")).because(error)),
            Ok(Ok(found)) => {
                let addresses: Vec<SocketAddr> = found.collect();
                if addresses.is_empty() {
                    return Err(failed(format!("the name of {shown} has no address here")));
                }
                Ok(addresses)
            }
        }
    }

    /// Connects, through the proxy where there is one.
    pub(crate) async fn reach(&self, deadline: Instant) -> Result<(TcpStream, Route), Error> {
        let Some(proxy) = &self.proxy else {
            let addresses = self.resolve(deadline).await?;
            let stream = self.connect(&addresses, deadline).await?;
            let address = stream
                .peer_addr()
                .map_err(|error| Error::new(Kind::ConnectionLost, "the connection ended at once").because(error))?;
            return Ok((stream, Route::Direct(address)));
        };
        let (host, port) = self.behind(proxy, deadline).await?;
        let route = Route::Through(proxy.clone(), host, port);
        let failed = |error: io::Error| {
            let message = format!("the proxy {proxy} does not lead to {}", self.shown());
            Error::new(Kind::Unreachable(Unreachable::Proxy), message).because(error)
        };
        match timeout_at(deadline, route.open()).await {
            Ok(Ok(stream)) => Ok((stream, route)),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(failed(io::ErrorKind::TimedOut.into())),
        }
    }

    /// What the proxy is asked for.
    async fn behind(&self, proxy: &Proxy, deadline: Instant) -> Result<(String, u16), Error> {
        if !proxy.takes_names() {
            let addresses = self.resolve(deadline).await?;
            return Ok((addresses[0].ip().to_string(), addresses[0].port()));
        }
        let target = self.target();
        let (host, port) = target.rsplit_once(':').unwrap_or((&target, ""));
        let port = port.parse().unwrap_or(self.port);
        Ok((host.trim_matches(['[', ']']).to_owned(), port))
    }

    /// Connects to the first address that answers; the time left is shared among them.
    pub async fn connect(&self, addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Error> {
        let mut failure = None;
        for (index, address) in addresses.iter().enumerate() {
            let attempts_left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            let share = deadline.saturating_duration_since(Instant::now()) / attempts_left;
            match timeout_at(Instant::now() + share, open(*address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = Some(error),
                Err(_) => failure = Some(io::ErrorKind::TimedOut.into()),
            }
        }
        let error = failure.unwrap_or_else(|| io::ErrorKind::NotFound.into());
        Err(self.unreachable(addresses, error))
    }

    fn unreachable(&self, addresses: &[SocketAddr], error: io::Error) -> Error {
        let private = addresses.iter().all(|address| is_private(address.ip()));
        let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let (target, shown) = (self.shown(), shown.join(", "));
        let (reason, message) = match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                (Unreachable::Refused, format!("{target} ({shown}) refuses connections"))
            }
            _ if private => {
                let message = format!("{target} leads to the private address {shown}, which does not answer from here");
                (Unreachable::PrivateAddress, message)
            }
            io::ErrorKind::TimedOut => (Unreachable::TimedOut, format!("{target} ({shown}) does not answer")),
            _ => (Unreachable::Network, format!("no connection to {target} ({shown})")),
        };
        Error::new(Kind::Unreachable(reason), message).because(error)
    }
}

impl Route {
    /// Opens a connection on this way.
    pub(crate) async fn open(&self) -> io::Result<TcpStream> {
        let (proxy, host, port) = match self {
            Route::Direct(address) => return open(*address).await,
            Route::Through(proxy, host, port) => (proxy, host, *port),
        };
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for address in lookup_host(proxy.address()).await? {
            match open(address).await {
                Ok(mut stream) => return proxy.ask(&mut stream, host, port).await.map(|()| stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// Opens one connection, with keep-alive so that a dead peer is noticed.
async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_keepalive(true)?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether an address means something in one network only. Loopback is not counted: it is here.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private() || address.is_link_local() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_private(mapped.into()),
            None => address.is_unique_local() || address.is_unicast_link_local(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn endpoint(dial: Option<&str>) -> Endpoint {
        Endpoint {
            host: "pg.example.test".into(),
            port: 5432,
            dial: dial.map(Into::into),
            proxy: None,
        }
    }

    #[test]
    fn private_addresses_are_told_apart() {
        for private in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["20.1.2.3", "127.0.0.1", "::1", "100.128.0.1", "172.32.0.1"] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn a_private_address_that_does_not_answer_is_named_as_such() {
        let private = ["10.0.0.5:5432".parse().unwrap()];
        let public = ["20.0.0.5:5432".parse().unwrap()];
        let kind = |addresses: &[SocketAddr], error: io::ErrorKind| {
            let Kind::Unreachable(kind) = endpoint(None).unreachable(addresses, error.into()).kind else {
                panic!("not unreachable");
            };
            kind
        };
        use Unreachable::*;
        assert_eq!(kind(&private, io::ErrorKind::TimedOut), PrivateAddress);
        assert_eq!(kind(&private, io::ErrorKind::HostUnreachable), PrivateAddress);
        assert_eq!(kind(&private, io::ErrorKind::ConnectionRefused), Refused);
        assert_eq!(kind(&public, io::ErrorKind::TimedOut), TimedOut);
        assert_eq!(kind(&public, io::ErrorKind::HostUnreachable), Network);
        let dialled = endpoint(Some("10.0.0.5:5432")).unreachable(&private, io::ErrorKind::TimedOut.into());
        assert_eq!(
            dialled.kind,
            Kind::Unreachable(PrivateAddress),
            "also when a person named it"
        );
    }

    #[tokio::test]
    async fn a_port_without_a_listener_refuses() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let endpoint = endpoint(Some(&address.to_string()));
        let deadline = Instant::now() + Duration::from_secs(5);
        let addresses = endpoint.resolve(deadline).await.unwrap();
        let error = endpoint.connect(&addresses, deadline).await.unwrap_err();
        assert_eq!(error.kind, Kind::Unreachable(Unreachable::Refused));
    }
}
