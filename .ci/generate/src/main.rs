//! Writes `examples/recording_grpc/generated/recordings.v1.rs`, or with `--check` compares it.
//!
//! Pure Rust: no `protoc` is needed.

use std::{env, error::Error, fs, path::Path, process::ExitCode};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/recording_grpc");
    let made = generated(&example)?;
    let file = example.join("generated/recordings.v1.rs");
    if env::args().any(|argument| argument == "--check") {
        if fs::read_to_string(&file)? == made {
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("recordings.v1.rs is not what recordings.proto says: run .ci/generate");
        return Ok(ExitCode::FAILURE);
    }
    fs::write(file, made)?;
    Ok(ExitCode::SUCCESS)
}

fn generated(example: &Path) -> Result<String, Box<dyn Error>> {
    let descriptors = protox::compile(["recordings.proto"], [example])?;
    let folder = env::temp_dir().join(format!("generate-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .bytes(".")
        .out_dir(&folder)
        .compile_fds(descriptors)?;
    let code = fs::read_to_string(folder.join("recordings.v1.rs"))?;
    fs::remove_dir_all(folder)?;
    // The first line is what a test of the library compares, without a protobuf compiler.
    let source = fs::read(example.join("recordings.proto"))?;
    Ok(format!("// From recordings.proto, {}.\n{code}", checksum(&source)))
}

/// FNV-1a, 64 bits.
fn checksum(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
