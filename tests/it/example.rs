//! An example as a process of its own.

use std::{
    collections::HashMap,
    env,
    ffi::OsStr,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{self, ExitStatus, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

/// Everything here answers within milliseconds; this is for a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let value = timeout(PATIENCE, future).await;
    value.unwrap_or_else(|_| panic!("{what} took longer than {PATIENCE:?}"))
}

/// A running example that listens. It is killed when this is dropped.
#[derive(Debug)]
pub struct Example {
    child: Child,
    pub address: SocketAddr,
    /// Kept, so that the program can go on writing.
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
    folder: Folder,
}

impl Example {
    /// Starts it on a free port, with a temporary folder of its own.
    pub async fn start(name: &'static str, options: &[&str]) -> Self {
        let folder = Folder::new();
        let command = command(name, options, &folder);
        Self::spawn(command, folder).await
    }

    /// The same under a limit of the shell's `ulimit`: `-n 128` for 128 file descriptors.
    pub async fn start_under(limit: &str, name: &'static str, options: &[&str]) -> Self {
        let folder = Folder::new();
        let mut shell = prepared(Command::new("sh"), &folder);
        // Of a file that is too long, a program is told by an error instead of a signal.
        shell.arg("-c").arg(format!("trap '' XFSZ; ulimit {limit} && exec \"$0\" \"$@\""));
        shell.arg(binary(name)).args(options);
        Self::spawn(shell, folder).await
    }

    /// The same as the user nobody; `None` where that cannot be had.
    pub async fn start_as_nobody(name: &'static str, options: &[&str]) -> Option<Self> {
        let folder = Folder::new();
        let as_nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let mut tried = process::Command::new("setpriv");
        tried.args(as_nobody).arg(binary(name)).arg("--help").stdout(Stdio::null());
        if !tried.status().is_ok_and(|status| status.success()) {
            return None;
        }
        let mut command = prepared(Command::new("setpriv"), &folder);
        command.args(as_nobody).arg(binary(name)).args(options);
        Some(Self::spawn(command, folder).await)
    }

    async fn spawn(mut command: Command, folder: Folder) -> Self {
        let mut child = command.args(["--listen", "127.0.0.1:0"]).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = child.stderr.take().unwrap();
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            stderr.read_to_string(&mut text).await.unwrap();
            text
        });
        let line = soon("the program's start", stdout.next_line()).await;
        let line = line.unwrap().expect("the program says that it listens");
        let address = line.strip_prefix("listening on http://").unwrap();
        Self { address: address.parse().unwrap(), child, stdout, stderr, folder }
    }

    /// The next line of its standard output.
    pub async fn line(&mut self) -> String {
        self.stdout.next_line().await.unwrap().expect("the program goes on writing")
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("the program is running")
    }

    /// Sends a signal, by its name.
    pub async fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(status.await.unwrap().success());
    }

    /// Waits for its end.
    pub async fn end(&mut self) -> ExitStatus {
        soon("the program's end", self.child.wait()).await.unwrap()
    }

    /// Waits for its end, and returns what it has written to standard error.
    pub async fn end_with_log(mut self) -> (ExitStatus, String) {
        let status = self.end().await;
        (status, soon("the log", &mut self.stderr).await.unwrap())
    }

    /// Kills it, and returns what it has written to standard error.
    pub async fn into_log(mut self) -> String {
        soon("the kill", self.child.kill()).await.unwrap();
        soon("the log", &mut self.stderr).await.unwrap()
    }

    /// What is left in the temporary folder that the program was given.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder.0).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Runs an example until it ends by itself: exit code, standard output, standard error.
pub async fn run(name: &'static str, options: &[&str]) -> (Option<i32>, String, String) {
    let folder = Folder::new();
    let output = command(name, options, &folder).output();
    let output = soon("the program's end", output).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// An example, not yet started.
pub fn command(name: &'static str, options: &[&str], temporary: &Folder) -> Command {
    let mut command = prepared(Command::new(binary(name)), temporary);
    command.args(options);
    command
}

fn prepared(mut command: Command, temporary: &Folder) -> Command {
    command
        .env("TMPDIR", &temporary.0)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The example beside this test binary. `cargo test` has built it; `cargo test --test it` has not.
fn binary(name: &'static str) -> PathBuf {
    static FOUND: LazyLock<Mutex<HashMap<&str, PathBuf>>> = LazyLock::new(Mutex::default);
    let mut found = FOUND.lock().unwrap();
    found.entry(name).or_insert_with(|| find(name)).clone()
}

fn find(name: &str) -> PathBuf {
    let tests = env::current_exe().unwrap(); // target/debug/deps/it-0123
    let profile = tests.ancestors().nth(2).unwrap();
    let binary = profile.join("examples").join(name).with_extension(env::consts::EXE_EXTENSION);
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (folder, file) = (format!("examples/{name}"), format!("examples/{name}.rs"));
    let sources = ["Cargo.toml", "Cargo.lock", "src", "examples/shared", &folder, &file];
    let newest = sources.iter().map(|source| last_change(&package.join(source))).max();
    if newest > fs::metadata(&binary).and_then(|binary| binary.modified()).ok() {
        let mut build = process::Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--example", name, "--target-dir"]);
        build.arg(profile.parent().unwrap()).current_dir(package);
        // As from a shell: ring's build script reads these, and would run, with all that needs it,
        // each time that they come and go.
        for (name, _) in env::vars_os().filter(|(name, _)| is_of_a_package(name)) {
            build.env_remove(name);
        }
        if profile.file_name() == Some(OsStr::new("release")) {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "{build:?}");
    }
    binary
}

/// Whether cargo sets this for the package whose tests it runs.
fn is_of_a_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// When a file was changed, or the newest in a folder.
fn last_change(path: &Path) -> SystemTime {
    match fs::read_dir(path) {
        Err(_) => {
            fs::metadata(path).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
        }
        Ok(entries) => entries
            .map(|entry| last_change(&entry.unwrap().path()))
            .max()
            .unwrap_or(SystemTime::UNIX_EPOCH),
    }
}

/// A log of text, each line of it without its time: `INFO stopping; ..`.
pub fn without_times(log: &str) -> String {
    let lines = log.lines().map(|line| line.split_once(' ').expect("a time").1.trim_start());
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A folder of one test's own.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-contract-test-{}-{number}", process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
