mod attacks;
mod authoring;
mod bins;
mod delegations;
mod differential;
mod lock;
pub(crate) mod repo;
mod roots;
mod workflow;

use super::*;
use crate::format::tuf::RoleName;
