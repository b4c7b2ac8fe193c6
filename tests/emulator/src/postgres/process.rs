//! Running a server as an unprivileged user in a temporary folder, so that nothing is left behind however we end.
//! It does not know what is in the databases.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use crate::error::{Context, Error, Result};
use crate::journal::hold;
use crate::postgres::find::Binaries;

/// Makes the cluster and runs the server for as long as somebody holds the other end of its input; then stops it and
/// removes its folder. That end closes by itself when our process dies, however it dies.
const KEEPER: &str = r#"
start() { "$1/postgres" -D "$2" >>"$3" 2>&1 </dev/null & server=$!; }
stop() { [ -z "$server" ] || { kill -INT "$server"; wait "$server"; }; }
server=
if "$1/initdb" -U azuresu -A trust --no-sync -E UTF8 --locale=C -D "$2" >>"$3" 2>&1 </dev/null
then echo initialised
else echo failed
fi
while read -r word; do
    stop
    start "$1" "$2" "$3"
    echo "$word"
done
stop
cd /
rm -rf -- "$4" || { sleep 1; rm -rf -- "$4"; }
"#;

/// The user that the server runs as.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Account {
    /// Ours, which is not root.
    Own,
    /// We are root: this one.
    Other { user: u32, group: u32 },
}

impl Account {
    /// PostgreSQL refuses to run as root.
    pub(crate) fn unprivileged() -> Result<Account> {
        let own = fs::metadata("/proc/self")
            .context("this process has no entry in /proc")?
            .uid();
        if own != 0 {
            return Ok(Account::Own);
        }
        let users = fs::read_to_string("/etc/passwd").context("the list of users cannot be read")?;
        for wanted in ["postgres", "nobody"] {
            let line = users.lines().find(|line| line.split(':').next() == Some(wanted));
            let mut numbers = line
                .into_iter()
                .flat_map(|line| line.split(':').skip(2))
                .flat_map(str::parse);
            if let (Some(user), Some(group)) = (numbers.next(), numbers.next()) {
                return Ok(Account::Other { user, group });
            }
        }
        Err(Error::new(
            "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`",
        ))
    }

    pub(super) fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Account::Other { user, group } = self {
            command.uid(user).gid(group);
        }
        command
            .process_group(0)
            .env_remove("PGDATA")
            .env("LC_ALL", "C")
            .current_dir("/");
        command
    }

    /// Gives a file or folder to this user.
    pub(crate) fn give(self, path: &Path) -> Result<()> {
        if let Account::Other { user, group } = self {
            chown(path, Some(user), Some(group)).context(format!("`{}` cannot change its owner", path.display()))?;
        }
        Ok(())
    }
}

/// Where everything of one server is.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) data: PathBuf,
    pub(crate) sockets: PathBuf,
    pub(crate) log: PathBuf,
    /// What is removed when the server ends.
    pub(crate) removed: PathBuf,
    pub(crate) library: PathBuf,
}

impl Layout {
    pub(crate) fn create(folder: &Path, removed: &Path, account: Account) -> Result<Layout> {
        let layout = Layout {
            data: folder.join("data"),
            sockets: folder.join("socket"),
            log: folder.join("server.log"),
            removed: removed.to_owned(),
            library: folder.join("pgaadauth.so"),
        };
        for path in [folder, &layout.sockets] {
            fs::create_dir_all(path).context(format!("`{}` cannot be made", path.display()))?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).context("permissions cannot be set")?;
            account.give(path)?;
        }
        account.give(removed)?;
        fs::set_permissions(removed, fs::Permissions::from_mode(0o755)).context("permissions cannot be set")?;
        Ok(layout)
    }
}

/// A running server. Dropping it stops the server and removes its folder.
pub(crate) struct Process {
    keeper: Mutex<Child>,
    input: Mutex<Option<ChildStdin>>,
    output: Mutex<BufReader<ChildStdout>>,
}

impl Process {
    /// Makes a new cluster whose superuser is `azuresu`. It does not run yet.
    pub(crate) fn create(binaries: &Binaries, layout: &Layout, account: Account) -> Result<Process> {
        let mut keeper = account
            .command("/bin/sh")
            .args(["-c", KEEPER, "entradb-emulator"])
            .args([&binaries.folder, &layout.data, &layout.log, &layout.removed])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("`/bin/sh` does not run")?;
        let input = keeper.stdin.take();
        let output = keeper
            .stdout
            .take()
            .ok_or_else(|| Error::new("the server's keeper has no output"))?;
        let process = Process {
            keeper: Mutex::new(keeper),
            input: Mutex::new(input),
            output: Mutex::new(BufReader::new(output)),
        };
        match process.hear()?.as_str() {
            "initialised" => Ok(process),
            _ => {
                let log = fs::read_to_string(&layout.log).unwrap_or_default();
                Err(Error::new(format!("`initdb` failed: {}", log.trim())))
            }
        }
    }

    /// Starts the server; when it runs already, stops it fast before. Returns before it is ready.
    pub(crate) fn start(&self) -> Result<()> {
        match hold(&self.input).as_mut() {
            Some(input) => input.write_all(b"started\n").context("the server's keeper is gone")?,
            None => return Err(Error::new("the server was stopped")),
        }
        match self.hear()?.as_str() {
            "started" => Ok(()),
            _ => Err(Error::new("the server's keeper is gone")),
        }
    }

    fn hear(&self) -> Result<String> {
        let mut line = String::new();
        let heard = hold(&self.output).read_line(&mut line);
        heard.context("the server's keeper is gone")?;
        Ok(line.trim().to_owned())
    }
}

impl Process {
    /// Stops the server and waits until its folder is gone.
    pub(crate) fn stop(&self) {
        *hold(&self.input) = None;
        // Nothing can be done about a keeper that cannot be waited for.
        let _ = hold(&self.keeper).wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}
