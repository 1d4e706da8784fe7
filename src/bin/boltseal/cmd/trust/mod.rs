//! `trust`: content trust, that is what tags mean and who says so.

mod args;
mod import_dct;
mod render;

pub use args::TrustCommand;

use crate::{
    exit::{Exit, Failure},
    output::Output,
};

pub async fn run(command: TrustCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        TrustCommand::ImportDct(args) => import_dct::run(*args, output).await,
    }
}
