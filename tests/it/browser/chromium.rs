//! The browser: started with a new profile, without a driver, ended with its folder.

use std::{
    io::Write,
    path::PathBuf,
    process::{Child, Command, Stdio},
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

    pub fn open(program: &PathBuf, url: &str) -> Self {
        let profile = std::env::temp_dir().join(format!("tower-contract-{}", std::process::id()));
        std::fs::create_dir(&profile).unwrap();
        let process = Command::new(program)
            .args(FLAGS)
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
