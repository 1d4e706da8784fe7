//! The command line of `trust` as clap reads it.

mod import_dct;
mod init;
pub mod parse;
mod roles;
mod shared;
mod tags;
mod upkeep;

pub use import_dct::ImportDctArgs;
pub use init::{InitArgs, Preset};
pub use roles::{
    CosignArgs, RotateArgs, SealerArgs, SealerCommand, SignerAddArgs, SignerCommand, SignerListArgs, SignerRemoveArgs,
    ThresholdArgs,
};
pub use shared::{BaseArgs, ReadArgs, TrustArgs, WriteArgs};
pub use tags::{InspectTrustArgs, RevokeArgs, SignTagArgs};
pub use upkeep::{ExportArgs, ImportArgs, PinArgs, RefreshArgs, StatusArgs};

use clap::Subcommand;

/// Signs tags: who says what a tag means, freshly, kept in the image's own repository.
#[derive(Subcommand)]
pub enum TrustCommand {
    Init(Box<InitArgs>),
    Sign(Box<SignTagArgs>),
    Revoke(Box<RevokeArgs>),
    Inspect(Box<InspectTrustArgs>),
    #[command(subcommand)]
    Signer(SignerCommand),
    #[command(subcommand)]
    Sealer(SealerCommand),
    Threshold(Box<ThresholdArgs>),
    Cosign(Box<CosignArgs>),
    Rotate(Box<RotateArgs>),
    Refresh(Box<RefreshArgs>),
    Status(Box<StatusArgs>),
    Pin(Box<PinArgs>),
    Export(Box<ExportArgs>),
    Import(Box<ImportArgs>),
    ImportDct(Box<ImportDctArgs>),
}

#[cfg(test)]
mod tests {
    use crate::args::Cli;
    use clap::{Command, CommandFactory as _};

    fn assert_few_flags(verb: &Command) {
        let own = verb.get_arguments().filter(|flag| !flag.is_positional() && flag.get_help_heading().is_none());
        assert!(own.count() <= 8, "{}", verb.get_name());
        verb.get_subcommands().for_each(assert_few_flags);
    }

    #[test]
    fn a_verb_below_trust_has_at_most_eight_flags_of_its_own() {
        assert_few_flags(Cli::command().find_subcommand("trust").expect("trust"));
    }
}
