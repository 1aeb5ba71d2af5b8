//! The command-line arguments.

pub const HELP: &str = "\
Receives Clerk webhooks on 127.0.0.1 and prints the outcome of each delivery.

Without a signing secret, the quickstart generates one, sends itself a valid delivery, a duplicate and four
deliveries that it must reject, and then waits for more. If CLERK_WEBHOOK_SIGNING_SECRET is set, it skips the
demonstration and receives your deliveries.

Usage: cargo run -p quickstart -- [OPTIONS]

Options:
      --once         Exit after the demonstration, with code 0 if every response was the expected one
      --port <PORT>  Listen on this port [environment: PORT] [default: 3000, or any free port with --once]
  -h, --help         Print this help
";

pub enum Invocation {
    Help,
    Run(Options),
}

pub struct Options {
    pub once: bool,
    pub port: u16,
}

impl Options {
    pub fn read(
        mut arguments: impl Iterator<Item = String>,
        port_variable: Option<String>,
    ) -> Result<Invocation, String> {
        let mut once = false;
        let mut port = port_variable;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "-h" | "--help" => return Ok(Invocation::Help),
                "--once" => once = true,
                "--port" => {
                    port = Some(arguments.next().ok_or("--port needs a number, such as --port 4000")?)
                }
                other => return Err(format!("unknown argument '{other}'. See --help for the options")),
            }
        }
        let port = match port {
            Some(text) => text.parse().map_err(|_| format!("'{text}' is not a port from 0 to 65535"))?,
            None if once => 0,
            None => 3000,
        };
        Ok(Invocation::Run(Self { once, port }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], variable: Option<&str>) -> Result<(bool, u16), String> {
        match Options::read(arguments.iter().map(ToString::to_string), variable.map(Into::into))? {
            Invocation::Run(options) => Ok((options.once, options.port)),
            Invocation::Help => Err("help".to_owned()),
        }
    }

    #[test]
    fn arguments_override_the_environment() {
        assert_eq!(read(&[], None), Ok((false, 3000)));
        assert_eq!(read(&["--once"], None), Ok((true, 0)));
        assert_eq!(read(&["--once"], Some("4000")), Ok((true, 4000)));
        assert_eq!(read(&["--port", "5000"], Some("4000")), Ok((false, 5000)));
    }

    #[test]
    fn explains_invalid_arguments() {
        for (arguments, expected) in [
            (&["--port"][..], "--port needs a number"),
            (&["--port", "x"], "'x' is not a port"),
            (&["--onse"], "unknown argument '--onse'"),
        ] {
            assert!(read(arguments, None).unwrap_err().contains(expected));
        }
    }
}
