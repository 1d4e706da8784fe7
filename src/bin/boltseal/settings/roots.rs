//! Where trusted roots are kept.

use super::{set, user_folder};
use boltseal::{
    ops::trusted_root::{Roots, Variables},
    store::RootStore,
};
use jiff::Timestamp;

/// The trusted roots of this machine: of BOLTSEAL_ROOTS, else of the user's data folder; without either, those that come with
/// this version.
pub fn roots() -> Roots {
    let folder = || Some(user_folder("XDG_DATA_HOME", ".local/share")?.join("boltseal/roots"));
    Roots::new(set("BOLTSEAL_ROOTS").or_else(folder).map(RootStore::at), Timestamp::now())
}

/// What cosign's variables name.
pub fn root_variables() -> Variables {
    Variables::of(set)
}
