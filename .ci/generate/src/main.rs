//! Writes the Rust code that examples make from their `.proto`, or with `--check` compares it.
//!
//! Pure Rust: no `protoc` is needed.

use std::{env, error::Error, fs, path::Path, process::ExitCode};

/// An example, its `.proto`, and the package that this declares.
const EXAMPLES: [(&str, &str, &str); 2] = [
    ("recording_grpc", "recordings.proto", "recordings.v1"),
    ("envoy", "external_processor.proto", "envoy.service.ext_proc.v3"),
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let check = env::args().any(|argument| argument == "--check");
    let mut code = ExitCode::SUCCESS;
    for (example, proto, package) in EXAMPLES {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
        let made = generated(&example, proto, package)?;
        let file = example.join(format!("generated/{package}.rs"));
        if !check {
            fs::write(file, made)?;
        } else if fs::read_to_string(&file)? != made {
            eprintln!("{package}.rs is not what {proto} says: run .ci/generate");
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

fn generated(example: &Path, proto: &str, package: &str) -> Result<String, Box<dyn Error>> {
    let descriptors = protox::compile([proto], [example])?;
    let folder = env::temp_dir().join(format!("generate-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .bytes(".")
        .out_dir(&folder)
        .compile_fds(descriptors)?;
    let code = fs::read_to_string(folder.join(format!("{package}.rs")))?;
    fs::remove_dir_all(folder)?;
    // The first line is what a test of the library compares, without a protobuf compiler.
    let source = fs::read(example.join(proto))?;
    Ok(format!("// From {proto}, {}.\n{code}", checksum(&source)))
}

/// FNV-1a, 64 bits.
fn checksum(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
