//! Starts NATS servers on free loopback ports, runs a command with their addresses in place of `{}`, and stops them again:
//!
//! ```sh
//! cargo run -p subrosa-nats-examples --example with_servers -- 3 cargo run --release --example group_call -- --delivery {}
//! ```

use std::process::ExitCode;

use subrosa_nats_examples::Cluster;
use tokio::process::Command;

const USAGE: &str = "with_servers: how many servers, and a command, in which {} stands for their addresses";

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().and_then(|count| count.parse().ok()).filter(|count| (1..=5).contains(count));
    let (Some(count), Some(program)) = (count, arguments.next()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let cluster = match Cluster::ready(count).await {
        Ok(cluster) => cluster,
        Err(error) => {
            eprintln!("with_servers: {error}");
            return ExitCode::FAILURE;
        }
    };
    let addresses = cluster.urls().join(",");
    let arguments = arguments.map(|argument| argument.replace("{}", &addresses));
    let status = Command::new(&program).args(arguments).status().await;
    drop(cluster); // by their process ids
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("with_servers: {program}: {error}");
            ExitCode::FAILURE
        }
    }
}
