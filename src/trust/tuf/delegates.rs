//! Targets roles, top-level and delegated (TUF 1.0.34, 5.6).

use super::{
    Scope, Supplied, Update, UpdateError, Want,
    checks::check_version,
    graph::Search,
    quorum::Authority,
    roots::authority,
    trusted::{Trusted, decode},
};
use crate::{
    format::tuf::{RoleName, Targets},
    limits::TUF_ROLE_NAME,
    trust::Principal,
};
use bytes::Bytes;
use std::collections::BTreeSet;

/// A delegation to be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub parent: RoleName,
    pub child: RoleName,
    /// How many delegations it is below the top, itself included.
    pub depth: usize,
}

impl Edge {
    /// The one delegation that nothing goes on without.
    fn is_revoked(&self) -> bool {
        self.parent == RoleName::Targets && self.child.as_str() == RoleName::REVOKED
    }
}

impl Update {
    pub(super) fn want_targets(&mut self) -> Result<Option<Want>, UpdateError> {
        if !self.graph.files.contains_key(&RoleName::Targets) {
            return self.want_listed_targets(RoleName::Targets).map(Some);
        }
        while let Some(edge) = self.next_edge() {
            let child = edge.child.clone();
            if self.followed >= self.terms.limits.delegations && !edge.is_revoked() {
                self.stop_following(child);
                return Ok(None);
            }
            self.followed += 1;
            if let Err(error) = self.check_followed(&edge) {
                self.settle(edge, Err(error));
                continue;
            }
            if let Some(file) = self.graph.files.get(&child) {
                let again = self.delegated(&edge).and_then(|authority| self.check_signed(&authority, &file.metadata));
                self.edge = Some(edge.clone());
                match again {
                    Ok(signers) => self.settle(edge, Ok(signers)),
                    Err(error) => self.pass_over(error).map(|_| ())?,
                }
                continue;
            }
            self.edge = Some(edge);
            match self.want_listed_targets(child) {
                Ok(want) => return Ok(Some(want)),
                Err(error) => self.pass_over(error).map(|_| ())?,
            }
        }
        Ok(None)
    }

    /// Whether a delegation is one that is followed, before anything is read for it.
    fn check_followed(&self, edge: &Edge) -> Result<(), UpdateError> {
        let Edge { parent, child, depth } = edge;
        let most = self.terms.limits.depth;
        if *depth > most && !edge.is_revoked() {
            let what = "delegations one below the other";
            return Err(UpdateError::OverLimit { role: child.clone(), what, most });
        }
        if self.terms.is_boltseal() && child.as_str().len() > TUF_ROLE_NAME {
            let what = "bytes in the name of a role that it delegates to";
            return Err(UpdateError::OverLimit { role: parent.clone(), what, most: TUF_ROLE_NAME });
        }
        match self.graph.delegators.get(child).filter(|delegator| *delegator != parent) {
            Some(delegator) => Err(UpdateError::DelegatedTwice {
                role: child.clone(),
                by: parent.clone(),
                delegator: delegator.clone(),
            }),
            None => Ok(()),
        }
    }

    fn want_listed_targets(&self, role: RoleName) -> Result<Want, UpdateError> {
        let meta = self.snapshot.as_ref().and_then(|snapshot| snapshot.metadata.signed().file(&role));
        let meta = meta.ok_or_else(|| UpdateError::Missing { file: role.meta_name(), role: role.clone() })?;
        let limit = self.limit_of(&role);
        Ok(self.want_listed(role, meta, limit))
    }

    pub(super) fn targets_bytes(&self) -> u64 {
        self.graph.files.values().map(|file| file.bytes().len() as u64).sum()
    }

    /// The delegation wanted already, or the next one: where all roles are read the upper ones first, so that nobody's own
    /// delegations keep others out.
    fn next_edge(&mut self) -> Option<Edge> {
        if self.edge.is_some() {
            return self.edge.take();
        }
        // What is revoked is read whatever else is: an answer without it would not know.
        if self.terms.is_boltseal() && self.queue.front().is_some_and(Edge::is_revoked) {
            return self.queue.pop_front();
        }
        match &self.terms.scope {
            Scope::TopLevel => None,
            Scope::All => self.queue.pop_front(),
            Scope::Paths(paths) => paths.iter().find_map(|path| match self.graph.search(path) {
                Search::Needs(edge) => Some(edge),
                Search::Found(..) | Search::NotFound(_) => None,
            }),
        }
    }

    fn stop_following(&mut self, role: RoleName) {
        let most = self.terms.limits.delegations;
        self.graph.over_limit = Some(UpdateError::OverLimit { role, what: "delegations", most });
    }

    /// What became of a delegation.
    fn settle(&mut self, edge: Edge, result: Result<BTreeSet<Principal>, UpdateError>) {
        self.edge = None;
        self.graph.edges.insert((edge.parent, edge.child), result);
    }

    /// By boltseal's rules an update goes on without a delegated role that can't be used, unless it is the one that says
    /// what is revoked. By TUF's the search ends there (TUF 1.0.34, 5.6.7, note).
    pub(super) fn pass_over(&mut self, error: UpdateError) -> Result<Supplied, UpdateError> {
        match &self.edge {
            Some(edge) if self.terms.is_boltseal() && !edge.is_revoked() => {
                self.settle(edge.clone(), Err(error));
                Ok(Supplied::PassedOver)
            }
            _ => Err(error),
        }
    }

    /// TUF 1.0.34, 5.6.1 to 5.6.6, and that no older version was seen.
    pub(super) fn take_targets(&mut self, bytes: &Bytes) -> Result<Supplied, UpdateError> {
        let Some(root) = &self.root else { return Err(UpdateError::NothingWanted) };
        let role = RoleName::Targets;
        let file = self.verified(&role, &authority(root.metadata.signed(), &role), bytes)?;
        self.terms.check_floor(&role, file.metadata.version(), Some(file.digest), &file.keys)?;
        self.keep(role, file, 0);
        Ok(Supplied::Kept)
    }

    /// TUF 1.0.34, 5.6.7.2: as the top-level role, with the keys that the delegation lists.
    pub(super) fn take_delegate(&mut self, bytes: &Bytes) -> Result<Supplied, UpdateError> {
        let Some(edge) = self.edge.clone() else { return Err(UpdateError::NothingWanted) };
        let file = self.verified(&edge.child, &self.delegated(&edge)?, bytes)?;
        let signers = file.signers.clone();
        self.keep(edge.child.clone(), file, edge.depth);
        self.settle(edge, Ok(signers));
        Ok(Supplied::Kept)
    }

    fn delegated(&self, edge: &Edge) -> Result<Authority, UpdateError> {
        let missing = || UpdateError::Missing { role: edge.child.clone(), file: edge.child.meta_name() };
        self.graph.authority(&edge.parent, &edge.child).ok_or_else(missing)
    }

    fn check_signed(
        &self,
        authority: &Authority,
        metadata: &crate::format::tuf::Metadata<Targets>,
    ) -> Result<BTreeSet<Principal>, UpdateError> {
        if self.terms.is_boltseal() {
            authority.check_distinct()?;
        }
        authority.verify(metadata)
    }

    fn verified(&self, role: &RoleName, authority: &Authority, bytes: &Bytes) -> Result<Trusted<Targets>, UpdateError> {
        let snapshot = self.snapshot.as_ref().ok_or(UpdateError::NothingWanted)?;
        let missing = || UpdateError::Missing { role: role.clone(), file: role.meta_name() };
        let meta = snapshot.metadata.signed().file(role).ok_or_else(missing)?;
        let digest = self.terms.check_listed(role, &RoleName::Snapshot, meta, bytes)?;
        let metadata = decode::<Targets>(role, bytes)?;
        let signers = self.check_signed(authority, &metadata)?;
        check_version(role, &RoleName::Snapshot, meta.version, metadata.version())?;
        self.terms.check_fresh(role, metadata.expires())?;
        self.terms.check_binding(role, metadata.signed().binding.as_ref())?;
        Ok(Trusted { metadata, digest, signers, keys: authority.fingerprints() })
    }

    fn keep(&mut self, role: RoleName, file: Trusted<Targets>, depth: usize) {
        let (all, boltseal) = (self.terms.scope == Scope::All, self.terms.is_boltseal());
        for delegation in file.metadata.signed().delegations() {
            let edge = Edge { parent: role.clone(), child: delegation.name.clone(), depth: depth + 1 };
            if boltseal {
                // The top is read first in any scope: no delegate is before it.
                self.graph.delegators.entry(edge.child.clone()).or_insert_with(|| role.clone());
            }
            if edge.is_revoked() {
                self.queue.push_front(edge);
            } else if all && self.followed + self.queue.len() < self.terms.limits.delegations {
                self.queue.push_back(edge);
            } else if all && self.graph.over_limit.is_none() {
                self.stop_following(edge.child);
            }
        }
        self.graph.files.insert(role, file);
    }
}
