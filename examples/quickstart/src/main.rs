//! Shows how deliveries are verified and handled, without any configuration, and then waits for more
//! deliveries.
//!
//! Run with: `cargo run -p quickstart` (`-- --help` lists the options)

mod demonstration;
mod options;
mod server;

use std::error::Error;
use std::process::ExitCode;

use clerk_webhook::SigningSecret;

use options::{Invocation, Options};

const SECRET_VARIABLES: [&str; 2] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Options::read(std::env::args().skip(1), std::env::var("PORT").ok()) {
        Ok(Invocation::Help) => {
            print!("{}", options::HELP);
            Ok(true)
        }
        Ok(Invocation::Run(options)) => run(options).await,
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether every response in the demonstration was the expected one.
async fn run(options: Options) -> Result<bool, Box<dyn Error>> {
    let configured = SECRET_VARIABLES.into_iter().any(|name| std::env::var_os(name).is_some());
    if configured && !options.once {
        let server = server::start(clerk_webhook::Verifier::from_env()?, options.port).await?;
        println!("listening on {}", server.url);
        println!("Create an endpoint in the Clerk Dashboard that reaches this URL through a tunnel,");
        println!("or send deliveries with the `clerk-webhook trigger` command.");
        server.print_events().await?;
        return Ok(true);
    }

    let secret = temporary_secret()?;
    let verifier = clerk_webhook::Verifier::builder().secret(secret.clone()).build()?;
    let mut server = server::start(verifier, options.port).await?;
    println!("listening on {} with a temporary secret\n", server.url);
    let as_expected = demonstration::run(&mut server, &secret).await?;
    if options.once {
        server.stop().await?;
        return Ok(as_expected);
    }
    demonstration::print_how_to_send_more(&server.url, &secret);
    server.print_events().await?;
    Ok(as_expected)
}

fn temporary_secret() -> Result<SigningSecret, Box<dyn Error>> {
    let mut key = [0; 24];
    getrandom::fill(&mut key)?;
    Ok(SigningSecret::from_bytes(&key)?)
}
