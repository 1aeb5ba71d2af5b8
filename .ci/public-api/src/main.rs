//! Prints the public API that a JSON file of rustdoc describes.

use std::env;
use std::error::Error;

use public_api::Builder;

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args_os().nth(1).ok_or("Usage: public-api-of FILE")?;
    print!("{}", Builder::from_rustdoc_json(file).omit_blanket_impls(true).build()?);
    Ok(())
}
