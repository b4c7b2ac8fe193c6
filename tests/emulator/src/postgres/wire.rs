//! The part of PostgreSQL's protocol that comes before a session: start-up, password, refusal.
//! It does not know who may log in.

use std::collections::HashMap;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const TLS_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;

/// Start-up packets are short; PostgreSQL itself refuses longer ones.
const LONGEST_START: usize = 10_000;
/// Tokens take 2 KB; what is much longer is no token.
const LONGEST_PASSWORD: usize = 65_536;

/// The first packet of a connection.
pub(crate) enum First {
    Tls,
    Gss,
    /// The whole packet, to be passed on as it is.
    Cancel(Vec<u8>),
    Start(Start),
}

/// Who wants which database, with the whole packet to be passed on as it is.
pub(crate) struct Start {
    pub(crate) packet: Vec<u8>,
    pub(crate) user: String,
    pub(crate) database: String,
}

pub(crate) async fn first<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<First> {
    let length = usize::try_from(stream.read_i32().await?).unwrap_or_default();
    if !(8..=LONGEST_START).contains(&length) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "start-up packet of an impossible length",
        ));
    }
    let mut packet = vec![0; length];
    packet[..4].copy_from_slice(&u32::try_from(length).unwrap_or_default().to_be_bytes());
    stream.read_exact(&mut packet[4..]).await?;
    let code = i32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
    match code {
        TLS_REQUEST => Ok(First::Tls),
        GSS_REQUEST => Ok(First::Gss),
        CANCEL_REQUEST => Ok(First::Cancel(packet)),
        _ if code >> 16 == 3 => {
            let mut texts = packet[8..]
                .split(|byte| *byte == 0)
                .map(|text| String::from_utf8_lossy(text).into_owned());
            let mut parameters = HashMap::new();
            while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
                parameters.insert(name, value);
            }
            let user = parameters.remove("user").unwrap_or_default();
            let database = parameters
                .remove("database")
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| user.clone());
            Ok(First::Start(Start { packet, user, database }))
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "unsupported protocol")),
    }
}

/// Asks for the password in clear and reads it.
pub(crate) async fn password<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<String> {
    stream.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]).await?;
    stream.flush().await?;
    let kind = stream.read_u8().await?;
    let length = usize::try_from(stream.read_i32().await?).unwrap_or_default();
    if kind != b'p' || !(4..=LONGEST_PASSWORD).contains(&length) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a password message was expected",
        ));
    }
    let mut text = vec![0; length - 4];
    stream.read_exact(&mut text).await?;
    if text.last() == Some(&0) {
        text.pop();
    }
    String::from_utf8(text).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the password is no text"))
}

/// A refusal: severity FATAL, after which the connection ends.
pub(crate) async fn refuse<S: AsyncWrite + Unpin>(stream: &mut S, code: &str, message: &str) -> io::Result<()> {
    let mut fields = Vec::new();
    for (kind, text) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', code), (b'M', message)] {
        fields.push(kind);
        fields.extend_from_slice(text.as_bytes());
        fields.push(0);
    }
    fields.push(0);
    let length = u32::try_from(fields.len() + 4).unwrap_or_default();
    stream.write_u8(b'E').await?;
    stream.write_u32(length).await?;
    stream.write_all(&fields).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_database_is_named_after_the_user_when_it_is_left_out() {
        let mut packet = vec![0, 0, 0, 0, 0, 3, 0, 0];
        packet.extend_from_slice(b"user\0one@example.com\0\0");
        let length = u32::try_from(packet.len()).unwrap();
        packet[..4].copy_from_slice(&length.to_be_bytes());
        let First::Start(start) = first(&mut packet.as_slice()).await.unwrap() else {
            panic!("no start")
        };
        assert_eq!(
            (start.user.as_str(), start.database.as_str()),
            ("one@example.com", "one@example.com")
        );
        assert_eq!(start.packet, packet);
    }

    #[tokio::test]
    async fn nonsense_is_refused() {
        assert!(first(&mut b"GET / HTTP/1.1\r\n".as_slice()).await.is_err());
        assert!(first(&mut [0_u8, 0, 0, 4].as_slice()).await.is_err());
    }
}
