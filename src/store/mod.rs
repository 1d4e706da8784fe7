//! What is kept on disk.

mod atomic;
mod decision_log;
mod key_file;
mod keys;
mod lock;
mod roots;
mod trust;
mod trust_lock;
mod unfinished;

pub use atomic::{replace_files, write_atomic};
pub use decision_log::{DecisionLogError, append as append_decision, rotate as rotate_decisions};
pub use key_file::{KeyFile, load_key_file};
pub use keys::{
    KeySource, KeySourceError, LoadKeyError, LoadedKey, PermissionWarning, SaveKeyError, load_private_key,
    load_public_key, save_key_pair,
};
pub use roots::{Kept, RootStore, RootStoreError, StoredRoot};
pub use trust::{Remembered, RememberedError, TrustStore, TrustStoreError};
pub use trust_lock::{TrustLockError, read_trust_lock, update_trust_lock};
pub use unfinished::{Unfinished, UnfinishedStore};
