//! PgBouncer as Azure runs it beside a server: the real program in transaction mode, behind the same front.
//! It does not check tokens.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::postgres::process::Account;
use crate::postgres::server::Server;

/// Runs it for as long as somebody holds the other end of its input, however that ends.
const KEEPER: &str = r#""$1" -q "$2" >>"$3" 2>&1 </dev/null & pooler=$!; read -r _; kill "$pooler"; wait "$pooler""#;

/// A running PgBouncer. Dropping it stops it.
pub(crate) struct Pooler {
    keeper: Child,
    /// Where it listens.
    pub(crate) socket: PathBuf,
}

impl Pooler {
    /// Starts it beside a server.
    pub(crate) fn start(server: &Server) -> Result<Pooler> {
        let program = find()?;
        let account = Account::unprivileged()?;
        let folder = server.layout.sockets.with_file_name("pooler");
        fs::create_dir_all(&folder).context("no folder for PgBouncer")?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).context("permissions cannot be set")?;
        account.give(&folder)?;
        let (settings, users, log) = (folder.join("pgbouncer.ini"), folder.join("users"), folder.join("log"));
        fs::write(&users, "\"azuresu\" \"\"\n").context("PgBouncer's users cannot be written")?;
        fs::write(&log, "").context("PgBouncer's log cannot be written")?;
        account.give(&log)?;
        // Who may log in was decided by the front; here everybody is whom they say.
        let text = format!(
            "[databases]\n* = host={sockets} port=5432 auth_user=azuresu\n\n[pgbouncer]\nlisten_port = 6432\n\
             unix_socket_dir = {folder}\npool_mode = transaction\nauth_type = trust\nauth_file = {users}\n\
             auth_query = SELECT rolname::text, ''::text FROM pg_catalog.pg_roles WHERE rolname = $1\n\
             max_client_conn = 200\ndefault_pool_size = 5\nserver_tls_sslmode = disable\n",
            sockets = server.layout.sockets.display(),
            folder = folder.display(),
            users = users.display(),
        );
        fs::write(&settings, text).context("PgBouncer's settings cannot be written")?;
        let keeper = account
            .command("/bin/sh")
            .args(["-c", KEEPER, "entradb-emulator"])
            .args([&program, &settings, &log])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("`/bin/sh` does not run")?;
        let socket = folder.join(".s.PGSQL.6432");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !socket.exists() {
            if Instant::now() > deadline {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(Error::new(format!("PgBouncer does not start: {}", said.trim())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Pooler { keeper, socket })
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // Nothing can be done about a keeper that cannot be waited for.
        let _ = self.keeper.wait();
    }
}

fn find() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    let mut programs = folders.map(|folder| folder.join("pgbouncer"));
    programs
        .find(|program: &PathBuf| Path::is_file(program))
        .ok_or_else(|| Error::new("there is no `pgbouncer` here; install it (Debian: `apt-get install pgbouncer`)"))
}
