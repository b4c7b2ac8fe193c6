//! A small proxy, of both kinds: CONNECT over HTTP, and SOCKS 5. It writes down whom it was asked for.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// How the proxy is spoken to, and whether it lets anybody through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Connect,
    /// Answers 407 to everybody.
    Refusing,
    Socks,
}

/// A proxy that runs until the test ends.
pub struct Relay {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    pub async fn start(kind: Kind) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let noted = noted.clone();
                tokio::spawn(async move {
                    match kind {
                        Kind::Connect | Kind::Refusing => connect(stream, &noted, kind == Kind::Connect).await,
                        Kind::Socks => socks(stream, &noted).await,
                    }
                });
            }
        });
        Relay { address, asked }
    }

    /// `host:port`
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The `host:port` of everything that went through, or was to.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a list").clone()
    }
}

async fn connect(mut stream: TcpStream, noted: &Mutex<Vec<String>>, open: bool) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let (method, rest) = head.split_once(' ')?;
    let target = rest.split(' ').next()?.to_owned();
    noted.lock().expect("a list").push(target.clone());
    if method != "CONNECT" || !open {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        return stream.write_all(refusal).await.ok();
    }
    let mut other = TcpStream::connect(&target).await.ok()?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    copy_bidirectional(&mut stream, &mut other).await.ok().map(|_| ())
}

async fn socks(mut stream: TcpStream, noted: &Mutex<Vec<String>>) -> Option<()> {
    let mut greeting = [0; 2];
    stream.read_exact(&mut greeting).await.ok()?;
    let mut methods = vec![0; usize::from(greeting[1])];
    stream.read_exact(&mut methods).await.ok()?;
    stream.write_all(&[5, 0]).await.ok()?;
    let mut request = [0; 4];
    stream.read_exact(&mut request).await.ok()?;
    let host = match request[3] {
        1 => {
            let mut address = [0; 4];
            stream.read_exact(&mut address).await.ok()?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        3 => {
            let mut name = vec![0; usize::from(stream.read_u8().await.ok()?)];
            stream.read_exact(&mut name).await.ok()?;
            String::from_utf8(name).ok()?
        }
        _ => return None,
    };
    let port = stream.read_u16().await.ok()?;
    let target = format!("{host}:{port}");
    noted.lock().expect("a list").push(target.clone());
    let mut other = TcpStream::connect(&target).await.ok()?;
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    copy_bidirectional(&mut stream, &mut other).await.ok().map(|_| ())
}
