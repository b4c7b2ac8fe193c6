//! Databases behind a proxy: SOCKS5 and HTTP CONNECT, spoken by a small proxy of the test's own.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::config;
use crate::harness::azure;
use crate::resources::world::emulator;

/// What the proxy was asked for, and with which login.
type Asked = Arc<Mutex<Vec<String>>>;

/// A proxy that leads everybody to one address; it speaks what the first byte says. Answers its own address.
async fn proxy(leads_to: String) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let asked = Asked::default();
    let noted = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (leads_to, noted) = (leads_to.clone(), noted.clone());
            tokio::spawn(async move { serve(stream, &leads_to, &noted).await });
        }
    });
    (address, asked)
}

async fn serve(mut client: TcpStream, leads_to: &str, asked: &Asked) -> std::io::Result<()> {
    let first = client.read_u8().await?;
    let (target, yes): (String, &[u8]) = if first == 5 {
        (socks(&mut client).await?, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    } else {
        (
            connect(&mut client, first).await?,
            b"HTTP/1.1 200 Connection established\r\n\r\n",
        )
    };
    let refused = target.contains("forbidden");
    asked.lock().expect("no panic").push(target);
    if refused {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
    }
    let mut server = TcpStream::connect(leads_to).await?;
    client.write_all(yes).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

async fn text(client: &mut TcpStream) -> std::io::Result<String> {
    let length = usize::from(client.read_u8().await?);
    let mut bytes = vec![0; length];
    client.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn socks(client: &mut TcpStream) -> std::io::Result<String> {
    let methods = text(client).await?;
    let mut login = String::new();
    if methods.contains('\u{2}') {
        client.write_all(&[5, 2]).await?;
        client.read_u8().await?;
        login = format!("{}:{}@", text(client).await?, text(client).await?);
        client.write_all(&[1, 0]).await?;
    } else {
        client.write_all(&[5, 0]).await?;
    }
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    assert_eq!(head[3], 3, "the proxy is given a name");
    let name = text(client).await?;
    Ok(format!("{login}{name}:{}", client.read_u16().await?))
}

async fn connect(client: &mut TcpStream, first: u8) -> std::io::Result<String> {
    let mut request = vec![first];
    while !request.ends_with(b"\r\n\r\n") {
        request.push(client.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&request).into_owned())
}

/// Makes and removes a role through a proxy that is named by this variable. Answers what the proxy was asked.
async fn life_through(variable: &str, scheme: &str, role: &str) -> Vec<String> {
    let emulator = emulator().await;
    let (address, asked) = proxy(emulator.postgresql().address.clone()).await;
    let address = format!("{scheme}{address}");
    // Nobody says where the server is: only the proxy knows.
    let variables = [
        ("ENTRADB_DATABASE_HOSTS", ""),
        ("NO_PROXY", "127.0.0.1"),
        (variable, address.as_str()),
    ];
    let plugin = azure::provider_with(emulator, &variables).await;
    let given = config! { "server" => emulator.postgresql().fqdn.as_str(), "name" => role };
    let mut made = plugin.resource("entradb_postgresql_role").create(given).await;
    made.settled().await;
    made.destroy().await;
    assert!(
        !plugin.log().iter().any(|line| line.contains("secret-word")),
        "the proxy's password is in the log"
    );
    asked.lock().expect("no panic").clone()
}

#[tokio::test]
async fn a_database_is_reached_through_socks() {
    let asked = life_through("ALL_PROXY", "socks5h://", "socks-role").await;
    assert_eq!(asked[0], "pg-data.postgres.database.azure.com:5432");
    let asked = life_through("ALL_PROXY", "socks5h://me:secret-word@", "socks-role-2").await;
    assert_eq!(asked[0], "me:secret-word@pg-data.postgres.database.azure.com:5432");
}

#[tokio::test]
async fn a_database_is_reached_through_http() {
    let asked = life_through("HTTPS_PROXY", "http://me:secret-word@", "http-role").await;
    let first = "CONNECT pg-data.postgres.database.azure.com:5432 HTTP/1.1\r\n";
    assert!(asked[0].starts_with(first), "{}", asked[0]);
    // `me:secret-word` in base 64.
    assert!(
        asked[0].contains("Proxy-Authorization: Basic bWU6c2VjcmV0LXdvcmQ=\r\n"),
        "{}",
        asked[0]
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    let emulator = emulator().await;
    let (address, _) = proxy(emulator.postgresql().address.clone()).await;
    let address = format!("http://me:secret-word@{address}");
    let variables = [("HTTPS_PROXY", address.as_str()), ("NO_PROXY", "127.0.0.1")];
    let plugin = azure::provider_with(emulator, &variables).await;
    let given = config! { "server" => "forbidden.postgres.database.azure.com", "name" => "nobody" };
    let failed = plugin.resource("entradb_postgresql_role").try_create(given).await;
    let told = failed.err().expect("no way").told;
    let detail = &told[0].detail;
    for words in [
        "does not lead to the server forbidden.",
        "403 Forbidden",
        "`NO_PROXY`",
        "terraform state rm",
    ] {
        assert!(detail.contains(words), "{words} is missing in {detail}");
    }
    assert!(!detail.contains("secret-word"), "{detail}");
}

#[tokio::test]
async fn what_no_proxy_names_is_reached_without_one() {
    let emulator = emulator().await;
    let (address, asked) = proxy(emulator.postgresql().address.clone()).await;
    let variables = [
        ("ALL_PROXY", format!("socks5h://{address}")),
        ("NO_PROXY", "127.0.0.1,.azure.com".to_owned()),
    ];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // A tunnel on this machine is never looked for behind the proxy.
    let plugin = azure::provider_with(emulator, &variables).await;
    let given = config! { "server" => emulator.postgresql().fqdn.as_str(), "name" => "direct-role" };
    plugin
        .resource("entradb_postgresql_role")
        .create(given)
        .await
        .destroy()
        .await;
    assert_eq!(asked.lock().expect("no panic").len(), 0);
}
