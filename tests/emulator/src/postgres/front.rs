//! The front of a server: TLS, the password in clear, the decision, and then the real session passed through.
//! It does not know SQL.

use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;

use crate::http::HANDSHAKE;
use crate::journal::Login;
use crate::postgres::credentials::{self, Refusal};
use crate::postgres::relay::relay;
use crate::postgres::server::Server;
use crate::postgres::wire::{self, First, Start};
use crate::world::World;

/// The first byte of a TLS handshake, for clients that start with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// What is behind a front: a server, and the socket on which it, or what stands before it, is reached.
#[derive(Clone)]
pub(crate) struct Behind {
    pub(crate) server: Arc<Server>,
    pub(crate) socket: PathBuf,
}

impl Deref for Behind {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// Serves one port until the runtime stops.
pub(crate) async fn serve(world: Arc<World>, server: Behind, listener: TcpListener, tls: TlsAcceptor) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (world, server, tls) = (world.clone(), server.clone(), tls.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            // A connection that breaks is the client's affair.
            let _ = accept(&world, &server, stream, tls).await;
        });
    }
}

async fn accept(world: &World, server: &Behind, mut stream: TcpStream, tls: TlsAcceptor) -> io::Result<()> {
    let mut peeked = [0];
    stream.peek(&mut peeked).await?;
    if peeked[0] == TLS_HANDSHAKE {
        let mut stream = within(tls.accept(stream)).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"postgresql".as_slice()) {
            return stream.shutdown().await;
        }
        return start(world, server, stream).await;
    }
    loop {
        match within(wire::first(&mut stream)).await? {
            First::Tls => {
                stream.write_all(b"S").await?;
                let stream = within(tls.accept(stream)).await?;
                return start(world, server, stream).await;
            }
            First::Gss => stream.write_all(b"N").await?,
            First::Cancel(packet) => return cancel(server, &packet).await,
            First::Start(start) => {
                let peer = stream.peer_addr()?.ip();
                let text = format!(
                    "no pg_hba.conf entry for host \"{peer}\", user \"{}\", database \"{}\", no encryption",
                    start.user, start.database
                );
                note(world, server, &start, Some(text.clone()));
                return wire::refuse(&mut stream, "28000", &text).await;
            }
        }
    }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(HANDSHAKE, work)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn cancel(server: &Behind, packet: &[u8]) -> io::Result<()> {
    let mut backend = UnixStream::connect(&server.socket).await?;
    backend.write_all(packet).await?;
    // The server answers by closing.
    backend.read_u8().await.map(drop).or(Ok(()))
}

async fn start<S: AsyncRead + AsyncWrite + Unpin>(world: &World, server: &Behind, mut stream: S) -> io::Result<()> {
    let start = match within(wire::first(&mut stream)).await? {
        First::Start(start) => start,
        First::Cancel(packet) => return cancel(server, &packet).await,
        First::Tls | First::Gss => return Err(io::ErrorKind::InvalidData.into()),
    };
    if world.faults.refuses_login() {
        return refuse(
            world,
            server,
            &start,
            &mut stream,
            "57P03",
            "the database system is starting up",
        )
        .await;
    }
    let secret = within(wire::password(&mut stream)).await?;
    let Ok(role) = server.role(&start.user).await else {
        return refuse(
            world,
            server,
            &start,
            &mut stream,
            "57P03",
            "the database system is starting up",
        )
        .await;
    };
    let planned = world.faults.refusal().map(|(code, text)| Refusal { code, text });
    let decision = match role {
        _ if planned.is_some() => planned.map_or(Ok(()), Err),
        Some(role) if start.user != "azuresu" => credentials::check(world, &role, server.doors(), &secret),
        _ => Err(Refusal::password(&start.user)),
    };
    if let Err(refusal) = decision {
        return refuse(world, server, &start, &mut stream, refusal.code, &refusal.text).await;
    }
    let Ok(mut backend) = UnixStream::connect(&server.socket).await else {
        return refuse(
            world,
            server,
            &start,
            &mut stream,
            "57P03",
            "the database system is starting up",
        )
        .await;
    };
    note(world, server, &start, None);
    backend.write_all(&start.packet).await?;
    relay(&world.faults, stream, backend).await
}

async fn refuse<S: AsyncWrite + Unpin>(
    world: &World,
    server: &Server,
    start: &Start,
    stream: &mut S,
    code: &str,
    text: &str,
) -> io::Result<()> {
    note(world, server, start, Some(text.to_owned()));
    wire::refuse(stream, code, text).await
}

fn note(world: &World, server: &Server, start: &Start, refusal: Option<String>) {
    world.journal.login(Login {
        server: server.fqdn.clone(),
        user: start.user.clone(),
        database: start.database.clone(),
        refusal,
    });
}
