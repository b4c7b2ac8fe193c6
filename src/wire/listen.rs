//! Where the host connects: a unix socket that only its owner reaches, or a loopback port. Knows
//! nothing of what is said on a connection.

use std::io;
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tonic::transport::server::Connected;

use crate::wire::ending::{Presence, Present};
use crate::wire::handshake::Invitation;

/// A peer that has not finished its TLS handshake by then is let go.
const TLS_HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);
/// How long nothing is accepted after the operating system refused to (no file descriptors left).
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(50);

/// Where to connect, as the host writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `unix` or `tcp`.
    pub network: &'static str,
    /// The socket's path, or `127.0.0.1:port`.
    pub address: String,
}

/// A bound socket, and what the process must know of it.
#[derive(Debug)]
pub struct Bound {
    /// What gives the connections.
    pub listener: Listener,
    /// Where to connect.
    pub address: Address,
    /// To be dropped when the process ends.
    pub traces: Traces,
}

/// A bound socket.
#[derive(Debug)]
pub struct Listener(Socket);

#[derive(Debug)]
enum Socket {
    #[cfg(unix)]
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// What lies in the file system until this is dropped.
#[derive(Debug, Default)]
pub struct Traces {
    socket: Option<PathBuf>,
    directory: Option<PathBuf>,
}

impl Drop for Traces {
    fn drop(&mut self) {
        // Nothing can be done about what cannot be removed.
        if let Some(socket) = &self.socket {
            let _ = std::fs::remove_file(socket);
        }
        if let Some(directory) = &self.directory {
            let _ = std::fs::remove_dir(directory);
        }
    }
}

impl Listener {
    /// Binds where the invitation says, and if it says nothing, where only this user may connect.
    ///
    /// # Errors
    ///
    /// No socket can be made there, or the group is not known.
    #[cfg(unix)]
    pub async fn bind(invitation: &Invitation) -> io::Result<Bound> {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let mut traces = Traces::default();
        let path = match &invitation.socket_directory {
            Some(directory) => directory.join(format!("plugin{name}")),
            None => {
                let directory = std::env::temp_dir().join(format!("plugin{name}"));
                private_directory(&directory)?;
                traces.directory = Some(directory.clone());
                directory.join("s")
            }
        };
        let socket = UnixListener::bind(&path)?;
        traces.socket = Some(path.clone());
        match (&invitation.socket_group, &invitation.socket_directory) {
            (Some(group), Some(_)) => open_to_group(&path, group)?,
            _ => allow(&path, 0o600)?,
        }
        let address = path.into_os_string().into_string();
        let address = address.map_err(|_| io::Error::other("the socket's path is not UTF-8"))?;
        let address = Address {
            network: "unix",
            address,
        };
        Ok(Bound {
            listener: Self(Socket::Unix(socket)),
            address,
            traces,
        })
    }

    /// Binds a loopback port.
    ///
    /// # Errors
    ///
    /// Every port of the range is taken.
    #[cfg(not(unix))]
    pub async fn bind(invitation: &Invitation) -> io::Result<Bound> {
        Self::bind_port(invitation.ports).await
    }

    /// Binds the first free loopback port of the range, or any.
    ///
    /// # Errors
    ///
    /// Every port of the range is taken.
    pub async fn bind_port(range: Option<(u16, u16)>) -> io::Result<Bound> {
        let (first, last) = range.unwrap_or((0, 0));
        let mut refusal = io::Error::other("the range of ports is empty");
        for port in first..=last {
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(socket) => {
                    let address = socket.local_addr()?.to_string();
                    let address = Address {
                        network: "tcp",
                        address,
                    };
                    return Ok(Bound {
                        listener: Self(Socket::Tcp(socket)),
                        address,
                        traces: Traces::default(),
                    });
                }
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// The connections, each with what `greet` makes for it, counted in `presence`. Whoever is not
    /// admitted by `tls` is never seen.
    pub fn connections<I: Clone + Send + Sync + 'static>(
        self,
        tls: Option<TlsAcceptor>,
        presence: Presence,
        greet: impl Fn() -> I + Clone + Send + 'static,
    ) -> impl Stream<Item = io::Result<Connection<I>>> {
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut pause = tokio::time::interval(PAUSE_AFTER_REFUSAL);
            while !sender.is_closed() {
                let Ok(stream) = self.accept().await else {
                    pause.reset();
                    pause.tick().await;
                    continue;
                };
                let present = presence.enter();
                let (sender, tls, greet) = (sender.clone(), tls.clone(), greet.clone());
                // A peer that dawdles must not keep others waiting.
                tokio::spawn(async move {
                    if let Some(stream) = admit(stream, tls).await {
                        let connection = Connection {
                            stream,
                            info: greet(),
                            _present: present,
                        };
                        // Fails when the server is gone: then nobody needs the connection.
                        let _ = sender.send(Ok(connection)).await;
                    }
                });
            }
        });
        stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|connection| (connection, receiver))
        })
    }

    async fn accept(&self) -> io::Result<Pin<Box<dyn Wire>>> {
        match &self.0 {
            #[cfg(unix)]
            Socket::Unix(socket) => Ok(Box::pin(socket.accept().await?.0)),
            Socket::Tcp(socket) => {
                let stream = socket.accept().await?.0;
                stream.set_nodelay(true)?;
                Ok(Box::pin(stream))
            }
        }
    }
}

async fn admit(stream: Pin<Box<dyn Wire>>, tls: Option<TlsAcceptor>) -> Option<Pin<Box<dyn Wire>>> {
    let Some(tls) = tls else { return Some(stream) };
    match tokio::time::timeout(TLS_HANDSHAKE_LIMIT, tls.accept(stream)).await {
        Ok(Ok(stream)) => Some(Box::pin(stream)),
        Ok(Err(error)) => {
            tracing::warn!(%error, "a connection was refused");
            None
        }
        Err(_) => {
            tracing::warn!("a connection was given up: its TLS handshake did not end");
            None
        }
    }
}

#[cfg(unix)]
fn private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(unix)]
fn allow(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(unix)]
fn open_to_group(path: &Path, group: &str) -> io::Result<()> {
    let number = match group.parse() {
        Ok(number) => number,
        Err(_) => group_number(group, &std::fs::read_to_string("/etc/group")?)
            .ok_or_else(|| io::Error::other(format!("there is no group {group:?}")))?,
    };
    std::os::unix::fs::chown(path, None, Some(number))?;
    allow(path, 0o660)
}

/// Finds a group in the text of the system's group file: `name:password:number:members`.
#[cfg(unix)]
fn group_number(name: &str, file: &str) -> Option<u32> {
    file.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

/// What bytes go to and fro on: a socket, with or without TLS.
pub trait Wire: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Wire for S {}

/// One connection of the host. Every call on it finds `info` among its extensions.
pub struct Connection<I> {
    stream: Pin<Box<dyn Wire>>,
    info: I,
    _present: Present,
}

impl<I: Clone + Send + Sync + 'static> Connected for Connection<I> {
    type ConnectInfo = I;

    fn connect_info(&self) -> I {
        self.info.clone()
    }
}

impl<I: Unpin> AsyncRead for Connection<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(context, buffer)
    }
}

impl<I: Unpin> AsyncWrite for Connection<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("exists").permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn the_socket_is_its_owners_and_leaves_nothing_behind() {
        let bound = Listener::bind(&Invitation::default()).await.expect("binds");
        let path = PathBuf::from(&bound.address.address);
        let directory = path.parent().expect("a directory of its own").to_owned();
        assert_eq!((mode(&directory), mode(&path)), (0o700, 0o600));
        assert!(
            path.as_os_str().len() < 108,
            "the operating system allows no longer path"
        );
        drop(bound);
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn the_socket_is_made_where_the_host_wants_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let invitation = Invitation {
            socket_directory: Some(directory.path().to_owned()),
            ..Invitation::default()
        };
        let bound = Listener::bind(&invitation).await.expect("binds");
        assert!(
            bound
                .address
                .address
                .starts_with(directory.path().to_str().expect("UTF-8"))
        );
        drop(bound);
        assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 0);
    }

    #[tokio::test]
    async fn taken_ports_are_passed_over() {
        let first = Listener::bind_port(None).await.expect("binds");
        let port = first
            .address
            .address
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok());
        let port: u16 = port.expect("a port");
        assert!(Listener::bind_port(Some((port, port))).await.is_err());
    }

    #[test]
    fn groups_are_found_by_name() {
        let file = "root:x:0:\nusers:x:100:a,b\n";
        assert_eq!(group_number("users", file), Some(100));
        assert_eq!(group_number("user", file), None);
    }
}
