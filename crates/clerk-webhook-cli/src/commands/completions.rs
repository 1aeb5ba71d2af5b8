//! `clerk-webhook completions`.

use clap_complete::Shell;

use crate::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  mkdir -p ~/.local/share/bash-completion/completions
  clerk-webhook completions bash \\
      > ~/.local/share/bash-completion/completions/clerk-webhook
  mkdir -p ~/.zfunc
  clerk-webhook completions zsh > ~/.zfunc/_clerk-webhook
  clerk-webhook completions fish > ~/.config/fish/completions/clerk-webhook.fish";

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Shell to print completions for
    shell: Shell,
}

/// Prints a program's completions.
pub(super) fn run(args: &Args, mut program: clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "clerk-webhook", &mut script);
    if args.shell == Shell::Bash {
        // clap_complete 4.6 treats the hyphen in the program's name as a separator between commands, so it
        // does not complete the arguments of commands (clap-rs/clap#6421). Versions without this bug are not
        // affected by the replacement.
        let fixed = String::from_utf8_lossy(&script).replace("clerk__subcmd__webhook", "clerk__webhook");
        script = fixed.into_bytes();
    }
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(())
}
