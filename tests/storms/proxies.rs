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
    let (target, yes, no): (String, &[u8], &[u8]) = if first == 5 {
        (
            socks(&mut client).await?,
            &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0],
        )
    } else {
        (
            connect(&mut client, first).await?,
            b"HTTP/1.1 200 Connection established\r\n\r\n",
            b"HTTP/1.1 403 Forbidden\r\n\r\n",
        )
    };
    let refused = target.contains("forbidden");
    asked.lock().expect("no panic").push(target);
    if refused {
        return client.write_all(no).await;
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
        if login.starts_with("stranger:") {
            client.write_all(&[1, 1]).await?;
        }
        client.write_all(&[1, 0]).await?;
    } else {
        client.write_all(&[5, 0]).await?;
    }
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let name = match head[3] {
        1 => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        _ => text(client).await?,
    };
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

/// What is told of a server that cannot be reached.
async fn unreachable(server: &str, variables: &[(&str, &str)]) -> String {
    let plugin = azure::provider_with(emulator().await, variables).await;
    let given = config! { "server" => server, "name" => "nobody" };
    let failed = plugin.resource("entradb_postgresql_role").try_create(given).await;
    let told = failed.err().expect("no way").told.remove(0);
    assert_eq!(told.summary, "Database cannot be reached", "{}", told.detail);
    assert!(told.detail.contains("terraform state rm"), "{}", told.detail);
    told.detail
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    let (address, _) = proxy(emulator().await.postgresql().address.clone()).await;
    for (scheme, login, refusal) in [
        ("http", "me", "403 Forbidden"),
        ("socks5h", "me", "not allowed by its rules"),
        ("socks5h", "stranger", "refused the user name or the password"),
    ] {
        let address = format!("{scheme}://{login}:secret-word@{address}");
        let variables = [("HTTPS_PROXY", address.as_str()), ("NO_PROXY", "127.0.0.1")];
        let detail = unreachable("forbidden.postgres.database.azure.com", &variables).await;
        for words in ["does not lead to the server forbidden.", refusal, "`NO_PROXY`"] {
            assert!(detail.contains(words), "{words} is missing in {detail}");
        }
        assert!(!detail.contains("secret-word"), "{detail}");
    }
}

/// The first server, to be dialled at this host of this machine, and whether that went through the proxy.
async fn dialled_through_the_proxy(host: &str, except: &str, role: &str) -> bool {
    let emulator = emulator().await;
    let server = emulator.postgresql();
    let (address, asked) = proxy(server.address.clone()).await;
    let port = server.address.rsplit(':').next().expect("a port");
    let hosts = format!("{}={host}:{port}", server.fqdn);
    let (address, except) = (format!("socks5h://{address}"), format!("localhost,127.0.0.1,{except}"));
    let variables = [
        ("ALL_PROXY", address.as_str()),
        ("NO_PROXY", except.as_str()),
        ("ENTRADB_DATABASE_HOSTS", hosts.as_str()),
    ];
    let plugin = azure::provider_with(emulator, &variables).await;
    let given = config! { "server" => server.fqdn.as_str(), "name" => role };
    let made = plugin.resource("entradb_postgresql_role").create(given).await;
    made.destroy().await;
    let asked = asked.lock().expect("no panic");
    assert!(
        asked.iter().all(|target| *target == format!("{host}:{port}")),
        "{asked:?}"
    );
    !asked.is_empty()
}

#[tokio::test]
async fn names_their_endings_and_networks_are_excepted() {
    // Two spellings of this machine that are not its usual ones, and that nobody has to be asked for: one is read as a name, one as an address.
    let (name, address) = ("0x7f.0.0.1", "0.0.0.0");
    for (number, (host, except, through)) in [
        (name, "other.example", true),
        (name, "x7f.0.0.1", true),
        (name, "0X7F.0.0.1", false),
        (name, ".0.0.1", false),
        (name, "0.0.1", false),
        (address, "10.0.0.0/8", true),
        (address, "0.0.0.0/8", false),
        (address, "0.0.0.0", false),
        (address, "*", false),
    ]
    .into_iter()
    .enumerate()
    {
        let role = format!("excepted-{number}");
        assert_eq!(
            dialled_through_the_proxy(host, except, &role).await,
            through,
            "{host} with NO_PROXY={except}"
        );
    }
}

#[tokio::test]
async fn a_private_address_that_leads_nowhere_is_explained() {
    // An address within one link, without a word on which: this machine refuses it, and nothing leaves it.
    let hosts = "private.postgres.database.azure.com=[fe80::1]:5432";
    let detail = unreachable(
        "private.postgres.database.azure.com",
        &[("ENTRADB_DATABASE_HOSTS", hosts)],
    )
    .await;
    for words in [
        "server private.postgres.database.azure.com, dialled as [fe80::1]:5432 leads to the private address [fe80::1]:5432",
        "does not answer from here",
        "Run inside that network, connect it (peering, VPN), name a tunnel in `database_hosts`, or a SOCKS proxy in `ALL_PROXY`",
    ] {
        assert!(detail.contains(words), "{words} is missing in {detail}");
    }
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
