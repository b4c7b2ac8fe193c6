//! Gathers the shapes files into the library, and compiles the PostgreSQL label provider `pgaadauth`, one shared library per major version of the server.
//!
//! The library is plain Rust against the server's exported functions: no server headers, no C compiler, no crates.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MAJORS: [u32; 6] = [13, 14, 15, 16, 17, 18];

fn main() {
    println!("cargo::rerun-if-changed=pgaadauth/lib.rs");
    println!("cargo::rerun-if-changed=build.rs");
    let compiler = env::var("RUSTC").expect("cargo sets RUSTC");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    shapes(&out);
    for major in MAJORS {
        let library = out.join(format!("pgaadauth-{major}.so"));
        let mut command = Command::new(&compiler);
        command
            .args([
                "--crate-name",
                "pgaadauth",
                "--edition",
                "2024",
                "--crate-type",
                "cdylib",
            ])
            .args(["--target", &target, "-O", "-C", "panic=abort", "-C", "strip=symbols"])
            .args([
                "--check-cfg",
                "cfg(major, values(\"13\",\"14\",\"15\",\"16\",\"17\",\"18\"))",
            ])
            .args(["--cfg", &format!("major=\"{major}\"")])
            .arg("pgaadauth/lib.rs")
            .arg("-o")
            .arg(&library);
        if target.contains("apple") {
            // The server's functions are found when it loads the library; other linkers allow that by themselves.
            command.args(["-C", "link-arg=-undefined", "-C", "link-arg=dynamic_lookup"]);
        }
        let status = command.status().expect("the Rust compiler starts");
        assert!(
            status.success(),
            "the label provider for PostgreSQL {major} did not compile"
        );
    }
}

/// Lists every file of `tests/shapes` with its text.
fn shapes(out: &Path) {
    println!("cargo::rerun-if-changed=tests/shapes");
    let folder =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR")).join("tests/shapes");
    let entries = fs::read_dir(&folder).expect("the folder of shapes is there");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut text = String::from("/// Name and text of every file of shapes.\nstatic FILES: &[(&str, &str)] = &[\n");
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        text.push_str(&format!(
            "    ({name:?}, include_str!({:?})),\n",
            file.display().to_string()
        ));
    }
    text.push_str("];\n");
    fs::write(out.join("shapes.rs"), text).expect("the list of shapes can be written");
}
