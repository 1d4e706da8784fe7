//! What is kept on disk.

mod atomic;
mod keys;

pub use atomic::write_atomic;
pub use keys::{
    KeySource, KeySourceError, LoadKeyError, LoadedKey, PermissionWarning, SaveKeyError, load_private_key,
    load_public_key, save_key_pair,
};
