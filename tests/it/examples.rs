//! What all examples share: the command line, and how they start.

use tokio::net::TcpListener;

use crate::example::run;

const EXAMPLES: [&str; 6] =
    ["gateway", "hyper", "lambda", "playground", "recording_api", "recording_grpc"];

/// Without these, the gateway does not start.
const GATEWAY: [&str; 6] = [
    "--upstream",
    "http://127.0.0.1:9000",
    "--server-url",
    "https://app.example.com",
    "--public-url",
    "https://api.example.com",
];

#[tokio::test]
async fn help_is_no_error_and_says_what_the_example_is() {
    for example in EXAMPLES {
        let (code, stdout, stderr) = run(example, &["--help"]).await;
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{example}");
        assert!(stdout.contains(&format!("Usage: {example}")), "{stdout}");
        if example != "lambda" {
            assert!(stdout.contains("--stop-within <DURATION>"), "{stdout}");
        }
    }
}

#[tokio::test]
async fn a_wrong_option_is_one_line_and_exit_code_2() {
    for example in EXAMPLES {
        let (code, stdout, stderr) = run(example, &["--colour", "red"]).await;
        let told = (code, stdout.as_str(), stderr.as_str());
        let line = "error: unexpected argument '--colour' found\n";
        assert_eq!(told, (Some(2), "", line), "{example}");
    }
    for (option, line) in [
        (
            ["--stop-within", "soon"],
            "error: invalid value 'soon' for '--stop-within <DURATION>': expected number at 0\n",
        ),
        (
            ["--max-connections", "0"],
            "error: invalid value '0' for '--max-connections <COUNT>': 0 is not in 1..=100000\n",
        ),
    ] {
        let (code, _, stderr) = run("hyper", &option).await;
        assert_eq!((code, stderr.as_str()), (Some(2), line));
    }
}

#[tokio::test]
async fn a_port_in_use_is_one_line_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for example in EXAMPLES.into_iter().filter(|example| *example != "lambda") {
        let mut options = vec!["--listen", &address];
        if example == "gateway" {
            options.extend(GATEWAY);
        }
        let (code, stdout, stderr) = run(example, &options).await;
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (Some(1), "", 1), "{stderr}");
        let start = format!("error: cannot listen on {address}: ");
        assert!(stderr.starts_with(&start), "{example}: {stderr}");
    }
}
