//! The browser: started with a new profile, without a driver, ended with its folder.

use std::{
    io::Write,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

const FLAGS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable",
    // Every host name is this machine, so any page can be a real one.
    "--host-resolver-rules=MAP * 127.0.0.1",
    // The certificate of the tests is nobody's.
    "--ignore-certificate-errors",
    "--no-proxy-server",
    "--password-store=basic",
];

#[derive(Debug)]
pub struct Chromium {
    process: Child,
    profile: PathBuf,
}

impl Chromium {
    /// The browser that `CHROMIUM` names; without it a note that nothing was tested, and with
    /// `CI=true` a failure.
    pub fn named_by_environment() -> Option<PathBuf> {
        let named = std::env::var_os("CHROMIUM").filter(|name| !name.is_empty());
        if named.is_none() {
            let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!in_ci, "CI=true, and CHROMIUM does not name a browser");
            note("browser tests skipped: CHROMIUM names no browser");
        }
        named.map(PathBuf::from)
    }

    /// Opens `url` with a profile that nobody else has; the name is that of the test.
    pub fn open(program: &PathBuf, name: &str, url: &str) -> Self {
        Self::open_with(program, name, &[], url)
    }

    /// The same, and the DevTools listen on a port that [`devtools`](Self::devtools) tells.
    pub fn open_with_devtools(program: &PathBuf, name: &str) -> Self {
        Self::open_with(program, name, &["--remote-debugging-port=0"], "about:blank")
    }

    /// The URL of the DevTools, as soon as the browser has written it down.
    pub async fn devtools(&self) -> String {
        let file = self.profile.join("DevToolsActivePort");
        for _ in 0..600 {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if let Some((port, path)) = text.split_once('\n') {
                return format!("ws://127.0.0.1:{port}{}", path.trim());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the browser has not told its DevTools");
    }

    fn open_with(program: &PathBuf, name: &str, more: &[&str], url: &str) -> Self {
        let folder = format!("tower-contract-{}-{name}", std::process::id());
        let profile = std::env::temp_dir().join(folder);
        std::fs::create_dir(&profile).unwrap();
        let process = Command::new(program)
            .args(FLAGS)
            .args(more)
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, profile }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// Tells whoever watches the tests, also when they pass.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "\n{text}");
}
