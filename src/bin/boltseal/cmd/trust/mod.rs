//! `trust`: content trust, that is what tags mean and who says so.

mod args;
mod cosign;
mod desk;
mod import_dct;
mod init;
mod inspect;
mod keys;
mod report;
mod review;
mod roles;
mod status;
mod tags;
mod transfer;
mod upkeep;
mod view;

pub use args::TrustCommand;
pub use report::{Shown, signed_tag};

use crate::{
    exit::{Exit, Failure},
    output::Output,
};
use args::{SealerCommand, SignerCommand};

pub async fn run(command: TrustCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        TrustCommand::Init(args) => init::run(*args, output).await,
        TrustCommand::Sign(args) => tags::sign(*args, output).await,
        TrustCommand::Revoke(args) => tags::revoke(*args, output).await,
        TrustCommand::Inspect(args) => inspect::run(*args, output).await,
        TrustCommand::Signer(SignerCommand::Add(args)) => roles::add_signer(*args, output).await,
        TrustCommand::Signer(SignerCommand::Remove(args)) => roles::remove_signer(*args, output).await,
        TrustCommand::Signer(SignerCommand::List(args)) => inspect::list_signers(*args, output).await,
        TrustCommand::Sealer(SealerCommand::Add(args)) => roles::add_sealer(*args, output).await,
        TrustCommand::Sealer(SealerCommand::Remove(args)) => roles::remove_sealer(*args, output).await,
        TrustCommand::Threshold(args) => roles::threshold(*args, output).await,
        TrustCommand::Cosign(args) => cosign::run(*args, output).await,
        TrustCommand::Rotate(args) => roles::rotate(*args, output).await,
        TrustCommand::Refresh(args) => upkeep::refresh(*args, output).await,
        TrustCommand::Status(args) => status::run(*args, output).await,
        TrustCommand::Pin(args) => upkeep::pin(*args, output).await,
        TrustCommand::Export(args) => transfer::export(*args, output).await,
        TrustCommand::Import(args) => transfer::import(*args, output).await,
        TrustCommand::ImportDct(args) => import_dct::run(*args, output).await,
    }
}
